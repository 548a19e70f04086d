"""What finally backs the money in a market, through every vault and pool on the way that could be read."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.ids import MarketId


@dataclass(frozen=True, slots=True, kw_only=True)
class Backer:
    """One thing that a market's money finally rests on."""

    backing: str
    """A token's address; else the key of a pool that could not be read further."""
    symbol: str = ""
    """The token's symbol, as it calls itself; empty: it says none."""
    share: float
    """Part of the market's money that rests on it, 0 to 1."""
    through: tuple[str, ...] = ()
    """Addresses (or keys) of what lies between, the market's own first."""
    utilisation: float | None = None
    """Utilisation of its own market on the chain; None: it has none that was read."""
    shared: bool = False
    """Whether that is the market's own pool: the collateral is lent on there, and cannot be sold while it is locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What one market's money rests on. The parts, what is idle and what is not known add up to 1."""

    market: MarketId
    """The market."""
    parts: tuple[Backer, ...] = ()
    """What it rests on, the largest part first."""
    idle: float = 0.0
    """The part that lies there as the asset itself."""
    unknown: float = 0.0
    """The part of which nothing could be read: the worst case is assumed of it."""
    cycle: tuple[str, ...] = ()
    """Vaults that hold each other in a circle; what is in it counts as unknown. Empty: there is none."""
    missing: tuple[str, ...] = ()
    """What could not be read, each with the reason."""
    block: int = 0
    """The block (slot) at which it was read."""
    time: int = 0
    """Unix seconds of that block."""
    lost: float = 0.0
    """Base units of its asset that the pool which it is in owes and does not have, by the pool's own reserves."""

    @property
    def dominant(self) -> Backer | None:
        """The largest part; None: nothing is known."""
        return self.parts[0] if self.parts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """What one vault, pool or token holds, as it was read: weights are of one unit of value within it alone."""

    children: tuple[tuple[str, float], ...] = ()
    """(key, weight) of everything that it holds or lends against."""
    idle: float = 0.0
    """The weight of what lies there as its own asset."""
    unknown: float = 0.0
    """The weight of what could not be read."""
    asset: str = ""
    """Key of its own asset; empty: it has none, or that is not known."""
    symbol: str = ""
    """What it calls itself."""
    used: tuple[tuple[str, float], ...] = ()
    """Utilisation of each child's own market in it; empty where children are not lent on."""
    why: str = ""
    """What could not be read."""
    lost: float = 0.0
    """Base units that it owes and does not have, by its own reserves."""
    supply: float | None = None
    """Of a token, base units that exist; None: not read."""
