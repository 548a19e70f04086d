"""What our money finally rests on, through vaults that are seen through: shares of the wealth by collateral. Pure.

Two markets on one collateral are one exposure, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.market import Kind, MarketState, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One thing that our money rests on."""

    backing: str
    """A collateral token's address; else the key of the pool, whose collaterals are not known one by one."""
    share: float
    """Part of our wealth that rests on it, 0 to 1."""
    through: tuple[str, ...]
    """Names of the markets through which it does."""
    utilisation: float | None
    """The highest utilisation of the markets below that were read themselves; None: none was."""


def exposures(snapshot: Snapshot) -> tuple[Exposure, ...]:
    """What we hold by what it rests on, the largest first; the wallet's own money left out."""
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
    for state in snapshot.states.values():
        if state.market.kind is Kind.IDLE or not state.held.raw:
            continue
        worth = float(state.held) * snapshot.price(state.market.asset)
        for backing, pool, part in parts(state):
            shares[backing] = shares.get(backing, 0.0) + part * worth
            through.setdefault(backing, {})[state.market.name] = None
            if pool in used:
                highest[backing] = max(highest.get(backing, 0.0), used[pool])
    if wealth <= 0.0:
        return ()
    found = [
        Exposure(
            backing=backing, share=worth / wealth, through=tuple(through[backing]), utilisation=highest.get(backing)
        )
        for backing, worth in shares.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, one.backing)))


def parts(state: MarketState) -> Iterator[tuple[str, str, float]]:
    """(what it rests on, the pool's key, part of the holding) of one market; the parts add up to 1 at most, the rest
    being idle in the vault."""
    known = state.market.params.get("collaterals") or {}
    if isinstance(state.curve, LookThroughCurve):
        whole = state.curve.others + state.curve.ours
        for slot in state.curve.slots:
            if slot.held > 0.0 and whole > 0.0:
                yield str(known.get(slot.pool) or slot.pool), slot.pool, slot.held / whole
        return
    pool = next(iter(sorted(state.pools)), str(state.market.id))
    yield str(state.market.params.get("collateral") or pool), pool, 1.0
