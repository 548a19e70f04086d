"""A market as a few cheap reads show it: its size, and a rate that it cannot exceed.

Where a chain has more markets than MANY, each is glanced at, and only those that could matter are read in full. What a
market that was glanced at could bring at most is known: its ``ceiling``.
"""

from __future__ import annotations

from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Market

MANY = 100
"""A job with more markets than this glances at them first; one with fewer reads all of them in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A market at one block as cheap reads show it, for one owner. Amounts are in the market's asset."""

    market: Market
    """The market; its name and params may lack what only a full reading finds."""
    block: BlockRef
    """The block at which it was read."""
    held: Amount
    """Our holding. A market with one is always read in full."""
    supplied: Amount
    """What all suppliers own."""
    borrowed: Amount | None
    """What is lent out; None: it has no borrowers, or this was not read."""
    cash: Amount | None
    """What all suppliers together could withdraw now; None: not read."""
    capacity: Amount | None
    """What can still be deposited; None: unlimited, or not read."""
    quoted: Apr
    """The quoted rate, before our own deposit."""
    ceiling: YieldCurve
    """Upper bound of the rate that a holding earns, rewards included: for every amount and horizon at least what the
    market's own curve states, and never rising with the amount."""
    gas_deposit: int = 0
    """As ``MarketState.gas_deposit``."""
    gas_withdraw: int = 0
    """As ``MarketState.gas_withdraw``."""
    outlook: float | None = None
    """Mean of the forecast that memory makes of its rate, a simple annual fraction, which may exceed the ceiling; None:
    there is no forecast."""
    open: bool = True
    """Whether deposits are possible as far as was read; False: paused or frozen."""
    flags: tuple[str, ...] = ()
    """Unusual facts about it, as in ``MarketState.flags``, as far as they were read."""

    @property
    def utilisation(self) -> float | None:
        """Borrowed over supplied; None where the borrowed amount is not known."""
        if self.borrowed is None:
            return None
        return self.borrowed.raw / self.supplied.raw if self.supplied.raw else 0.0
