"""Tokens that grow by themselves, on every chain: what is read of one, and which growth is believed."""

from __future__ import annotations

from collections.abc import Iterable

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.rpc.flows import Handle

MOST, LEAST = 0.25, -0.5
"""Annual growth outside of this is not believed: no staking pays it, and a loss (a slashing) of more is no rate."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A token's own worth, and its growth."""

    worth: float
    """What one is worth now, in a unit of whoever says it."""
    growth: float | None
    """Its growth, a simple annual fraction; None: nobody says what it was worth before."""


Growths = list[tuple[Token, Handle[Grown]]]
"""Tokens with the handles of the flows that read them."""


def growth_of(growths: Iterable[tuple[Token, Handle[Grown]]]) -> dict[Token, float]:
    """The growth of each token that could be read."""
    return {token: one.growth for token, one in _read(growths) if one.growth is not None}


def worths_of(growths: Iterable[tuple[Token, Handle[Grown]]]) -> dict[Token, float]:
    """What one of each token is worth that could be read."""
    return {token: one.worth for token, one in _read(growths)}


def _read(growths: Iterable[tuple[Token, Handle[Grown]]]) -> list[tuple[Token, Grown]]:
    return [(token, read.answer) for token, read in growths if isinstance(read.answer, Grown)]


def believed(growth: float, source: str) -> float:
    """The same annual growth. source: who says it. Raises MarketError if it cannot be true."""
    if not LEAST <= growth <= MOST:
        raise MarketError(f"{source} grew by {growth:z.1%} a year, which is not believed")
    return growth
