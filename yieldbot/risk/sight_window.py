"""The looks at one market over the last days, and the questions that triggers ask of them. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from yieldbot.risk.sight import Sight

DAY = 86_400
KEPT = 7 * DAY
"""How far back triggers look, in seconds."""
SLACK = DAY // 2
"""Seconds by which a look may be older than a day and still count as yesterday's."""
LEAST_MEAN = 3 * DAY
"""Shortest time, in seconds, over which rates must be known for their mean."""
FIELDS = ("utilisation", "cash", "index", "token_supply", "prices")
"""Fields that ``SightWindow.last_with`` accepts."""


class SightWindow:
    """Looks at one market, ascending by time: those of the last ``KEPT`` seconds and one day more."""

    def __init__(self) -> None:
        self._sights: list[Sight] = []
        self._times: list[int] = []
        self._area: list[float] = []  # integral of the rate since the first look, in rate x seconds
        self._known: list[float] = []  # seconds of that time in which the rate was known
        self._with: dict[str, Sight] = {}  # by field, the newest look that has it
        self._backing: dict[str, tuple[int, float]] = {}  # by collateral, (time, supply) of its last known supply

    def __len__(self) -> int:
        return len(self._sights)

    def add(self, sight: Sight) -> None:
        """Add a newer look; one that is not newer than the last is ignored."""
        if self._times and sight.time <= self._times[-1]:
            return
        area = known = 0.0
        if self._sights:
            before, seconds = self._sights[-1], sight.time - self._times[-1]
            area, known = self._area[-1], self._known[-1]
            if before.rate is not None:
                area, known = area + before.rate * seconds, known + seconds
        self._sights.append(sight)
        if sight.utilisation is not None:
            self._with["utilisation"] = sight
        if sight.cash is not None:
            self._with["cash"] = sight
        if sight.index is not None:
            self._with["index"] = sight
        if sight.token_supply is not None:
            self._with["token_supply"] = sight
        for token, raw in sight.backing:
            if raw is not None:
                self._backing[token] = (sight.time, raw)
        if sight.prices:
            self._with["prices"] = sight
        self._times.append(sight.time)
        self._area.append(area)
        self._known.append(known)
        gone = bisect_left(self._times, sight.time - KEPT - 2 * DAY)
        if gone > 1000:  # only now and then: the cost is amortised
            for kept in (self._sights, self._times, self._area, self._known):
                del kept[:gone]

    @property
    def last(self) -> Sight | None:
        """The newest look; None: there is none."""
        return self._sights[-1] if self._sights else None

    def since(self, time: int) -> list[Sight]:
        """The looks at or after a time."""
        return self._sights[bisect_left(self._times, time) :]

    def at_or_before(self, time: int) -> Sight | None:
        """The newest look at or before a time."""
        place = bisect_right(self._times, time) - 1
        return self._sights[place] if place >= 0 else None

    def yesterday(self, now: int) -> Sight | None:
        """The look of a day ago: the newest one that is between a day and a day plus ``SLACK`` old. If there is none,
        the oldest look of the last day, since what was lost in a shorter time was also lost within a day."""
        old = self.at_or_before(now - DAY)
        if old is not None and old.time >= now - DAY - SLACK:
            return old
        place = bisect_left(self._times, now - DAY)
        return self._sights[place] if place < len(self._sights) and self._times[place] < now else None

    def mean_rate(self, now: int) -> float | None:
        """Time-weighted mean of the rate over the 7 days before ``now``; None: rates are known for less than
        ``LEAST_MEAN``."""
        if not self._sights:
            return None
        place = min(bisect_left(self._times, now - KEPT), len(self._times) - 1)
        last = self._sights[-1]
        area, known = self._area[-1] - self._area[place], self._known[-1] - self._known[place]
        if last.rate is not None and last.time < now:
            more = min(now - last.time, DAY)
            area, known = area + last.rate * more, known + more
        return area / known if known >= LEAST_MEAN else None

    def top_index(self, now: int) -> float | None:
        """The highest index of the last 7 days; None: no index was read."""
        return max((one.index for one in self.since(now - KEPT) if one.index is not None), default=None)

    def last_with(self, name: str, now: int, seconds: int = 2 * DAY) -> Sight | None:
        """The newest look of the last ``seconds`` that has a field (one of ``FIELDS``); None: none has."""
        found = self._with.get(name)
        return found if found is not None and found.time >= now - seconds else None

    def backing(self, token: str, now: int, seconds: int = 2 * DAY) -> tuple[int, float] | None:
        """(unix seconds, total supply in base units) of a collateral at the last look within ``seconds`` that read
        it; None: none did."""
        found = self._backing.get(token)
        return found if found is not None and found[0] >= now - seconds else None
