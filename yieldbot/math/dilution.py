"""Shared-pool dilution: what money that we bring to a pool takes from the rate of our other money there.

Two of our holdings may end up in one pool: a market and a vault that lends to it, or two vaults. What one of them adds
lowers the rate of everything there. A withdrawal raises that rate, but this gain is never counted.
"""

from __future__ import annotations

import math

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Dilution:
    """Another holding of ours in the same pool, and what it loses when the first holding changes."""

    curve: YieldCurve
    """The pool's curve, as a function of what we (or the vault that we are in) hold there directly."""
    at: float
    """That direct holding now, in whole tokens."""
    weight: float
    """How many of its tokens earn for us: for a vault our fraction of it, net of its fee."""
    vault: LookThroughCurve | None = None
    """The vault through which the changing holding reaches the pool; None: it is in the pool directly."""
    slot: int = 0
    """Index of the vault's slot that is the pool."""

    def pool_change(self, held: float, x: float) -> float:
        """Growth of the pool when the changing holding goes from ``held`` to ``x``, in whole tokens."""
        if self.vault is None:
            return x - held
        return self.vault.holdings(x)[self.slot] - self.vault.slots[self.slot].held

    def loss(self, held: float, x: float, horizon_seconds: float) -> float:
        """Tokens a year that the other holding loses (never below 0) when the changing one grows from ``held`` to
        ``x``."""
        if x <= held or (moved := self.pool_change(held, x)) <= 0.0:
            return 0.0
        fell = self.curve.apr(self.at, horizon_seconds) - self.curve.apr(self.at + moved, horizon_seconds)
        return max(0.0, fell) * self.weight

    def holding(self, held: float, level: float) -> float | None:
        """The holding, from ``held`` on, at which the pool's direct holding is ``level``; None if there is none."""
        more = level - self.at
        if more <= 0.0:
            return None
        if self.vault is None:
            return held + more
        if more > self.vault.slots[self.slot].room:
            return None
        found = self.vault.ours + more + sum(slot.room for slot in self.vault.slots[: self.slot])
        return found if math.isfinite(found) else None
