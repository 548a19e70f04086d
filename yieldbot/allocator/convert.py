"""Converting one asset of ours into another: the expected output, the minimum out, and quotes for the solver. Pure.

A swap is made only where two independent prices agree (risk/prices.py), the feeds are fresh, and an asset of USD is
worth about a dollar; never for less than the policy's price impact allows, whatever the pools quote.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
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
"""Quotes for the solver, at geometric distances from one part in SMALLEST of the maximum up to it."""

TRIES = 24
"""Bisections in search of the largest amount within the allowed price impact."""

ROUNDED = 2
"""Base units that rounding may take off an output, with a margin."""

HARDLY = 1e-9
"""The fraction of an output by which a bound may be higher for having fewer edges."""

MARGIN = Fraction(1, 10**9)
"""By what fraction a quote stays above the accepted minimum, which is a float."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A swap of one asset into another over the best allowed route."""

    route: Route
    """The pools, with amounts."""
    least: Amount
    """Minimum out."""


def swap_id(given: Token, wanted: Token) -> MarketId:
    """The id that a swap's leg is journalled under."""
    ends = (token_key(token) for token in (given, wanted))
    return MarketId("/".join(("swap", market_chain(given.chain), *ends)))


def price_refusal(exchange: Exchange, token: Token, base: Base, now: int) -> Declined | None:
    """Why no money may go into or through an asset now (missing, stale or uncertain feed, depeg); None when it may.

    now: the block's own time, unix seconds.
    """
    price = exchange.usd.get(token)
    if price is None:
        return Declined("PRICE_UNKNOWN", f"{token.symbol} has no feed that can be read: name one in chains/*.toml")
    pegged = (token.address,) if base.unit == "USD" and token.symbol in base.shares else ()  # a reward is not
    late = stale({token.symbol: price.updated_at}, now, base.max_feed_age_seconds)
    late = late or uncertain({token.symbol: price.unsure}, base.max_apart_bps)
    return late or depegged((token,), {token: price.usd}, pegged, base.max_depeg_bps)


def convert(snapshot: Snapshot, given: Amount, wanted: Token, base: Base) -> Conversion | Declined:
    """The best allowed swap of ``given``, each of its parts worth its own gas; or why there is none."""
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
        found = route(exchange.sent_by_pair, given, wanted, unit_cost, way_cost)
    except Unswappable as bad:
        return Declined("NO_ROUTE", f"{given} for {wanted.symbol}: {bad}")
    least = max(judged.least.raw, int(found.given.raw * _kept(base.slippage_bps)))
    return below_minimum(found.given, judged.least) or Conversion(found, Amount(wanted, least))


