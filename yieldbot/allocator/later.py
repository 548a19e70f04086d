"""What a limit over time keeps out of a plan, and later plans move: targets, how long it waits, and its words. Pure.

The limits on one move or one day lift by themselves, so what a plan may not move yet follows in later ones. The best
markets without these limits are its first choices. Any other market that money enters meanwhile is left again once the
first choices have room: its gas, in and out, must be paid while the money waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Allocation
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.risk.refills import Refill


@dataclass(frozen=True, slots=True)
class Later:
    """What waits for later plans."""

    targets: Mapping[MarketId, Amount]
    """The target holding of each market without the limits over time."""
    rests: Mapping[MarketId, Amount]
    """By market, what these limits keep out of it in this plan; only markets where that is more than nothing."""
    seconds: float
    """How long that waits on average."""
    swapped: frozenset[tuple[Token, Token]]
    """(given, wanted) of the swaps that are made without the limits."""

    @property
    def years(self) -> float:
        """``seconds`` in years."""
        return self.seconds / SECONDS_PER_YEAR

    def passes(self, state: MarketState) -> bool:
        """Whether new money would enter the market for a while only: without the limits it gets none."""
        target = self.targets.get(state.market.id)
        return target is None or target <= state.held

    def most_raw(self, state: MarketState) -> int | None:
        """The largest holding of a first choice, in base units: its own target; None for other markets."""
        return None if self.passes(state) else self.targets[state.market.id].raw

    def said(self, allocation: Allocation, snapshot: Snapshot) -> Allocation:
        """The allocation, with what later plans add to the markets that it grows up to a limit."""
        left = {
            market_id: self.targets[market_id] - allocation.targets[market_id]
            for market_id in self.rests
            if snapshot.of(market_id).held < allocation.targets[market_id] < self.targets[market_id]
        }
        reasons = tuple(
            replace(one, binding=f"{one.binding}; {_short(left[one.market_id])} more follow in later plans")
            if one.market_id in left and one.binding.startswith("policy.")
            else one
            for one in allocation.reasons
        )
        return replace(allocation, reasons=reasons, later=left)


def _short(amount: Amount) -> str:
    return f"{significant(float(amount), 7)} {amount.token.symbol}"


def later_of(
    snapshot: Snapshot, free: Allocation, most: Mapping[MarketId, int], refills: Mapping[MarketId, Refill]
) -> Later | None:
    """What waits for later plans; None if nothing does.

    free: the allocation without the limits over time. most: the largest holding of markets that such a limit closes or
    bounds now, in base units; refills: how these limits lift.
    """
    rests, waited, weight = dict[MarketId, Amount](), 0.0, 0.0
    for market_id, refill in refills.items():
        target, held = free.targets[market_id], snapshot.of(market_id).held
        rest = Amount(target.token, target.raw - max(held.raw, most[market_id]))
        if target <= held or rest.raw <= 0:
            continue
        rests[market_id] = rest
        worth = float(rest) * snapshot.price(rest.token)
        weight += worth
        waited += worth * refill.waits(rest.raw)
    if not rests or weight <= 0.0 or not math.isfinite(waited):
        return None
    pairs = frozenset((swap.given.token, swap.gets.token) for swap in free.swaps)
    return Later(free.targets, rests, waited / weight, pairs)
