"""ERC-4626 vaults: of MetaMorpho the underlying markets are read, of stataToken its Aave reserve; other vaults are
judged by their price history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from yieldbot.errors import MarketError
from yieldbot.math.aave import RAY
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import kind_of, leg_gas
from yieldbot.model.glance import Glance
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.evm import metamorpho
from yieldbot.protocols.evm import two_step_exits as _exits
from yieldbot.protocols.evm.aave_v3 import pool_key, reserve, reserve_discovery, reserve_reads
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.evm.vault_glances import generic_glances
from yieldbot.protocols.evm.vaults import MAX_FEE_BPS, VaultView, generic, interface_reads, interfaces
from yieldbot.protocols.reads import Reads

HEAD = ("asset", "decimals", "symbol")
NEEDED = {"generic": (), "metamorpho": ("morpho", "irm"), "stata": ("pool", "data_provider")}


class VaultParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    flavour: Literal["generic", "metamorpho", "stata"]
    """generic (an opaque vault), metamorpho or stata (whose markets are read)."""
    vaults: list[str]
    """Addresses of the vaults."""
    lookback_blocks: int = Field(default=7200, gt=0)
    """Blocks over which a generic vault's yield is measured."""
    max_fee_bps: float = Field(default=MAX_FEE_BPS, ge=0, lt=10_000)
    """Entry or exit fee above which a generic vault gets no new money."""
    morpho: str | None = None
    """Morpho Blue's address (metamorpho)."""
    irm: str | None = None
    """Address of the AdaptiveCurveIrm (metamorpho)."""
    pool: str | None = None
    """Address of Aave's pool (stata)."""
    data_provider: str | None = None
    """Address of the ProtocolDataProvider (stata)."""

    @model_validator(mode="after")
    def _complete(self) -> VaultParams:
        missing = [name for name in NEEDED[self.flavour] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"flavour {self.flavour} needs {' and '.join(missing)}")
        return self


