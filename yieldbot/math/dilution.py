"""Shared-pool dilution: what money that we bring to a pool takes from the rate of other money of ours in it.

Two of our holdings may end in one pool: a market, and a vault that lends to it; two vaults. What one of them brings
lowers the rate of all that is there. What it withdraws raises that rate, which counts nowhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.curve import YieldCurve


@dataclass(frozen=True, slots=True)
class Dilution:
    """Another holding of ours in the pool of the holding that changes, and what it loses."""

    curve: YieldCurve
    """The pool's curve, by what we (or the vault that we are in) hold of it directly."""
    at: float
    """The direct holding now, in whole tokens."""
    weight: float
    """Tokens of it that earn for us: our fraction of a vault's, its fee taken off."""
    vault: LookThroughCurve | None = None
    """The vault whose holding of ours changes; None where that holding lies in the pool itself."""
    slot: int = 0
    """Index of the vault's slot that is the pool."""

    def pool_change(self, held: float, x: float) -> float:
        """By how much the pool grows when the holding that changes goes from ``held`` to ``x``, in whole tokens."""
        if self.vault is None:
            return x - held
        return self.vault.holdings(x)[self.slot] - self.vault.slots[self.slot].held

    def loss(self, held: float, x: float, horizon_seconds: float) -> float:
        """Tokens a year that this holding earns less (never below 0) when the other one grows from ``held`` to
        ``x``."""
        if x <= held or (moved := self.pool_change(held, x)) <= 0.0:
            return 0.0
        fell = self.curve.apr(self.at, horizon_seconds) - self.curve.apr(self.at + moved, horizon_seconds)
        return max(0.0, fell) * self.weight

    def holding(self, held: float, level: float) -> float | None:
        """The holding from ``held`` on at which the direct holding of the pool is ``level``; None where none leads
        there."""
        more = level - self.at
        if more <= 0.0:
            return None
        if self.vault is None:
            return held + more
        if more > self.vault.slots[self.slot].room:
            return None
        found = self.vault.ours + more + sum(slot.room for slot in self.vault.slots[: self.slot])
        return found if math.isfinite(found) else None
