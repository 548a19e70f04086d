"""Our money by asset, with prices. Pure."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import MarketState, Snapshot

FINE = 36
"""Decimals of the integers in which amounts of different assets are compared."""


@dataclass(frozen=True)
class Portfolio:
    """Our money by asset; amounts are counted in the first asset.

    The class has no slots, because ``cached_property`` needs a ``__dict__``: the solver asks for the same figures many
    times.
    """

    tokens: tuple[Token, ...]
    """The assets."""
    raws: tuple[int, ...]
    """Our total of each asset, holdings included, in base units."""
    prices: tuple[float, ...]
    """Price of one whole token of each asset, in whole tokens of the first asset."""

    @cached_property
    def ones(self) -> tuple[int, ...]:
        """Base units in a whole token of each asset."""
        return tuple(token.one for token in self.tokens)

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """Value of one base unit of each asset, as integers of FINE decimals; 1 if there is one asset only."""
        if len(self.tokens) == 1:
            return (1,)
        return tuple(
            int(Fraction(price) * 10**FINE // token.one) for token, price in zip(self.tokens, self.prices, strict=True)
        )

    @cached_property
    def total(self) -> int:
        """All of it, in base units times weights."""
        return sum(raw * weight for raw, weight in zip(self.raws, self.weights, strict=True))

    def of(self, state: MarketState) -> int:
        """The index of a market's asset."""
        return self.tokens.index(state.market.asset)

    def raw(self, first_raw: int, index: int) -> int:
        """``first_raw`` base units of the first asset in base units of another (by index), rounded up."""
        return -(-first_raw * self.weights[0] // self.weights[index])


def portfolio_of(snapshot: Snapshot, wealth: Amount | None = None) -> Portfolio:
    """The portfolio of a snapshot. ``wealth``: a what-if total; the difference to the real total is idle money of the
    first asset."""
    tokens = snapshot.assets
    raws = [sum(s.held.raw for s in snapshot.states.values() if s.market.asset == token) for token in tokens]
    if wealth is not None:
        others = snapshot.wealth(tokens[0]).raw - raws[0]
        in_markets = sum(s.held.raw for s in snapshot.markets if s.market.asset == tokens[0])
        raws[0] = max(wealth.raw - others, in_markets)
    return Portfolio(tokens, tuple(raws), tuple(snapshot.price(token) for token in tokens))
