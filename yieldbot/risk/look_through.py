"""What our money finally rests on, looking through vaults: fractions of our wealth by collateral. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.risk import Act, Evidence
from yieldbot.risk.triggers import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One collateral or pool that our money rests on."""

    backing: str
    """Address of a collateral token; or the key of a pool whose collaterals are not known individually; or
    ``UNKNOWN``: no look could read it."""
    share: float
    """Fraction of our wealth that rests on it, 0 to 1."""
    through: tuple[str, ...]
    """Names of the vaults and markets through which our money reaches it."""
    utilisation: float | None
    """Highest utilisation among the underlying markets that were read and its own market; None: none was read."""
    symbol: str = ""
    """Symbol of the token; empty: it has none, or this is not a token."""


def exposures(snapshot: Snapshot) -> tuple[Exposure, ...]:
    """Our holdings by what they rest on, the largest first, without the wallet's idle money."""
    if not snapshot.assets:
        return ()
    first = snapshot.assets[0]
    wealth = float(snapshot.wealth(first))
    used = {
        pool: state.utilisation
        for state in snapshot.markets
        if len(state.pools) == 1 and state.utilisation is not None
        for pool in state.pools
    }
    shares: dict[str, float] = {}
    through: dict[str, dict[str, None]] = {}
    highest: dict[str, float] = {}
    symbols: dict[str, str] = {}
    for state in snapshot.states.values():
        if state.market.kind is Kind.IDLE or not state.held.raw:
            continue
        worth = float(state.held) * snapshot.price(state.market.asset)
        for one in state.backing.parts if state.backing else ():
            symbols[same(one.backing)] = one.symbol
            if one.utilisation is not None:
                highest[same(one.backing)] = max(highest.get(same(one.backing), 0.0), one.utilisation)
        for backing, pool, part in parts(state):
            shares[backing] = shares.get(backing, 0.0) + part * worth
            through.setdefault(backing, {})[state.market.name] = None
            if pool in used:
                highest[backing] = max(highest.get(backing, 0.0), used[pool])
    if wealth <= 0.0:
        return ()
    found = [
        Exposure(
            backing=backing,
            share=worth / wealth,
            through=tuple(through[backing]),
            utilisation=highest.get(backing),
            symbol=symbols.get(backing, ""),
        )
        for backing, worth in shares.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, one.backing)))


def parts(state: MarketState) -> Iterator[tuple[str, str, float]]:
    """(collateral's address or pool's key; the market's pool, empty where a look found the backing; fraction of the
    holding) for one market, by the last look if there was one, else by the market's own state. Fractions add up to at
    most 1; the rest lies idle in the vault."""
    if state.backing is not None:
        for one in state.backing.parts:
            yield same(one.backing), "", one.share
        if state.backing.unknown > 0.0:
            yield UNKNOWN, "", state.backing.unknown
        return
    known = state.market.params.get("collaterals") or {}
    if isinstance(state.curve, LookThroughCurve):
        whole = state.curve.others + state.curve.ours
        for slot in state.curve.slots:
            if slot.held > 0.0 and whole > 0.0:
                yield same(str(known.get(slot.pool) or slot.pool)), slot.pool, slot.held / whole
        return
    pool = next(iter(sorted(state.pools)), str(state.market.id))
    yield same(str(state.market.params.get("collateral") or pool)), pool, 1.0


def shares(state: MarketState) -> dict[str, float]:
    """By collateral or pool, the fraction of one market's money that it backs."""
    found: dict[str, float] = {}
    for backing, _, part in parts(state):
        found[backing] = found.get(backing, 0.0) + part
    return found


def same(backing: str) -> str:
    """One spelling for each token: EVM addresses differ in case only."""
    return backing.lower() if len(backing) == 42 and backing.startswith("0x") else backing


def locked_below(states: Iterable[MarketState], limits: AlarmLimits, now: int) -> dict[MarketId, Found]:
    """A sign for each market whose largest collateral, or any on which ``LARGE`` of its loans rest, cannot be
    withdrawn from its own market in the same pool, by a look not older than a day."""
    found: dict[MarketId, Found] = {}
    for state in states:
        backing = state.backing
        if backing is None or not now - FRESH <= backing.time <= now:
            continue
        for one in backing.parts:
            used = one.utilisation
            if not one.shared or used is None or used < limits.collateral_utilisation:
                continue
            if one.share < LARGE and one is not backing.dominant:
                continue
            name = one.symbol or one.backing
            saw = f"{one.share:z.0%} of it rests on {name}, whose own market is at {used:z.2%}"
            proof = Evidence(
                what=f"utilisation of {name}", value=f"{used:z.4f}", source=one.through[-1], block=backing.block
            )
            found[state.market.id] = Found(
                code="COLLATERAL_LOCKED", act=Act.LEAVE, saw=saw, evidence=(proof,), about=one.backing
            )
            break
    return found


LARGE = 0.25
"""Fraction of a market from which a collateral counts as much as the largest one."""
FRESH = 86_400
"""Greatest age in seconds of a look that is taken as the present state."""
UNKNOWN = "unknown"
"""In place of a collateral: no look could read it."""
