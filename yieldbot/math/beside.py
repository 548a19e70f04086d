"""What money that we bring to a pool takes from other money of ours in it.

Two of our holdings may end in one pool: a market, and a vault that lends into it; two vaults. What one of them brings
lowers the rate of all that is there. What it takes out raises that rate, which is counted nowhere: no gain is drained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.curve import YieldCurve


@dataclass(frozen=True, slots=True)
class Beside:
    """A holding of ours beside the one that changes, in a pool that both share.

    curve: the pool's, by what we (or the vault that we are in) hold of it directly, which is ``at``; it pays for
    ``weight`` tokens of ours, a vault's fee taken off. vault, slot: where the one that changes is a vault, and which of
    its slots is the pool; None where it lends to the pool itself.
    """

    curve: YieldCurve
    at: float
    weight: float
    vault: LookThroughCurve | None = None
    slot: int = 0

    def moved(self, held: float, x: float) -> float:
        """What the pool gets when the holding that changes goes from ``held`` to ``x``."""
        if self.vault is None:
            return x - held
        return self.vault.holdings(x)[self.slot] - self.vault.slots[self.slot].held

    def lost(self, held: float, x: float, horizon_seconds: float) -> float:
        """Tokens a year that it earns less (never less than 0) when the other holding grows from ``held`` to ``x``."""
        if x <= held or (moved := self.moved(held, x)) <= 0.0:
            return 0.0
        fell = self.curve.apr(self.at, horizon_seconds) - self.curve.apr(self.at + moved, horizon_seconds)
        return max(0.0, fell) * self.weight

    def holding(self, held: float, level: float) -> float | None:
        """The holding from ``held`` on at which the pool's own is ``level``; None where none leads there."""
        more = level - self.at
        if more <= 0.0:
            return None
        if self.vault is None:
            return held + more
        if more > self.vault.slots[self.slot].room:
            return None
        found = self.vault.ours + more + sum(slot.room for slot in self.vault.slots[: self.slot])
        return found if math.isfinite(found) else None
