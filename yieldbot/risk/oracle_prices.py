"""Prices of collaterals by the oracles that markets lend by, held against other sources and against their own past: an
oracle that differs from the others, or that always says the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Backing, Priced
from yieldbot.model.market import Snapshot
from yieldbot.model.risk import Act, Evidence
from yieldbot.model.text import one_line
from yieldbot.risk.issuance import MUCH, daily
from yieldbot.risk.triggers import Found

CODE = "ORACLE"
FEEDS = "feeds"
"""Source of the prices of the chain file's feeds."""
SINGLE = "oracle:"
"""Prefix of the keys of oracles that price one collateral of one market. Whoever makes such a market chooses its
oracle, so that they count as a second source for each other only, never for a pool."""
DAY, LEAST_ROWS = 86_400, 5
"""Seconds of a day; least different days of readings of a price that counts as constant."""
ALONE_DAYS, BESIDE_DAYS = 14, 7
"""Days for which a price has not moved at all, from which it counts as constant: where nobody else prices the token;
where another source moved by ``MOVED`` meanwhile. The slowest honest oracles move once a week."""
MANY = 5
"""Tokens in common from which the compared one itself does not sway their median."""
MOVED = 0.01
"""Fraction by which another source must have moved."""

Prices = Mapping[str, Mapping[str, float]]
"""By source, by token address, the price of one base unit in the source's own unit (``Look.prices``)."""
Rows = Mapping[str, tuple[tuple[int, float], ...]]
"""By ``name_of``, (unix seconds, price), the oldest first."""


def name_of(source: str, token: str) -> str:
    """The key of one source's price of one token."""
    return f"{source} {token.lower()}"


def feeds_of(snapshot: Snapshot) -> dict[str, float]:
    """Dollars for one base unit of each token that a feed of the chain's file prices."""
    prices = dict(snapshot.exchange.usd) if snapshot.exchange is not None else {}
    prices |= {token: price for token, price in snapshot.pegs.items() if price is not None}
    return {str(token.address): price.usd / token.one for token, price in prices.items() if price.usd > 0.0}


def stored(before: Rows, prices: Prices, backing: Mapping[MarketId, Backing], now: int) -> Rows:
    """The prices that are stored after a look: one a day, of every source, of each token on which a tenth of a market
    rests."""
    tokens = {part.backing for one in backing.values() for part in one.parts if part.share >= MUCH}
    read = {
        name_of(source, token): price
        for source, many in prices.items()
        for token in tokens & many.keys()
        if (price := _price(many, token)) is not None
    }
    return daily(before, read, now)


def checked(backing: Mapping[MarketId, Backing], prices: Prices, past: Rows) -> dict[MarketId, tuple[Priced, ...]]:
    """By market, the prices that it lends by, of each collateral on which a tenth of it rests; of several oracles of
    one collateral the worst."""
    book, found = _Book(prices, past), dict[MarketId, tuple[Priced, ...]]()
    for market, one in backing.items():
        rows = []
        for part in one.parts if one.oracles or prices else ():
            sources = dict.fromkeys((*one.oracles, *part.through)) if part.share >= MUCH else ()
            many = [book.priced(source, part.backing) for source in sources if source in prices]
            worst = max((each for each in many if each is not None), key=_badness, default=None)
            if worst is not None:
                rows.append(replace(worst, symbol=part.symbol or part.backing, share=part.share))
        if rows:
            found[market] = tuple(rows)
    return found


def _badness(one: Priced) -> tuple[bool, float]:
    return one.constant_days is not None, abs(one.off or 0.0)


