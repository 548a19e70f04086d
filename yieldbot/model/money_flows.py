"""Deposits into and withdrawals from markets, and their depositors, as far as events and balances show them."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyFlow:
    """One deposit or withdrawal of somebody."""

    market: MarketId
    """The market."""
    amount: float
    """Whole tokens of the market's asset; negative: a withdrawal."""
    account: Address
    """The account whose position changes."""
    others: tuple[Address, ...] = ()
    """Other accounts that take part, such as payer and receiver."""
    block: int
    """Number of the flow's block."""
    index: int
    """The event's position among those of its block."""
    tx: str = ""
    """Hash of the flow's transaction."""
    lost: bool = False
    """Whether it is bad debt that suppliers lost, and not a withdrawal."""

    @property
    def key(self) -> str:
        """Identifies the flow among all others, the same whenever it is read."""
        return f"{self.market}/{self.block}/{self.tx}/{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMove:
    """A change of a followed address's balance that is no deposit or withdrawal."""

    account: Address
    """The address."""
    amount: float
    """Whole tokens that it received, or (below 0) sent."""
    symbol: str
    """The token's symbol."""
    block: int
    """Block (slot) of the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFlows:
    """Deposits into and withdrawals from one market since the last look."""

    since: int
    """The block from which flows are counted."""
    deposited: float = 0.0
    """Sum of all deposits, in whole tokens."""
    withdrawn: float = 0.0
    """Sum of all withdrawals, in whole tokens."""
    count: int = 0
    """Number of deposits and withdrawals."""
    largest: tuple[MoneyFlow, ...] = ()
    """The largest flows, the largest first, and those of followed addresses."""
    cut: str = ""
    """Why some flows since the last look are missing; empty: none are."""
    first: bool = False
    """Whether these are flows of the time before the first look, which are not reported as changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """The depositors of a market. Fractions are of everything in the market that is not ours."""

    top: tuple[tuple[Address, float], ...] = ()
    """(account, fraction that it holds now) of the largest named depositors, the largest first."""
    seen: float = 0.0
    """Fraction that all named depositors hold together."""
    since: int = 0
    """The block from which events were read; depositors who did nothing since then are not named."""
    block: int = 0
    """The block of the balances."""
    time: int = 0
    """Time of ``block``, in unix seconds."""
    by: str = "events"
    """What names the depositors, for a person: ``events``, or on Solana the transactions and accounts that were
    read."""
    pledged: float = 0.0
    """Fraction held by the market's own account of pledged shares, 0 to 1; those who pledged are named only if a
    transaction of theirs was read."""

    def largest(self, assumed: float) -> float:
        """Upper bound of the largest depositor's fraction: that of the largest named one, or of an unnamed one, for
        which ``assumed`` is taken, or the whole unnamed rest if that is less."""
        return max(self.top[0][1] if self.top else 0.0, min(assumed, max(0.0, 1.0 - self.seen)))