class Erc4626:
    """Deposit to a vault; the position is its shares."""

    protocol: ClassVar[str] = "erc4626"
    params: ClassVar[type[BaseModel]] = VaultParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        where = deployment.params
        vaults = [checksum(text) for text in where["vaults"]]
        reads = Reads()
        each = [(vault, reads.group(_discovery_reads(where["flavour"], vault))) for vault in vaults]
        reserves: dict[Token, dict[str, object]] = {}
        if where["flavour"] == "stata":
            reserves = yield from reserve_discovery(Address(where["data_provider"]), deployment.assets, reads)
        else:
            yield from reads.made()
        found = [_market(deployment, vault, mine.data, reserves) for vault, mine in each]
        if where["flavour"] == "metamorpho":
            found = yield from metamorpho.with_oracles(found, where["morpho"])
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        if "unfit" in market.params:
            raise MarketError(market.params["unfit"])
        flows = {"generic": generic, "metamorpho": metamorpho.look_through, "stata": _stata}
        view, shares = yield from flows[market.params["flavour"]](market, owner, block)
        return state_of(market, block, view, shares)

    def glance(self, markets: Sequence[Market], owner: Address, block: BlockRef) -> Flow[tuple[Glance, ...]]:
        """Opaque vaults alone: what others pay can rise with the amount, so that their ceiling would be their best
        market's rate, which keeps nearly none unread (docs/allocator.md)."""
        opaque = [m for m in markets if "unfit" not in m.params and m.params["flavour"] == "generic"]
        return (yield from generic_glances(opaque, owner, block))

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        if state.enters_by_request:
            return _exits.enter(state, amount, owner)
        return (
            EvmCall(
                to=market.address,
                data=abi("erc4626").encode("deposit", amount.raw, owner),
                value=0,
                description=f"deposit {amount} into {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, vault_abi = state.market, abi("erc4626")
        if state.exit.kind in _exits.TWO_STEPS:  # the next of its steps
            return _exits.leave(state, amount, owner)
        if amount is None:  # by shares, so that nothing is left behind
            data, what = vault_abi.encode("redeem", state.shares, owner, owner), f"all ({state.held})"
        else:
            data, what = vault_abi.encode("withdraw", amount.raw, owner, owner), str(amount)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def request_exit(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        return _exits.request(state, amount, owner)

    def collect_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return _exits.collect(state, owner)

    def cancel_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return _exits.cancel(state, owner)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        return {}

    def explain_revert(self, data: bytes) -> str | None:
        return explain("erc4626", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        vault_abi, names = abi("erc4626"), ["deposit", "withdraw", "redeem"]
        names += _exits.NAMES if market.params.get("flavour") == "generic" else ()
        return {market.address: frozenset(map(vault_abi.selector, names)) | _exits.entry_targets(market.params)}


def state_of(market: Market, block: BlockRef, view: VaultView, shares: int) -> MarketState:
    """The state of a vault, by what was read of it."""
    token = market.asset
    gas = leg_gas(kind_of(market.protocol, market.params))
    return MarketState(
        market=market,
        block=block,
        held=Amount(token, view.held_raw),
        shares=shares,
        share_token=Token(
            token.chain,
            market.params.get("share", market.address),
            market.params["symbol"],
            market.params["share_decimals"],
        ),
        liquidity=Amount(token, view.liquidity_raw),
        capacity=None if view.capacity_raw is None else Amount(token, view.capacity_raw),
        supplied=Amount(token, view.supplied_raw),
        borrowed=None if view.borrowed_raw is None else Amount(token, view.borrowed_raw),
        status=view.status,
        curve=view.curve,
        quoted=view.quoted,
        pools=view.pools or frozenset({market.id}),
        gas_deposit=gas.deposit,
        gas_withdraw=gas.withdraw,
        flags=view.flags,
        entry_cost_bps=view.entry_cost * 10_000,
        exit=view.exit,
        enters_by_request=view.enters_by_request,
        opaque=view.opaque,
        offered=None if view.offered_raw is None else Amount(token, view.offered_raw),
        doubts=view.doubts,
        leaving=view.leaving,
        index=view.index,
    )


def _discovery_reads(flavour: str, vault: Address) -> list[EthCall]:
    vault_abi = abi("erc4626")
    reads = [vault_abi.read(vault, name, optional=True) for name in HEAD]
    if flavour == "generic":
        reads += interface_reads(vault)
    if flavour == "metamorpho":
        reads += metamorpho.discovery_reads(vault)
    return reads


def _market(
    deployment: Deployment, vault: Address, mine: Sequence[bytes], reserves: Mapping[Token, Mapping[str, object]]
) -> Market:
    """One vault as a market. The fault of a malformed one is kept in its params, and quarantines only this market when
    it is observed."""
    vault_abi, where = abi("erc4626"), deployment.params
    token, symbol, params = deployment.assets[0], short(vault), dict[str, object](flavour=where["flavour"])
    if not all(mine[: len(HEAD)]):
        params["unfit"] = f"{vault} is not an ERC-4626 vault"
    else:
        asset = vault_abi.one("asset", mine[0])
        symbol = label(mine[2]) or symbol
        params |= {"share_decimals": vault_abi.one("decimals", mine[1]), "symbol": symbol}
        params["lookback_blocks"] = where["lookback_blocks"]
        match = next((t for t in deployment.assets if t.address == asset), None)
        if match is None:
            params["unfit"] = f"{vault} holds {asset}, which is not among {deployment.name}'s assets in chains/*.toml"
        else:
            token = match
            params |= _flavoured(where, vault, mine, reserves.get(token, {}))
    return Market(
        id=MarketId(f"erc4626/{evm_number(deployment.chain)}/{vault.lower()}"),
        protocol=Erc4626.protocol,
        kind=Kind.VAULT,
        chain=deployment.chain,
        name=f"{deployment.name} {symbol}",
        asset=token,
        address=vault,
        params=params,
    )


def _flavoured(
    where: Mapping[str, Any], vault: Address, mine: Sequence[bytes], reserve_parts: Mapping[str, object]
) -> dict[str, object]:
    """The data of a flavour that goes into Market.params."""
    if where["flavour"] == "stata":
        return {"pool": where["pool"], **reserve_parts}
    if where["flavour"] != "metamorpho":
        return {"max_fee_bps": where.get("max_fee_bps", MAX_FEE_BPS), **interfaces(vault, mine[len(HEAD) :])}
    return metamorpho.params_of(where, mine[len(HEAD) :])


def _stata(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[VaultView, int]]:
    """Aave's own wrapper: its money is in the reserve, so the reserve's curve is its curve.

    Share price: the reserve's liquidity index (ERC4626StataTokenUpgradeable._convertToAssets, rounded down).
    """
    vault, where, token = abi("erc4626"), market.params, market.asset
    reads = Reads()
    balance = reads.add(vault.read(market.address, "balanceOf", owner))
    paused = reads.add(vault.read(market.address, "paused", optional=True))
    stored = reads.group(reserve_reads(where, token.address))
    yield from reads.made()
    found = reserve(where, stored.data, block.timestamp)
    shares = vault.one("balanceOf", balance.data)
    held_raw = shares * found.indices.liquidity_index_ray // RAY
    stopped = bool(paused.data) and vault.one("paused", paused.data)
    flags = found.flags(token)
    return VaultView(
        held_raw=held_raw,
        supplied_raw=found.lent_raw,
        borrowed_raw=found.indices.debt_raw,
        liquidity_raw=found.cash_raw,
        exit=Exit(cash=Amount(token, found.cash_raw)),
        capacity_raw=found.capacity_raw(token),
        curve=found.curve(token, held_raw),
        quoted=found.quoted,
        pools=frozenset({pool_key(evm_number(market.chain), where["pool"], token.address)}),
        flags=(*flags, "paused") if stopped and "paused" not in flags else flags,
        status=Status.PAUSED if stopped else found.status,
        index=found.indices.liquidity_index_ray / RAY,
    ), shares


ADAPTER = Erc4626()
