"""One of our assets into another: what that gives, the least that it must give, and the quotes that the allocator
solves with. Pure.

A swap is made only where two independent prices agree (fair.py), the feeds are fresh, and an asset of USD is worth
about a dollar; never for less than the policy's impact allows, whatever the pools say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from yieldbot.allocator.route import Route, gas_of, route, ways_of
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Exchange, Venue
from yieldbot.model.families import token_key
from yieldbot.model.fees import SWAP_TXS
from yieldbot.model.ids import MarketId, market_chain
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined
from yieldbot.model.policy import Base
from yieldbot.model.units import BPS
from yieldbot.risk.prices import FairOutput, below_minimum, depegged, fair_output, stale, uncertain

POINTS, SMALLEST = 16, 4096
"""Quotes for the allocator, geometrically from one part in SMALLEST of the most up to it."""

TRIES = 24
"""Halvings in search of the largest amount that is within the policy's impact."""

ROUNDED = 2
"""Base units that roundings may take of an output, and a little."""

MARGIN = Fraction(1, 10**9)
"""By which a quote keeps above the least that is accepted, which is a float."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A swap as it would be made: over which ways, and the least that it must bring."""

    route: Route
    least: Amount


def swap_id(given: Token, wanted: Token) -> MarketId:
    """What a swap's leg is journalled under."""
    ends = (token_key(token) for token in (given, wanted))
    return MarketId("/".join(("swap", market_chain(given.chain), *ends)))


def price_refusal(exchange: Exchange, token: Token, base: Base, now: int) -> Declined | None:
    """Why no money may go into or through an asset now; None when it may. ``now``: the block's time."""
    price = exchange.usd.get(token)
    if price is None:
        return Declined("PRICE_UNKNOWN", f"{token.symbol} has no feed that can be read: name one in chains/*.toml")
    pegged = (token.address,) if base.unit == "USD" and token.symbol in base.shares else ()  # a reward is not
    late = stale({token.symbol: price.updated_at}, now, base.max_feed_age_seconds)
    late = late or uncertain({token.symbol: price.unsure}, base.max_apart_bps)
    return late or depegged((token,), {token: price.usd}, pegged, base.max_depeg_bps)


def convert(snapshot: Snapshot, given: Amount, wanted: Token, base: Base) -> Conversion | Declined:
    """The best swap of ``given`` that may be made, each part of it worth its own gas."""
    token, exchange, now = given.token, snapshot.exchange, snapshot.block.timestamp
    if exchange is None:
        return Declined("PRICE_UNKNOWN", "no prices were read")
    if (why := price_refusal(exchange, token, base, now) or price_refusal(exchange, wanted, base, now)) is not None:
        return why
    rates = exchange.rates(token, wanted)
    judged = fair_output(rates, given, wanted, base.max_impact_bps, base.max_apart_bps)
    if not isinstance(judged, FairOutput):
        return judged
    try:
        unit_cost = snapshot.fees.unit_cost / snapshot.price(wanted) * wanted.one
        way_cost = SWAP_TXS * snapshot.fees.tx_cost / snapshot.price(wanted) * wanted.one
        found = route(exchange.states, given, wanted, unit_cost, way_cost, sent=True)
    except Unswappable as bad:
        return Declined("NO_ROUTE", f"{given} for {wanted.symbol}: {bad}")
    least = max(judged.least.raw, int(found.given.raw * _kept(base.slippage_bps)))
    return below_minimum(found.given, judged.least) or Conversion(found, Amount(wanted, least))


@dataclass(frozen=True, slots=True)
class SwapWay:
    """One way from an asset to another, one call of a router. rate: wanted base units for a given one by the feeds,
    which no quote is above: an exchange that pays more is no income; least: below which nothing is swapped; gas: of its
    transactions."""

    venue: Venue
    gas: int
    most_raw: int
    rate: Fraction
    least: Fraction

    def quotes(self, near: Collection[int] = ()) -> tuple[tuple[int, int], ...]:
        """(in, out) in base units, ascending and concave, up to the largest amount that may be swapped. near: further
        amounts to be quoted."""
        found: list[tuple[int, int]] = []
        for raw in _amounts(self.most_raw, near):
            got = self._out(raw)
            if got is not None:
                found.append((raw, got))
            elif not self._is_dust(raw):
                if (largest := self._largest(found[-1][0] if found else 0, raw)) is not None:
                    found.append(largest)
                break
        return _hull(found)

    def _is_dust(self, raw: int) -> bool:
        """Whether it is the roundings alone that make an amount bring too little: a larger one may bring enough."""
        try:
            out, lost = self.venue.quote_exact_in(raw)
        except Unswappable:
            return raw * self.rate <= ROUNDED
        return out + max(lost, ROUNDED) >= raw * self.least

    def _out(self, raw: int) -> int | None:
        try:
            out = self.venue.quote_exact_in(raw)[0]
        except Unswappable:
            return None
        return min(out, int(raw * self.rate)) if out >= raw * self.least else None

    def _largest(self, low: int, high: int) -> tuple[int, int] | None:
        """The largest amount between that may be swapped, to a part in 2^TRIES; None for none."""
        best = None
        for _ in range(TRIES):
            middle = (low + high) // 2
            if middle in (low, high):
                break
            got = self._out(middle)
            if got is None:
                high = middle
            else:
                low, best = middle, (middle, got)
        return best