@dataclass(frozen=True, slots=True)
class QuotedRoute:
    """One route from an asset to another, which is one call of a router."""

    venue: Venue
    """The venue that its pools make together."""
    gas: int
    """Gas of its transactions."""
    most_raw: int
    """Largest amount that is quoted, in base units."""
    rate: Fraction
    """Units of the wanted asset for one unit of the given one, by the feeds. No quote is above it: a pool that pays
    more counts as no income."""
    least: Fraction
    """Units of the wanted asset for one unit of the given one below which nothing is swapped."""
    known: dict[int, int | None] = field(default_factory=dict, compare=False, repr=False)
    """What amounts bring that were asked for before: quotes are made again around each solution."""

    def quotes(self, near: Collection[int] = ()) -> tuple[tuple[int, int], ...]:
        """(in, out) in base units, ascending and concave, up to the largest amount that may be swapped. near: further
        amounts to be quoted."""
        return lower_quotes(self.points(near))

    def points(self, near: Collection[int] = ()) -> list[tuple[int, int]]:
        """Each quoted amount with its output, ascending."""
        found: list[tuple[int, int]] = []
        for raw in _amounts(self.most_raw, near):
            got = self._out(raw)
            if got is not None:
                found.append((raw, got))
            elif not self._is_dust(raw):
                if (largest := self._largest(found[-1][0] if found else 0, raw)) is not None:
                    found.append(largest)
                break
        return found

    def _is_dust(self, raw: int) -> bool:
        """Whether rounding alone makes an amount bring too little, so that a larger one may bring enough."""
        try:
            out, lost = self.venue.quote_exact_in(raw)
        except Unswappable:
            return raw * self.rate <= ROUNDED
        return out + max(lost, ROUNDED) >= raw * self.least

    def _out(self, raw: int) -> int | None:
        if raw not in self.known:
            self.known[raw] = self._asked(raw)
        return self.known[raw]

    def _asked(self, raw: int) -> int | None:
        try:
            out = self.venue.quote_exact_in(raw)[0]
        except Unswappable:
            return None
        (least, parts), (rate, units) = self.least.as_integer_ratio(), self.rate.as_integer_ratio()
        return min(out, raw * rate // units) if out * parts >= raw * least else None

    def _largest(self, low: int, high: int) -> tuple[int, int] | None:
        """The largest allowed amount in between with its output, to one part in 2^TRIES; None where there is none."""
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


def swap_routes(snapshot: Snapshot, most: Amount, wanted: Token, base: Base) -> list[QuotedRoute]:
    """The routes over which up to ``most`` may be swapped; none where prices cannot be trusted."""
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
        found = ways_of(exchange.sent_by_pair, most, wanted)
    except Unswappable:
        return []
    return [QuotedRoute(venue, gas_of(pools), most.raw, rate, least) for pools, venue in found]


def _kept(bps: float) -> Fraction:
    """1 less ``bps`` basis points, exactly as written."""
    return 1 - Fraction(repr(bps)) / BPS


def _amounts(most_raw: int, near: Collection[int]) -> list[int]:
    """Amounts to quote, ascending; no two closer than a bp, where a slope would be rounding noise. The maximum is
    always included: otherwise swapping a position out would leave a part of it."""
    step = SMALLEST ** (1.0 / (POINTS - 1))
    spread = {round(most_raw / step**k) for k in range(1, POINTS)} | {most_raw}
    found: list[int] = []
    for raw in sorted(raw for raw in (*spread, *near) if 0 < raw <= most_raw):
        if not found or (raw - found[-1]) * BPS >= raw:
            found.append(raw)
        elif raw == most_raw:
            found[-1] = raw
    return found


def lower_quotes(found: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Vertices of the quotes' concave hull, lowered by what a quote between two of them may round down."""
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


def upper_quotes(points: Sequence[tuple[float, float]], rate: float, unit: float) -> tuple[tuple[float, float], ...]:
    """(in, out) of a concave line above every concave function that these quotes can be of, in whole tokens; for
    bounds.

    It is 0 at 0, never falls, and pays at most ``rate`` for a unit: between two quotes the lower of the extensions of
    the chords before and after. unit: one base unit of the output; the rounding of each quote is less than two of them.
    """
    slack = ROUNDED * unit
    known = [(0.0, 0.0), *((x, min(y + slack, rate * x)) for x, y in _straightened(points, slack))]
    last = len(known) - 1

    def chord(j: int, k: int) -> float:
        return (known[k][1] - known[j][1]) / (known[k][0] - known[j][0])

    def spread(j: int, k: int) -> float:
        return 4 * slack / (known[k][0] - known[j][0])

    found: list[tuple[float, float]] = []
    for k, (a, b) in enumerate(pairwise(known)):
        # Slopes fall: no chord that ends at a is less steep than the line beyond, none that begins at b steeper.
        before = min([rate, *(chord(j, k) + spread(j, k) for j in {0, k - 1} if k)])
        after = max([0.0, *(chord(k + 1, j) - spread(k + 1, j) for j in {k + 2, last} if k + 1 < last)])
        if before > after:  # where the chord before, drawn on from a, meets the chord after, drawn back from b
            x = (b[1] - a[1] + before * a[0] - after * b[0]) / (before - after)
            if a[0] < x < b[0]:
                found.append((x, a[1] + before * (x - a[0])))
        found.append(b)
    return _fewer(_falling(found), min(slack, HARDLY * known[-1][1]))


def _straightened(points: Sequence[tuple[float, float]], slack: float) -> list[tuple[float, float]]:
    """The vertices of the points' concave hull, and the points so little below it that rounding explains it."""
    hull = [(0.0, 0.0), *_falling(points)]
    found, k = [], 1
    for x, y in points:
        while k < len(hull) - 1 and hull[k][0] < x:
            k += 1
        (x0, y0), (x1, y1) = hull[k - 1], hull[k]
        if x == x1 or (x < x1 and y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y <= 2 * slack):
            found.append((x, y))
    return found


def _fewer(points: Sequence[tuple[float, float]], most: float) -> tuple[tuple[float, float], ...]:
    """The line without edges in whose place the extensions of their neighbours are higher by ``most`` at most."""
    kept = [(0.0, 0.0), *points]
    k = 1
    while k + 2 < len(kept):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = kept[k - 1 : k + 3]
        before, own, after = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1), (y3 - y2) / (x3 - x2)
        x = x1 + (own - after) / (before - after) * (x2 - x1) if before > after else x1
        if x1 < x < x2 and (before - own) * (x - x1) <= most:
            kept[k : k + 2] = [(x, min(y1 + before * (x - x1), y3))]
            k = max(1, k - 1)
        else:
            k += 1
    return tuple(kept[1:])


def _falling(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The upper concave hull, which removes rounding noise."""
    kept = [(0.0, 0.0)]
    for x, y in points:
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if (y1 - y0) * (x - x1) > (y - y1) * (x1 - x0):
                break
            kept.pop()
        kept.append((x, y))
    return tuple(kept[1:])
