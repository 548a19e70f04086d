"""ERC-4626 vaults: MetaMorpho seen through to its markets, stataToken to its Aave reserve, others by their record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.curves import DilutedCurve, LookThroughCurve, VaultSlot
from yieldbot.math.morpho import WAD
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Deployment, Kind, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols._abi import abi, checksum, explain, short
from yieldbot.protocols.aave_v3 import RAY, reserve, reserve_reads, tokens_of
from yieldbot.protocols.morpho_blue import blue_market, blue_reads

MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
QUEUE_LENGTH = 30
"""MetaMorpho's own limit of its queues (ConstantsLib.MAX_QUEUE_LENGTH)."""
INSTANT_SECONDS = 1.0


class VaultParams(BaseModel):
    """generic needs lookback_blocks; metamorpho needs morpho and irm; stata needs pool and data_provider."""

    model_config = ConfigDict(extra="forbid")
    flavour: Literal["generic", "metamorpho", "stata"]
    vaults: list[str]
    lookback_blocks: int = 7200
    morpho: str | None = None
    irm: str | None = None
    pool: str | None = None
    data_provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What a flavour found: raw units of the asset, and the curve. ``capacity_raw``: None without a limit."""

    held_raw: int
    supplied_raw: int
    borrowed_raw: int | None
    liquidity_raw: int
    capacity_raw: int | None
    curve: YieldCurve
    quoted: Apr
    pools: frozenset[str]
    flags: tuple[str, ...]
    status: Status = Status.ACTIVE
    gas_deposit: int = 250_000
    gas_withdraw: int = 250_000


class Erc4626:
    """Deposit to a vault; the position is its shares."""

    protocol: ClassVar[str] = "erc4626"
    params: ClassVar[type[BaseModel]] = VaultParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        vault_abi, where = abi("erc4626"), deployment.params
        vaults = [checksum(text) for text in where["vaults"]]
        extra = self._extra_reads(deployment)
        per_vault = [
            [vault_abi.read(v, name) for name in ("asset", "decimals", "symbol")] + self._queue_reads(deployment, v)
            for v in vaults
        ]
        answers = list((yield [*extra, *(read for reads in per_vault for read in reads)]))
        shared, answers = answers[: len(extra)], answers[len(extra) :]
        found = []
        for vault, reads in zip(vaults, per_vault, strict=True):
            mine, answers = answers[: len(reads)], answers[len(reads) :]
            asset = vault_abi.one("asset", mine[0])
            token = next((t for t in deployment.assets if t.address == asset), None)
            if token is None:
                raise MarketError(f"{vault} holds {asset}, which is not among {deployment.name}'s assets")
            found.append(self._market(deployment, vault, token, mine, shared))
        return tuple(found)

    def _extra_reads(self, deployment: Deployment) -> list[EthCall]:
        where = deployment.params
        if where["flavour"] != "stata":
            return []
        return [r for token in deployment.assets for r in tokens_of(Address(where["data_provider"]), token.address)]

    def _queue_reads(self, deployment: Deployment, vault: Address) -> list[EthCall]:
        if deployment.params["flavour"] != "metamorpho":
            return []
        names = ("supplyQueue", "withdrawQueue")  # reading past a queue's end reverts: that is how its length shows
        return [abi("erc4626").read(vault, n, i, optional=True) for n in names for i in range(QUEUE_LENGTH)]

    def _market(
        self, deployment: Deployment, vault: Address, token: Token, mine: Sequence[bytes], shared: Sequence[bytes]
    ) -> Market:
        vault_abi, where = abi("erc4626"), deployment.params
        symbol = vault_abi.one("symbol", mine[2])
        params: dict[str, object] = {
            "flavour": where["flavour"],
            "share_decimals": vault_abi.one("decimals", mine[1]),
            "symbol": symbol,
            "lookback_blocks": where["lookback_blocks"],
        }
        if where["flavour"] == "stata":
            at = 2 * deployment.assets.index(token)
            params |= {"pool": where["pool"], "data_provider": where["data_provider"]}
            params["a_token"] = abi("aave_v3").one("getReserveTokensAddresses", shared[at])
            params["strategy"] = abi("aave_v3").one("getInterestRateStrategyAddress", shared[at + 1])
        if where["flavour"] == "metamorpho":
            queues = [answer.hex() for answer in mine[3:]]
            params |= {"morpho": where["morpho"], "irm": where["irm"]}
            params["supply_queue"] = tuple(q for q in queues[:QUEUE_LENGTH] if q)
            params["withdraw_queue"] = tuple(q for q in queues[QUEUE_LENGTH:] if q)
        return Market(
            id=MarketId(f"erc4626/{evm_number(deployment.chain)}/{vault.lower()}"),
            protocol=self.protocol,
            kind=Kind.VAULT,
            chain=deployment.chain,
            name=f"{deployment.name} {symbol}",
            asset=token,
            address=vault,
            params=params,
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        flows = {"generic": _generic, "metamorpho": _metamorpho, "stata": _stata}
        token = market.asset
        view, shares = yield from flows[market.params["flavour"]](market, owner, block)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, view.held_raw),
            shares=shares,
            share_token=Token(token.chain, market.address, market.params["symbol"], market.params["share_decimals"]),
            liquidity=Amount(token, view.liquidity_raw),
            capacity=None if view.capacity_raw is None else Amount(token, view.capacity_raw),
            supplied=Amount(token, view.supplied_raw),
            borrowed=None if view.borrowed_raw is None else Amount(token, view.borrowed_raw),
            status=view.status,
            curve=view.curve,
            quoted=view.quoted,
            pools=view.pools or frozenset({market.id}),
            gas_deposit=view.gas_deposit,
            gas_withdraw=view.gas_withdraw,
            flags=view.flags,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("erc4626").encode("deposit", amount.raw, owner),
                value=0,
                words=f"deposit {amount} into {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, vault_abi = state.market, abi("erc4626")
        if amount is None:  # by shares, so that nothing is left behind
            data, what = vault_abi.encode("redeem", state.shares, owner, owner), f"all ({state.held})"
        else:
            data, what = vault_abi.encode("withdraw", amount.raw, owner, owner), str(amount)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def explain_revert(self, data: bytes) -> str | None:
        return explain("erc4626", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        vault_abi = abi("erc4626")
        return {market.address: frozenset(vault_abi.selector(f) for f in ("deposit", "withdraw", "redeem"))}


def _generic(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[_View, int]]:
    """A vault that cannot be looked into: what its share price did over the lookback, shared by all holders."""
    vault, lag = abi("erc4626"), market.params["lookback_blocks"]
    at, probe = market.address, 10 ** (market.params["share_decimals"] + 9)
    balance, total, deposit_limit, price, before, then = yield [
        vault.read(at, "balanceOf", owner),
        vault.read(at, "totalAssets"),
        vault.read(at, "maxDeposit", owner, optional=True),
        vault.read(at, "convertToAssets", probe),
        vault.read(at, "convertToAssets", probe, lag_blocks=lag),
        vault.read(MULTICALL3, "getCurrentBlockTimestamp", lag_blocks=lag),
    ]
    shares = vault.one("balanceOf", balance)
    held_raw = 0
    if shares:
        (redeemed,) = yield [vault.read(at, "previewRedeem", shares)]
        held_raw = vault.one("previewRedeem", redeemed)
    elapsed = block.timestamp - vault.one("getCurrentBlockTimestamp", then)
    past = vault.one("convertToAssets", before)
    if elapsed <= 0 or past <= 0:
        raise MarketError(f"{market.name} has no history of {lag} blocks to take a rate from")
    growth = vault.one("convertToAssets", price) / past - 1
    rate = growth * SECONDS_PER_YEAR / elapsed
    total_raw, one = vault.one("totalAssets", total), market.asset.one
    limit = vault.one("maxDeposit", deposit_limit) if deposit_limit else None
    return _View(
        held_raw=held_raw,
        supplied_raw=total_raw,
        borrowed_raw=None,
        liquidity_raw=total_raw,
        capacity_raw=None if limit is None or limit >= 2**128 else limit,
        curve=DilutedCurve((total_raw - held_raw) / one, total_raw / one * rate),
        quoted=Apr(rate),
        pools=frozenset(),
        flags=("trailing-rate",) if growth >= 0 else ("trailing-rate", "losing"),
        gas_deposit=150_000,
        gas_withdraw=120_000,
    ), shares


def _stata(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[_View, int]]:
    """Aave's own wrapper: its money lies in the reserve, so the reserve's curve is its curve."""
    vault, where, token = abi("erc4626"), market.params, market.asset
    balance, *answers = yield [
        vault.read(market.address, "balanceOf", owner),
        *reserve_reads(where["pool"], where["data_provider"], where["strategy"], token.address),
    ]
    found = reserve(answers)
    shares = vault.one("balanceOf", balance)
    held_raw = shares * found.income_index_ray // RAY
    pool = f"aave_v3/{evm_number(market.chain)}/{where['pool'].lower()}/{token.address.lower()}"
    return _View(
        held_raw=held_raw,
        supplied_raw=found.cash_raw + found.debt_raw,
        borrowed_raw=found.debt_raw,
        liquidity_raw=found.cash_raw,
        capacity_raw=found.capacity_raw(token),
        curve=found.curve(token, held_raw),
        quoted=Apr(found.liquidity_rate_ray / RAY),
        pools=frozenset({pool}),
        flags=found.flags(token),
        status=found.status,
        gas_deposit=360_000,
        gas_withdraw=320_000,
    ), shares


def _metamorpho(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[_View, int]]:
    """MetaMorpho: each market of its queues as it stands, and where our deposit or withdrawal would go."""
    vault, blue, where, one = abi("erc4626"), abi("morpho_blue"), market.params, market.asset.one
    morpho, irm, at = checksum(where["morpho"]), checksum(where["irm"]), market.address
    ids = tuple(dict.fromkeys((*where["supply_queue"], *where["withdraw_queue"])))
    keys = [bytes.fromhex(i) for i in ids]
    head = [vault.read(at, n) for n in ("totalSupply", "totalAssets", "lastTotalAssets", "fee", "DECIMALS_OFFSET")]
    reads = [*head, vault.read(at, "balanceOf", owner)]
    for key in keys:
        reads += [vault.read(at, "config", key), blue.read(morpho, "position", key, at), *blue_reads(morpho, irm, key)]
    answers = yield reads
    names = ("totalSupply", "totalAssets", "lastTotalAssets", "fee", "DECIMALS_OFFSET", "balanceOf")
    supply, assets, last_assets, fee, offset, shares = (vault.one(n, a) for n, a in zip(names, answers, strict=False))
    # Fee shares on the interest since the last interaction (MetaMorpho._accruedFeeShares).
    fee_assets = max(0, assets - last_assets) * fee // WAD
    supply += fee_assets * (supply + 10**offset) // (assets - fee_assets + 1)
    held_raw = shares * (assets + 1) // (supply + 10**offset)
    slots, borrowed, cash, room_raw = [], 0, 0, 0
    for index, market_id in enumerate(ids):
        config, position, *state = answers[6 + 4 * index : 10 + 4 * index]
        below = blue_market(state, block.timestamp)
        theirs = below.worth(blue.decode("position", position)[0])
        cap, enabled, _ = vault.decode("config", config)
        room = max(0, cap - theirs) if enabled and market_id in where["supply_queue"] else 0
        slots.append(VaultSlot(below.curve(market.asset, theirs), theirs / one, room / one, below.liquidity_raw / one))
        room_raw += room
        cash += min(theirs, below.liquidity_raw)
        borrowed += int(theirs * below.utilisation)
    curve = LookThroughCurve(
        others=(assets - held_raw) / one,
        ours=held_raw / one,
        fee=fee / WAD,
        slots=tuple(slots),
        withdraw_order=tuple(ids.index(i) for i in where["withdraw_queue"]),
    )
    number = evm_number(market.chain)
    return _View(
        held_raw=held_raw,
        supplied_raw=assets,
        borrowed_raw=borrowed,
        liquidity_raw=cash,
        capacity_raw=room_raw,
        curve=curve,
        quoted=Apr(curve.apr(held_raw / one, INSTANT_SECONDS)),
        pools=frozenset(f"morpho_blue/{number}/0x{i}" for i in ids),
        flags=("thin-liquidity",) if cash * 20 < assets else (),
        gas_deposit=650_000,
        gas_withdraw=550_000,
    ), shares


ADAPTER = Erc4626()
