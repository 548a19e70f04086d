"""Our money by asset, with prices. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.market import MarketState, Snapshot

FINE = 36
"""Decimals of the integers that amounts of different assets are compared in."""


@dataclass(frozen=True)
class Portfolio:
    """Our money by asset, the first asset being the one that amounts are counted in.

    Without slots, so that what the solver asks for over and over is kept (``cached_property``).
    """

    tokens: tuple[Token, ...]
    """The assets."""
    raws: tuple[int, ...]
    """All that we have of each, holdings included, in base units."""
    prices: tuple[float, ...]
    """Whole tokens of the first asset for one whole token of each."""

    @cached_property
    def ones(self) -> tuple[int, ...]:
        """Base units in a whole token of each asset."""
        return tuple(token.one for token in self.tokens)

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """What a base unit of each asset is worth, as integers of FINE decimals; 1 where there is one asset."""
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
    """The portfolio of a snapshot. ``wealth``: a what-if total, whose difference lies idle in the first asset."""
    tokens = snapshot.assets
    raws = [sum(s.held.raw for s in snapshot.states.values() if s.market.asset == token) for token in tokens]
    if wealth is not None:
        others = snapshot.wealth(tokens[0]).raw - raws[0]
        in_markets = sum(s.held.raw for s in snapshot.markets if s.market.asset == tokens[0])
        raws[0] = max(wealth.raw - others, in_markets)
    return Portfolio(tokens, tuple(raws), tuple(snapshot.price(token) for token in tokens))
