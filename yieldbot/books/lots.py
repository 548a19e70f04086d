"""Lots, first in, first out: what was bought first leaves first. Pure and exact.

A lot is a number of base units with their total cost in the base currency; a part of a lot has a proportional part of
the cost. Costs are fractions, so that parts add up exactly.
"""

from __future__ import annotations

from fractions import Fraction

from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Lot:
    """Units acquired together."""

    raw: int
    """Base units in the lot."""
    cost: Fraction | None
    """Their total cost in the base currency; None: not known."""
    at: int
    """Unix seconds at which they were acquired."""

    def split(self, raw: int) -> tuple[Lot, Lot]:
        """The first ``raw`` units of it, and the rest. Raises ValueError unless 0 < raw < self.raw."""
        if not 0 < raw < self.raw:
            raise ValueError(f"{raw} is no part of {self.raw}")
        part = None if self.cost is None else self.cost * raw / self.raw
        rest = None if self.cost is None or part is None else self.cost - part
        return Lot(raw, part, self.at), Lot(self.raw - raw, rest, self.at)


Lots = tuple[Lot, ...]
"""Lots, the oldest first."""


def put(lots: Lots, lot: Lot) -> Lots:
    """The lots with one more at the end. Raises ValueError for an empty lot."""
    if lot.raw <= 0:
        raise ValueError(f"a lot of {lot.raw}")
    return (*lots, lot)


def take(lots: Lots, raw: int) -> tuple[Lots, Lots, int]:
    """Take ``raw`` units off the front: (lots taken, lots left, units that were missing). Raises ValueError below 0."""
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
    """Base units of all lots."""
    return sum(lot.raw for lot in lots)


def cost(lots: Lots) -> Fraction | None:
    """Total cost of the lots; None where that of one is not known."""
    costs = [lot.cost for lot in lots if lot.cost is not None]
    return sum(costs, Fraction(0)) if len(costs) == len(lots) else None
