"""ERC-4626 vaults: of MetaMorpho the underlying markets are read, of stataToken its Aave reserve; other vaults are
judged by their price history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from yieldbot.errors import MarketError
from yieldbot.math.aave import RAY
from yieldbot.math.curves import LookThroughCurve, VaultSlot
from yieldbot.math.morpho import TARGET_UTILISATION
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import kind_of, leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import WAD
from yieldbot.protocols.evm import two_step_exits as _exits
from yieldbot.protocols.evm.aave_v3 import pool_key, reserve, reserve_discovery, reserve_reads
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.evm.doubts import feed_reads, feeds_of, feeds_reads, oracle_read, unpriced
from yieldbot.protocols.evm.morpho_blue import blue_market, blue_reads
from yieldbot.protocols.evm.vaults import FULL, MAX_FEE_BPS, VaultView, generic, interface_reads, interfaces
from yieldbot.protocols.reads import Reads

QUEUE_LENGTH = 30
"""MetaMorpho's own limit for its queues (ConstantsLib.MAX_QUEUE_LENGTH)."""
INSTANT_SECONDS = 1.0
CAP_MARGIN_SECONDS = 3600
"""Caps count interest: an hour of interest is kept free, since headroom shrinks while a plan waits."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
QUEUES = ("supply_queue", "withdraw_queue")
SLACK = 10**6
"""Two readings of one sum must agree to one part in this, plus one base unit for each summand."""
HEAD = ("asset", "decimals", "symbol")
META = ("fee", "DECIMALS_OFFSET", "MORPHO")
NEEDED = {"generic": (), "metamorpho": ("morpho", "irm"), "stata": ("pool", "data_provider")}


class VaultParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid")
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
            found = yield from _with_oracles(found, where["morpho"])
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        if "unfit" in market.params:
            raise MarketError(market.params["unfit"])
        flows = {"generic": generic, "metamorpho": _metamorpho, "stata": _stata}
        token = market.asset
        view, shares = yield from flows[market.params["flavour"]](market, owner, block)
        gas = leg_gas(kind_of(self.protocol, market.params))
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
            opaque=view.opaque,
            offered=None if view.offered_raw is None else Amount(token, view.offered_raw),
            doubts=view.doubts,
            leaving=view.leaving,
            index=view.index,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
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
            return _exits.collect(state, owner) or (() if state.leaving else _exits.request(state, amount, owner))
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
        return {market.address: frozenset(map(vault_abi.selector, names))}


def _discovery_reads(flavour: str, vault: Address) -> list[EthCall]:
    vault_abi = abi("erc4626")
    reads = [vault_abi.read(vault, name, optional=True) for name in HEAD]
    if flavour == "generic":
        reads += interface_reads(vault)
    if flavour == "metamorpho":
        reads += [vault_abi.read(vault, name, optional=True) for name in META]
        for queue in ("supplyQueue", "withdrawQueue"):  # reading past the end reverts: that is how its length shows
            reads += [vault_abi.read(vault, queue, index, optional=True) for index in range(QUEUE_LENGTH)]
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
    vault_abi, head, meta = abi("erc4626"), len(HEAD), len(HEAD) + len(META)
    if not all(mine[head:meta]) or vault_abi.one("MORPHO", mine[meta - 1]) != checksum(where["morpho"]):
        return {"unfit": f"not a MetaMorpho vault of Morpho {where['morpho']}"}
    queues = [answer.hex() for answer in mine[meta:]]
    return {
        "morpho": where["morpho"],
        "irm": where["irm"],
        "fee": vault_abi.one("fee", mine[head]),
        "offset": vault_abi.one("DECIMALS_OFFSET", mine[head + 1]),
        "supply_queue": tuple(q for q in queues[:QUEUE_LENGTH] if q),
        "withdraw_queue": tuple(q for q in queues[QUEUE_LENGTH:] if q),
    }


def _with_oracles(found: Sequence[Market], morpho: Address) -> Flow[list[Market]]:
    """The vaults, with the oracle and the collateral of those markets in their queues that have one."""
    blue = abi("morpho_blue")
    ids = dict.fromkeys(i for m in found for name in QUEUES for i in m.params.get(name, ()))
    terms = yield [blue.read(checksum(morpho), "idToMarketParams", bytes.fromhex(i)) for i in ids]
    decoded = zip(ids, (blue.decode("idToMarketParams", term) for term in terms), strict=True)
    terms_of = {i: term for i, term in decoded if int(term[1], 16)}
    oracles = {i: checksum(term[2]) for i, term in terms_of.items()}
    collaterals = {_pool(found[0], i): checksum(term[1]) for i, term in terms_of.items()} if found else {}
    return [replace(one, params={**one.params, "oracles": oracles, "collaterals": collaterals}) for one in found]


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


def _metamorpho(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[VaultView, int]]:
    """MetaMorpho: each market in its queues, and where our deposit would go or our withdrawal come from."""
    vault, blue, where, one = abi("erc4626"), abi("morpho_blue"), market.params, market.asset.one
    morpho, irm, at = checksum(where["morpho"]), checksum(where["irm"]), market.address
    ids = tuple(dict.fromkeys((*where["supply_queue"], *where["withdraw_queue"])))
    names = ("totalSupply", "totalAssets", "lastTotalAssets")
    oracles = {i: where["oracles"][i] for i in ids if i in where["oracles"]}
    reads = Reads()
    lost = reads.add(vault.read(at, "lostAssets", optional=True))
    totals = [(name, reads.add(vault.read(at, name))) for name in names]
    balance = reads.add(vault.read(at, "balanceOf", owner))
    slot_reads = [
        (
            market_id,
            reads.add(vault.read(at, "config", key)),
            reads.add(blue.read(morpho, "position", key, at)),
            reads.group(blue_reads(morpho, irm, key)),
        )
        for market_id, key in ((market_id, bytes.fromhex(market_id)) for market_id in ids)
    ]
    prices = {market_id: reads.add(oracle_read(oracle)) for market_id, oracle in oracles.items()}
    feeds = {market_id: reads.group(feeds_reads(oracle)) for market_id, oracle in oracles.items()}
    yield from reads.made()
    lost_raw = vault.one("lostAssets", lost.data) if lost.data else 0
    priced = [(i, oracle, prices[i].data, feeds_of(feeds[i].data)) for i, oracle in oracles.items()]
    unfit = yield from _unpriced(priced, block.timestamp)
    supply, assets, last_assets = (vault.one(name, one.data) for name, one in totals)
    shares, fee = vault.one("balanceOf", balance.data), where["fee"]
    # Fee shares on the interest since the last interaction (MetaMorpho._accruedFeeShares).
    fee_assets, virtual = max(0, assets - last_assets) * fee // WAD, 10 ** where["offset"]
    supply += fee_assets * (supply + virtual) // (assets - fee_assets + 1)
    held_raw = shares * (assets + 1) // (supply + virtual)
    slots, borrowed, cash, room_raw, lent_raw = [], 0, 0, 0, 0
    doubts: list[str] = []
    for market_id, config, position, stored in slot_reads:
        state = stored.data
        below, later = (blue_market(state, block.timestamp + wait) for wait in (0, CAP_MARGIN_SECONDS))
        if below.totals.borrow_assets and not blue.one("rateAtTarget", state[1]):
            raise MarketError(f"{market.name} lends in market 0x{market_id}, whose rate model is not {irm}")
        its_shares = blue.decode("position", position.data)[0]
        theirs = below.worth(its_shares)
        cap = vault.one("config", config.data) if market_id in where["supply_queue"] else 0
        # MetaMorpho._maxDeposit rounds up its holding. The slot has the room now; the headroom is an hour later's.
        room, room_later = (max(0, cap - then.worth_up(its_shares)) for then in (below, later))
        curve, cash_raw = below.curve(market.asset, theirs), below.liquidity_raw
        slots.append(VaultSlot(curve, theirs / one, room / one, cash_raw / one, _pool(market, market_id)))
        room_raw += room_later
        if market_id in where["withdraw_queue"]:
            lent_raw += theirs
        if market_id in unfit and (room or theirs * FULL > assets):
            doubts.append(f"market {short('0x' + market_id)}: {unfit[market_id]}")
        cash += min(theirs, below.liquidity_raw)
        borrowed += int(theirs * below.utilisation)
    whole_curve = LookThroughCurve(
        others=(assets - held_raw) / one,
        ours=held_raw / one,
        fee=fee / WAD,
        slots=tuple(slots),
        withdraw_order=tuple(ids.index(i) for i in where["withdraw_queue"]),
    )
    if lost_raw or abs(lent_raw - assets) > assets // SLACK + len(ids) + 2:
        held, total, gone = (market.asset.amount(raw) for raw in (lent_raw, assets, lost_raw))
        doubts.insert(0, f"its markets hold {held}, totalAssets says {total}, of which {gone} are lost")
    flags = {
        "above-kink": borrowed * WAD > TARGET_UTILISATION * assets,
        "at-cap": room_raw < assets // FULL,
        "thin-liquidity": cash * THIN < assets,
    }
    return VaultView(
        held_raw=held_raw,
        supplied_raw=assets,
        borrowed_raw=borrowed,
        liquidity_raw=cash,
        exit=Exit(cash=Amount(market.asset, cash)),
        capacity_raw=room_raw,
        curve=whole_curve,
        quoted=Apr(whole_curve.apr(held_raw / one, INSTANT_SECONDS)),
        pools=frozenset(_pool(market, i) for i in ids),
        flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
        doubts=tuple(doubts),
        index=(assets + 1) / (supply + virtual) * virtual,
    ), shares


def _pool(market: Market, market_id: str) -> str:
    return f"morpho_blue/{evm_number(market.chain)}/0x{market_id}"


def _unpriced(priced: Sequence[tuple[str, Address, bytes, tuple[Address, ...]]], now: int) -> Flow[dict[str, str]]:
    """By market, why liquidations could not use a price of its collateral; needs one more round, for the feeds. priced:
    each market with its oracle, the oracle's answer and its feeds."""
    reads = Reads()
    rows = [(*row, reads.group(feed_reads(row[3]))) for row in priced]
    if reads.handles:
        yield from reads.made()
    found = {}
    for market_id, oracle, price, feeds, terms in rows:
        if why := unpriced(oracle, price, feeds, terms.data, now):
            found[market_id] = why
    return found


ADAPTER = Erc4626()
