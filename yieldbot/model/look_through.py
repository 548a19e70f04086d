"""What finally backs the money in a market, through every vault and pool on the way that could be read."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId


@dataclass(frozen=True, slots=True, kw_only=True)
class Backer:
    """One token or pool that backs a market's money in the end."""

    backing: str
    """A token's address; for a pool whose composition could not be read, the pool's key."""
    symbol: str = ""
    """The symbol that the token's contract returns; empty: it returns none."""
    share: float
    """Fraction of the market's money that it backs, 0 to 1."""
    through: tuple[str, ...] = ()
    """Addresses (or keys) of the vaults and pools in between, the market's own first."""
    utilisation: float | None = None
    """Utilisation, 0 to 1, of the market on the chain that lends out the token itself; None: no such market was
    read."""
    shared: bool = False
    """Whether the token's own market is in the pool that lends against it: the collateral is then lent out, and cannot
    be sold while that market is locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """The backing of one market's money, as fractions. ``parts``, ``idle`` and ``unknown`` add up to 1."""

    market: MarketId
    """The market."""
    parts: tuple[Backer, ...] = ()
    """What backs it, the largest part first."""
    idle: float = 0.0
    """Fraction that is held as the asset itself."""
    unknown: float = 0.0
    """Fraction whose backing could not be read; the worst case is assumed for it."""
    cycle: tuple[str, ...] = ()
    """Vaults that hold each other in a cycle, whose money counts as unknown; empty: there is none."""
    missing: tuple[str, ...] = ()
    """What could not be read, each with the reason."""
    block: int = 0
    """The block (slot) at which it was read."""
    time: int = 0
    """Unix seconds of that block."""
    lost: float = 0.0
    """Bad debt of the market's pool by the pool's own figures, in base units of its asset."""
    oracles: tuple[str, ...] = ()
    """Keys of the price oracles by which its loans are made, where they are not those of a pool in ``through``."""

    @property
    def dominant(self) -> Backer | None:
        """The largest part; None: nothing is known."""
        return self.parts[0] if self.parts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The price of one collateral of one market."""

    symbol: str
    """The collateral's symbol, or its address."""
    share: float
    """Fraction of the market's money that rests on it, 0 to 1."""
    source: str
    """The source by which the market lends."""
    off: float | None = None
    """By which fraction that source differs from the others; None: no other source prices it."""
    by: str = ""
    """The other sources."""
    constant_days: float | None = None
    """Days for which the price has not moved at all, where that makes it a constant; None: it moves, or it is not
    known for long enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """The holdings of one vault, pool or token, as they were read. Weights are fractions of its own value."""

    children: tuple[tuple[str, float], ...] = ()
    """(key, weight) of everything that it holds or lends against."""
    idle: float = 0.0
    """Weight of its uninvested holdings of its own asset."""
    unknown: float = 0.0
    """Weight of holdings that could not be read."""
    asset: str = ""
    """Key of its own asset; empty: it has none, or that is not known."""
    symbol: str = ""
    """The symbol that its contract returns."""
    used: tuple[tuple[str, float], ...] = ()
    """Utilisation of each child's own market inside this pool; empty if the pool does not lend its collateral."""
    why: str = ""
    """What could not be read."""
    lost: float = 0.0
    """Its bad debt by its own figures, in base units."""
    supply: float | None = None
    """A token's supply in base units; None: not read."""
    prices: tuple[tuple[str, float], ...] = ()
    """(token key, price of one base unit) by its own oracle, in a unit that is the same for all of them."""