def swap_ways(snapshot: Snapshot, most: Amount, wanted: Token, base: Base) -> list[SwapWay]:
    """The ways to swap up to ``most``; none where the prices cannot be trusted."""
    exchange, now, token = snapshot.exchange, snapshot.block.timestamp, most.token
    if exchange is None or price_refusal(exchange, token, base, now) or price_refusal(exchange, wanted, base, now):
        return []
    judged = fair_output(exchange.rates(token, wanted), most, wanted, base.max_impact_bps, base.max_apart_bps)
    if not isinstance(judged, FairOutput):
        return []
    scale = Fraction(wanted.one, token.one)
    rate = Fraction(snapshot.price(token)) / Fraction(snapshot.price(wanted)) * scale
    least = Fraction(judged.rate) * scale * _kept(base.max_impact_bps) * (1 + MARGIN)
    try:
        found = ways_of(exchange.states, most, wanted, sent=True)
    except Unswappable:
        return []
    return [SwapWay(venue, gas_of(pools), most.raw, rate, least) for pools, venue in found]


def _kept(bps: float) -> Fraction:
    """What is left of one without so many basis points, as they are written."""
    return 1 - Fraction(repr(bps)) / BPS


def _amounts(most_raw: int, near: Collection[int]) -> list[int]:
    """What is quoted, ascending; no two closer than a bp, where a slope would be the roundings' alone. The most is
    always among them: without it a position that is swapped out would leave a part of itself."""
    step = SMALLEST ** (1.0 / (POINTS - 1))
    spread = {round(most_raw / step**k) for k in range(1, POINTS)} | {most_raw}
    found: list[int] = []
    for raw in sorted(raw for raw in (*spread, *near) if 0 < raw <= most_raw):
        if not found or (raw - found[-1]) * BPS >= raw:
            found.append(raw)
        elif raw == most_raw:
            found[-1] = raw
    return found


def _hull(found: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The vertices of the quotes' concave hull, lowered by what a quote between two of them may round down."""
    kept: list[tuple[int, int]] = [(0, 0)]
    for raw, got in found:
        out = got - ROUNDED
        if out <= kept[-1][1]:
            continue
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if (y1 - y0) * (raw - x1) > (out - y1) * (x1 - x0):
                break
            kept.pop()
        kept.append((raw, out))
    return tuple(kept[1:])


def upper_quotes(rows: Sequence[tuple[float, float]], rate: float, unit: float) -> tuple[tuple[float, float], ...]:
    """A concave line above every concave function whose roundings, each less than two units, gave these quotes, which
    is 0 at 0, never falls, and pays ``rate`` for a unit at most: between two quotes the lower of their neighbours'
    chords, drawn on. For bounds; in whole tokens. unit: one base unit of what comes out."""
    slack = 2 * ROUNDED * unit
    points = [(0.0, 0.0), *((x, y + slack) for x, y in rows)]
    ups = [(b[1] - a[1] + 2 * slack) / (b[0] - a[0]) for a, b in pairwise(points)]
    downs = [max(0.0, (b[1] - a[1] - 2 * slack) / (b[0] - a[0])) for a, b in pairwise(points)]
    found: list[tuple[float, float]] = []
    for k, (a, b) in enumerate(pairwise(points)):
        before, after = (min(rate, ups[k - 1]) if k else rate), (downs[k + 1] if k + 2 < len(points) else 0.0)
        if before > after:  # where the chord before, drawn on from a, meets the chord after, drawn back from b
            x = (b[1] - a[1] + before * a[0] - after * b[0]) / (before - after)
            if a[0] < x < b[0]:
                found.append((x, a[1] + before * (x - a[0])))
        found.append(b)
    return _falling(found)


def _falling(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The upper hull: what noise has dented is filled up."""
    kept = [(0.0, 0.0)]
    for x, y in points:
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if (y1 - y0) * (x - x1) > (y - y1) * (x1 - x0):
                break
            kept.pop()
        kept.append((x, y))
    return tuple(kept[1:])
