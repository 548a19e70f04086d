"""What is read of a Morpho Vault V2 at one block, and its view: its own figures, its markets, and the caps that a
deposit must keep to. Sources: morpho-org/vault-v2@bec4dd8, VaultV2.sol (accrueInterestView, allocateInternal, exit),
MorphoMarketV1AdapterV2.sol and MorphoVaultV1Adapter.sol (ids, realAssets)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.math.curves import LookThroughCurve, VaultSlot
from yieldbot.math.morpho import TARGET_UTILISATION
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.market import Exit, Market, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import SECONDS_PER_YEAR, WAD
from yieldbot.protocols.evm import metamorpho
from yieldbot.protocols.evm.abi import abi, checksum, short
from yieldbot.protocols.evm.doubts import feeds_of, feeds_reads, oracle_read
from yieldbot.protocols.evm.morpho_blue import blue_market, blue_reads
from yieldbot.protocols.evm.vaults import FULL, SLACK, VaultView
from yieldbot.protocols.reads import GroupHandle, ReadHandle, Reads

TERMS = ("address", "address", "address", "address", "uint256")
OWN = (
    "accrueInterestView",
    "totalSupply",
    "performanceFee",
    "managementFee",
    "maxRate",
    "virtualShares",
    "liquidityAdapter",
    "liquidityData",
)
GATES = (("canReceiveShares", "canSendAssets"), ("canSendShares", "canReceiveAssets"))
"""Views that say whether an account may deposit, and whether it may withdraw."""


Seen = Callable[[Mapping[Address, VaultView]], tuple[VaultView, int]]
"""From the views of the vaults below, by adapter, to a vault's view and our shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter of a vault, as it was found."""

    address: Address
    """The adapter's contract."""
    lends: bool = False
    """Whether it lends in Morpho Blue's markets itself."""
    ids: tuple[str, ...] = ()
    """Ids of these markets, hex without 0x."""
    vault: Market | None = None
    """The MetaMorpho vault that it deposits to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MarketReads:
    """The reads of one Morpho Blue market of an adapter."""

    adapter: Address
    """The adapter."""
    id: str
    """The market's id, hex without 0x."""
    stored: GroupHandle
    """Morpho's own words of it."""
    position: ReadHandle
    """The adapter's position in Morpho."""
    counted: ReadHandle
    """The shares that the adapter counts itself."""

    def shares(self) -> int:
        """The adapter's supply shares: what it counts, as far as Morpho has them."""
        there: int = abi("morpho_blue").decode("position", self.position.data)[0]
        return min(there, int(abi("morpho_vault_v2").one("supplyShares", self.counted.data)))