class _Book:
    """All sources' prices, each compared once."""

    def __init__(self, prices: Prices, past: Rows) -> None:
        self._prices, self._past = prices, past
        self._found: dict[tuple[str, str], Priced | None] = {}
        self._sources: dict[str, list[str]] = {}
        self._ratios: dict[tuple[str, str], tuple[dict[str, float], float]] = {}
        self._rows: dict[str, list[tuple[tuple[int, float], ...]]] = {}
        for source, many in prices.items():
            for token in many:
                self._sources.setdefault(token, []).append(source)
        for name, rows in past.items():
            self._rows.setdefault(name.rpartition(" ")[2], []).append(rows)

    def priced(self, source: str, token: str) -> Priced | None:
        """One source's price of a token, without its share; None: it has none."""
        at = (source, token)
        if at not in self._found:
            self._found[at] = self._priced(source, token)
        return self._found[at]

    def _priced(self, source: str, token: str) -> Priced | None:
        if _price(self._prices[source], token) is None:
            return None
        others = self._compared(source, token, single=False)
        if not others and source.startswith(SINGLE):
            others = self._compared(source, token, single=True)
        off, by = median(others.values()) if others else None, ", ".join(sorted(others))
        return Priced(symbol=token, share=0.0, source=source, off=off, by=by, constant_days=self._still(source, token))

    def _compared(self, source: str, token: str, *, single: bool) -> dict[str, float]:
        """By other source, by which fraction the source's price is above it."""
        many = [one for one in self._sources[token] if one != source and one.startswith(SINGLE) is single]
        return {one: off for one in many if (off := self._off(source, one, token)) is not None}

    def _off(self, one: str, other: str, token: str) -> float | None:
        """By which fraction one source's price of a token is above another's, their units compared by the median of
        what both price besides; None: they cannot be compared."""
        ours, theirs = _price(self._prices[one], token), _price(self._prices[other], token)
        if ours is None or theirs is None:
            return None
        if (one, other) not in self._ratios:
            self._ratios[one, other] = self._units(one, other)
        ratios, middle = self._ratios[one, other]
        if len(ratios) < MANY:
            few = [ratio for at, ratio in ratios.items() if at != token]
            middle = median(few) if few else math.nan
        off = ours / theirs / middle - 1.0
        return off if math.isfinite(off) else None

    def _units(self, one: str, other: str) -> tuple[dict[str, float], float]:
        """(by token that two sources price, the ratio of their prices; the median ratio, NaN without any)."""
        a, b = self._prices[one], self._prices[other]
        pairs = ((at, _price(a, at), _price(b, at)) for at in a.keys() & b.keys())
        ratios = {at: mine / its for at, mine, its in pairs if mine is not None and its is not None}
        ratios = {at: ratio for at, ratio in ratios.items() if 0.0 < ratio < math.inf}
        return ratios, median(ratios.values()) if ratios else math.nan

    def _still(self, source: str, token: str) -> float | None:
        """Days for which the price has not moved, where that makes it a constant."""
        rows = self._past.get(name_of(source, token), ())
        still = _still(rows) if rows else ()
        if len({time // DAY for time, _ in still}) < LEAST_ROWS:
            return None
        days = (rows[-1][0] - still[0][0]) / DAY
        others = [many for many in self._rows[token.lower()] if many is not rows]
        moved = any(_spread(many, still[0][0]) >= MOVED for many in others)
        return days if days >= (BESIDE_DAYS if moved else ALONE_DAYS) else None


def _price(of: Mapping[str, float], token: str) -> float | None:
    price = of.get(token)
    return price if price is not None and 0.0 < price < math.inf else None


def _still(rows: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """The last rows with one and the same price."""
    first = len(rows) - 1
    while first and rows[first - 1][1] == rows[-1][1]:
        first -= 1
    return rows[first:]


def _spread(rows: Sequence[tuple[int, float]], since: int) -> float:
    """By which fraction a price moved since a time."""
    seen = [price for time, price in rows if time >= since and price > 0.0]
    return max(seen) / min(seen) - 1.0 if seen else 0.0


def oracle_signs(
    checks: Mapping[MarketId, Sequence[Priced]], backing: Mapping[MarketId, Backing], limits: AlarmLimits
) -> dict[MarketId, tuple[Found, ...]]:
    """By market, the signs that no new money goes in: a collateral's price that is a constant, or that differs from the
    other sources by ``oracle_off``. checks: by ``checked``."""
    found: dict[MarketId, tuple[Found, ...]] = {}
    for market, many in checks.items():
        signs = [sign for one in many if (sign := _sign(one, backing[market].block, limits)) is not None]
        if signs:
            found[market] = tuple(signs)
    return found


def _sign(one: Priced, block: int, limits: AlarmLimits) -> Found | None:
    what = f"the price of {one.symbol}, on which {one.share:z.0%} of it rests,"
    if one.constant_days is not None:
        saw = f"{what} has not moved for {one.constant_days:z.0f} days: a constant"
        shown = ("days without a move", f"{one.constant_days:z.1f}")
    elif one.off is not None and abs(one.off) >= limits.oracle_off:
        saw = f"{what} is {abs(one.off):z.1%} {'above' if one.off > 0.0 else 'below'} that of {one.by}"
        shown = ("off its second source", f"{one.off:+z.4f}")
    else:
        return None
    proof = Evidence(what=shown[0], value=shown[1], source=one.source, block=block)
    return Found(code=CODE, act=Act.STOP, saw=one_line(saw, 300), evidence=(proof,))
