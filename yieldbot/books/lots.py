"""First in, first out: what was bought first is what leaves first. Pure and exact.

A lot is so many base units and what they cost together, in the base currency; a part of a lot costs its part. Costs are
fractions, so that the parts add up to the whole to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Lot:
    """``raw`` base units got at ``at`` (unix seconds) for ``cost`` in all; None: what they cost is not known."""

    raw: int
    cost: Fraction | None
    at: int

    def split(self, raw: int) -> tuple[Lot, Lot]:
        """The first ``raw`` units of it, and the rest."""
        if not 0 < raw < self.raw:
            raise ValueError(f"{raw} is no part of {self.raw}")
        part = None if self.cost is None else self.cost * raw / self.raw
        rest = None if self.cost is None or part is None else self.cost - part
        return Lot(raw, part, self.at), Lot(self.raw - raw, rest, self.at)


Lots = tuple[Lot, ...]
"""The oldest first."""


def put(lots: Lots, lot: Lot) -> Lots:
    """With one more, behind all others. Raises ValueError for a lot of nothing."""
    if lot.raw <= 0:
        raise ValueError(f"a lot of {lot.raw}")
    return (*lots, lot)


def take(lots: Lots, raw: int) -> tuple[Lots, Lots, int]:
    """``raw`` units off the front: the lots taken, those left, and the units that were not there."""
    if raw < 0:
        raise ValueError(f"{raw} units cannot be taken")
    taken: list[Lot] = []
    wanted = raw
    for position, lot in enumerate(lots):
        if not wanted:
            return tuple(taken), lots[position:], 0
        if lot.raw > wanted:
            first, rest = lot.split(wanted)
            return (*taken, first), (rest, *lots[position + 1 :]), 0
        taken.append(lot)
        wanted -= lot.raw
    return tuple(taken), (), wanted


def total(lots: Lots) -> int:
    """Units in all."""
    return sum(lot.raw for lot in lots)


def cost(lots: Lots) -> Fraction | None:
    """What they cost in all; None when of some it is not known."""
    costs = [lot.cost for lot in lots if lot.cost is not None]
    return sum(costs, Fraction(0)) if len(costs) == len(lots) else None