@dataclass(frozen=True, slots=True)
class _Caps:
    """The caps that a deposit must keep to: those of the ids that the liquidity adapter returns."""

    rows: tuple[GroupHandle, ...]
    """Of each id its absolute cap, its relative cap, and what is counted against both; the last id is the market's."""

    def room(self, total_raw: int, worth_raw: int) -> int:
        """What may still be deposited while the vault has ``total_raw`` and the adapter ``worth_raw`` in its market."""
        v2, names = abi("morpho_vault_v2"), ("absoluteCap", "relativeCap", "allocation")
        rows = [[int(v2.one(name, one)) for name, one in zip(names, row.data, strict=True)] for row in self.rows]
        earned = worth_raw - rows[-1][2]  # interest that the next deposit will count against the caps
        limits = [most if part == WAD else min(most, total_raw * part // WAD) for most, part, _ in rows]
        return max(0, min(limit - used - earned for limit, (_, _, used) in zip(limits, rows, strict=True)))


def liquid_ids(market: Market, adapter: str) -> tuple[str, ...]:
    """The id of the market that the vault's deposits go to, if they go to this adapter."""
    data = market.params["liquidity_data"]
    if market.params["liquidity_adapter"] != adapter or len(data) != 32 * len(TERMS):
        return ()
    return (keccak(data).hex(),)


def cap_ids(market: Market, adapter: Adapter) -> list[bytes]:
    """The ids that the liquidity adapter returns; the last is counted for its market alone."""
    from eth_abi.abi import encode

    ids = [keccak(encode(["string", "address"], ["this", adapter.address]))]
    if adapter.lends:
        data = market.params["liquidity_data"]
        collateral = checksum(f"0x{data[44:64].hex()}")
        ids.append(keccak(encode(["string", "address"], ["collateralToken", collateral])))
        head = encode(["string", "address"], ["this/marketParams", adapter.address])
        ids.append(keccak((224).to_bytes(32, "big") + head[32:64] + data + head[64:]))
    return ids


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The reads of one look at a vault."""

    market: Market
    """The vault."""
    own: Mapping[str, ReadHandle]
    """Its own figures, by view."""
    shares: ReadHandle
    """Our shares."""
    idle: ReadHandle
    """Its balance of the asset."""
    gates: tuple[tuple[ReadHandle, ReadHandle], ...]
    """Whether we may deposit, and whether we may withdraw."""
    penalties: tuple[ReadHandle, ...]
    """By adapter, what a forced withdrawal from it costs."""
    rows: tuple[_MarketReads, ...]
    """Its adapters' markets."""
    caps: _Caps
    """What a deposit must keep to; without rows where none can be read."""

    def one(self, name: str) -> Any:
        return abi("morpho_vault_v2").one(name, self.own[name].data)

    def passes(self, gate: int) -> bool:
        """Whether both views of a gate let us pass; a gate that does not answer lets nobody pass."""
        return all(handle.data and int.from_bytes(handle.data[:32], "big") == 1 for handle in self.gates[gate])


def look(market: Market, owner: Address, block: BlockRef) -> Flow[Seen]:
    """Reads a vault and its own markets; gives a function from the views of the vaults below it, by adapter, to its
    view, with our shares."""
    v2, blue, where, at = abi("morpho_vault_v2"), abi("morpho_blue"), market.params, market.address
    morpho, irm, into = checksum(where["morpho"]), checksum(where["irm"]), _into(market)
    reads, names = Reads(), ("absoluteCap", "relativeCap", "allocation")
    asked = _Asked(
        market=market,
        own={name: reads.add(v2.read(at, name)) for name in OWN},
        shares=reads.add(v2.read(at, "balanceOf", owner)),
        idle=reads.add(abi("erc20").read(market.asset.address, "balanceOf", at)),
        gates=tuple(
            (reads.add(v2.read(at, one, owner, optional=True)), reads.add(v2.read(at, two, owner, optional=True)))
            for one, two in GATES
        ),
        penalties=tuple(reads.add(v2.read(at, "forceDeallocatePenalty", one.address)) for one in where["adapters"]),
        rows=tuple(
            _MarketReads(
                adapter=one.address,
                id=i,
                stored=reads.group(blue_reads(morpho, irm, bytes.fromhex(i))),
                position=reads.add(blue.read(morpho, "position", bytes.fromhex(i), one.address)),
                counted=reads.add(v2.read(one.address, "supplyShares", bytes.fromhex(i))),
            )
            for one in where["adapters"]
            for i in one.ids
        ),
        caps=_Caps(
            tuple(
                reads.group([v2.read(at, name, i) for name in names])
                for i in (cap_ids(market, into) if into is not None else ())
            )
        ),
    )
    oracles = where["oracles"]
    prices = {i: reads.add(oracle_read(oracle)) for i, oracle in oracles.items()}
    feeds = {i: reads.group(feeds_reads(oracle)) for i, oracle in oracles.items()}
    yield from reads.made()
    if (asked.one("liquidityAdapter"), asked.one("liquidityData")) != (
        where["liquidity_adapter"],
        where["liquidity_data"],
    ):
        raise MarketError(f"{market.name} changed its liquidity adapter while it was read")
    priced = [(i, oracle, prices[i].data, feeds_of(feeds[i].data)) for i, oracle in oracles.items()]
    unfit = yield from metamorpho.prices_missing(priced, block.timestamp)
    return partial(_view, asked, block, unfit)


def _into(market: Market) -> Adapter | None:
    """The adapter that deposits go to, if it is one whose market is known."""
    liquid = market.params["liquidity_adapter"]
    adapters: tuple[Adapter, ...] = market.params["adapters"]
    found = next((one for one in adapters if one.address == liquid), None)
    if found is None or (found.vault is None and not liquid_ids(market, liquid)):
        return None
    return found


def _view(
    asked: _Asked, block: BlockRef, unfit: Mapping[str, str], below: Mapping[Address, VaultView]
) -> tuple[VaultView, int]:
    """The view of a vault, and our shares. unfit: by market, why its collateral has no price; below: see ``look``."""
    market, token, one = asked.market, asked.market.asset, asked.market.asset.one
    where, into = market.params, _into(market)
    liquid = liquid_ids(market, where["liquidity_adapter"])
    total, *fees = abi("morpho_vault_v2").decode("accrueInterestView", asked.own["accrueInterestView"].data)
    supply, virtual = asked.one("totalSupply") + sum(fees), asked.one("virtualShares")
    shares, idle = int.from_bytes(asked.shares.data, "big"), int.from_bytes(asked.idle.data, "big")
    held_raw = shares * (total + 1) // (supply + virtual)
    slots: list[VaultSlot] = []
    doubts: list[str] = []
    real, borrowed, cash = idle, 0, idle
    order: tuple[int, ...] = ()
    unlimited = not int(where["liquidity_adapter"], 16)  # deposits stay idle
    capacity: int | None = None if unlimited else 0
    for row in asked.rows:
        state = row.stored.data
        now, later = (blue_market(state, block.timestamp + wait) for wait in (0, metamorpho.CAP_MARGIN_SECONDS))
        if now.totals.borrow_assets and not abi("morpho_blue").one("rateAtTarget", state[1]):
            raise MarketError(f"{market.name} lends in market 0x{row.id}, whose rate model is not {where['irm']}")
        theirs, room = now.worth(row.shares()), 0
        if into is not None and row.adapter == into.address and row.id in liquid:
            room = asked.caps.room(total, now.worth_up(row.shares()))
            capacity = asked.caps.room(total, later.worth_up(row.shares()))
            if now.totals.supply_assets + 1 > now.totals.supply_shares + 10**6:  # SharePriceAboveOne
                room = capacity = 0
            cash, order = idle + min(theirs, now.liquidity_raw), (len(slots),)
        if row.id in unfit and (room or theirs * FULL > total):
            doubts.append(f"market {short('0x' + row.id)}: {unfit[row.id]}")
        key = metamorpho.pool_key(market, row.id)
        slots.append(VaultSlot(now.curve(token, theirs), theirs / one, room / one, now.liquidity_raw / one, key))
        real, borrowed = real + theirs, borrowed + int(theirs * now.utilisation)
    for adapter in where["adapters"]:
        if adapter.vault is None:
            if not adapter.lends:
                doubts.append(f"its adapter {short(adapter.address)} is of no known kind: what it holds is not counted")
            continue
        view, room = below[adapter.address], 0
        if into is not None and adapter.address == into.address:
            most = view.capacity_raw or 0
            room = capacity = min(most, asked.caps.room(total, view.held_raw))
            cash, order = idle + min(view.held_raw, view.liquidity_raw), (len(slots),)
        doubts += view.doubts
        slots.append(
            VaultSlot(view.curve, view.held_raw / one, room / one, view.liquidity_raw / one, str(adapter.vault.id))
        )
        real += view.held_raw
        if view.supplied_raw:
            borrowed += (view.borrowed_raw or 0) * view.held_raw // view.supplied_raw
    slack = total // SLACK + len(slots) + 2
    if total > real + slack:
        doubts.insert(0, f"its markets hold {token.amount(real)}, totalAssets says {token.amount(total)}")
    curve = LookThroughCurve(
        others=(total - held_raw) / one,
        ours=held_raw / one,
        fee=asked.one("performanceFee") / WAD,
        slots=tuple(slots),
        withdraw_order=order,
        yearly_fee=asked.one("managementFee") * SECONDS_PER_YEAR / WAD,
        max_rate=asked.one("maxRate") * SECONDS_PER_YEAR / WAD,
        unreleased=(real - total) / one if real > total + slack else 0.0,
    )
    enters, leaves = asked.passes(0), asked.passes(1)
    cash = min(cash, total)
    flags = {
        "above-kink": borrowed * WAD > TARGET_UTILISATION * total,
        "at-cap": capacity is not None and capacity < total // FULL,
        "thin-liquidity": cash * metamorpho.THIN < total,
        "rate-held-back": curve.unreleased > 0.0,
        "gate-on-exits": not leaves,
        "frozen": leaves and not enters,
        "paused": not leaves,
    }
    return VaultView(
        held_raw=held_raw,
        supplied_raw=total,
        borrowed_raw=borrowed,
        liquidity_raw=cash,
        exit=Exit(cash=Amount(token, cash), limit=_second_way(asked, total - cash)),
        capacity_raw=capacity,
        curve=curve,
        quoted=Apr(curve.apr(held_raw / one, metamorpho.INSTANT_SECONDS)),
        pools=frozenset({slot.pool for slot in slots}).union(*(view.pools for view in below.values())),
        flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
        status=Status.PAUSED if not leaves else Status.ACTIVE if enters else Status.FROZEN,
        doubts=tuple(doubts),
        index=(total + 1) / (supply + virtual) * virtual,
    ), shares


def _second_way(asked: _Asked, rest: int) -> str:
    """The exit beyond the cash, in words: what a depositor pays to take money out of an adapter by himself."""
    costs = [abi("morpho_vault_v2").one("forceDeallocatePenalty", one.data) / 1e16 for one in asked.penalties]
    if rest <= 0 or not costs:
        return ""
    dear = f"{min(costs):g} to {max(costs):g} %" if min(costs) < max(costs) else f"{costs[0]:g} %"
    return f"beyond the cash a depositor may force a withdrawal from an adapter (forceDeallocate), for {dear} of it"
