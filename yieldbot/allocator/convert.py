"""Converts one of our assets into another: the expected output, the minimum out, and quotes for the solver. Pure.

A swap is made only if two independent prices agree (risk/prices.py), the feeds are fresh, and a USD asset is worth
about a dollar. Its price impact never exceeds the policy's, whatever the pools quote.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field
from fractions import Fraction
from itertools import pairwise

from yieldbot.allocator.route import Route, gas_of, route, ways_of
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
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
"""How many amounts are quoted for the solver, and their spacing: geometric, from the maximum / SMALLEST up to the
maximum."""

TRIES = 24
"""Bisection steps in the search for the largest amount within the allowed price impact."""

ROUNDED = 2
"""Base units that rounding may take off an output, a margin included."""

HARDLY = 1e-9
"""An edge of the bound may be removed if that raises the bound by at most this fraction of the output."""

MARGIN = Fraction(1, 10**9)
"""A quote must exceed the accepted minimum by this fraction, since the minimum is a float and could be rounded down."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A swap of one asset into another by the best allowed route."""

    route: Route
    """The pools, with amounts."""
    least: Amount
    """Minimum out."""


def swap_id(given: Token, wanted: Token) -> MarketId:
    """The id that a swap's leg is journalled under."""
    ends = (token_key(token) for token in (given, wanted))
    return MarketId("/".join(("swap", market_chain(given.chain), *ends)))


def price_refusal(exchange: Exchange, token: Token, base: Base, now: int) -> Declined | None:
    """Why no money may go into or through an asset now (missing, stale or uncertain feed, depeg); None if it may.

    now: the time of the block, unix seconds.
    """
    price = exchange.usd.get(token)
    if price is None:
        return Declined("PRICE_UNKNOWN", f"{token.symbol} has no feed that can be read: name one in chains/*.toml")
    pegged = (token.address,) if base.unit == "USD" and token.symbol in base.shares else ()  # rewards are not pegged
    late = stale({token.symbol: price.updated_at}, now, base.max_feed_age_seconds)
    late = late or uncertain({token.symbol: price.unsure}, base.max_apart_bps)
    return late or depegged((token,), {token: price.usd}, pegged, base.max_depeg_bps)


def convert(snapshot: Snapshot, given: Amount, wanted: Token, base: Base) -> Conversion | Declined:
    """The best allowed swap of ``given``, in which each part is worth its own gas; or the reason why there is none."""
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
    """One route from an asset to another that a single call of a router can swap over, with its quotes."""

    venue: Venue
    """The pools of the route combined into one venue."""
    gas: int
    """Gas of its transactions."""
    most_raw: int
    """Largest amount that is quoted, in base units."""
    rate: Fraction
    """Units of the wanted asset for one unit of the given one, by the feeds. Quotes are capped at it: a pool that pays
    more does not count as income."""
    least: Fraction
    """Lowest accepted rate: units of the wanted asset for one unit of the given one. Below it nothing is swapped."""
    known: dict[int, int | None] = field(default_factory=dict, compare=False, repr=False)
    """Cache of outputs by amount in: the solver asks for quotes again around each solution. None: not allowed."""

    def quotes(self, near: Collection[int] = ()) -> tuple[tuple[int, int], ...]:
        """(in, out) in base units, ascending and concave, up to the largest amount that may be swapped. near: further
        amounts to quote."""
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
        """Whether an amount brings too little only because of rounding, so that a larger one may bring enough."""
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
        """(amount, output) of the largest allowed amount between the two, found by TRIES bisections; None if none is
        allowed."""
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
    """The routes over which up to ``most`` may be swapped; empty if prices cannot be trusted."""
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
    """1 - ``bps`` / 10000, as an exact fraction."""
    return 1 - Fraction(repr(bps)) / BPS


def _amounts(most_raw: int, near: Collection[int]) -> list[int]:
    """Amounts to quote, ascending; no two closer than a bp, where a slope would be rounding noise. The maximum is
    always included: otherwise swapping out of a position would leave a part of it."""
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
    """Vertices of the quotes' concave hull, lowered by what rounding down may take off a quote between two of them."""
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
    """(in, out) vertices, in whole tokens, of a concave line that lies above every concave function through these
    quotes; used for upper bounds.

    The line is 0 at 0, never falls, and rises by at most ``rate`` for each unit in. Between two quotes it is the lower
    of the extended chords of the neighbouring pairs of quotes. unit: one base unit of the output; each quote is rounded
    by less than two of them.
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
    """The vertices of the points' concave hull, and those points that lie below it by no more than rounding
    explains."""
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
    """The line with edges removed wherever extending the neighbouring edges raises it by at most ``most``."""
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
    """The upper concave hull of the points, which removes rounding noise."""
    kept = [(0.0, 0.0)]
    for x, y in points:
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if (y1 - y0) * (x - x1) > (y - y1) * (x1 - x0):
                break
            kept.pop()
        kept.append((x, y))
    return tuple(kept[1:])
