"""What went into and out of markets, and whose the money in them is, as far as events and balances tell."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.ids import Address, MarketId


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyFlow:
    """One deposit or withdrawal of somebody."""

    market: MarketId
    """The market."""
    amount: float
    """Whole tokens of its asset: what went in, or (below 0) out."""
    account: Address
    """Whose position it is."""
    others: tuple[Address, ...] = ()
    """Who else has part in it: who called, who was paid."""
    block: int
    """Its block."""
    index: int
    """Its place among the block's events."""
    tx: str = ""
    """Its transaction's hash."""
    lost: bool = False
    """Whether it is no flow, but bad debt that suppliers have lost."""

    @property
    def key(self) -> str:
        """What tells it from all others, the same whenever it is read."""
        return f"{self.market}/{self.block}/{self.tx}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFlows:
    """What went into and out of one market since the last look."""

    since: int
    """The block from which all is counted."""
    deposited: float = 0.0
    """Whole tokens that went in."""
    withdrawn: float = 0.0
    """Whole tokens that went out."""
    count: int = 0
    """How many deposits and withdrawals that was."""
    largest: tuple[MoneyFlow, ...] = ()
    """The largest of them, the largest first, and those of addresses that are followed."""
    cut: str = ""
    """Why older ones since the last look are missing; empty: none are."""
    first: bool = False
    """Whether these are flows of the time before the first look, which are no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Whose the money in a market is. Shares are of what others than we hold."""

    top: tuple[tuple[Address, float], ...] = ()
    """The largest depositors that events have named, with what each holds now, the largest first."""
    seen: float = 0.0
    """What all that events have named hold together."""
    since: int = 0
    """The block from which events were read: whoever deposited before and did nothing since is not named."""
    block: int = 0
    """The block of the balances."""
    time: int = 0
    """Its unix seconds."""

    def largest(self, assumed: float) -> float:
        """What the largest depositor holds at most, as far as is known: the largest that was named, or one who was not
        named, who holds ``assumed``, or all that nobody named holds if that is less."""
        return max(self.top[0][1] if self.top else 0.0, min(assumed, max(0.0, 1.0 - self.seen)))
