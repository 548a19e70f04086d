"""Charts as HTML and SVG without a script: lines and bands over time or money. The script of the page replaces a chart
that has ``data-plot`` by one that answers to the pointer, at the same size."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import field
from typing import Literal

from markupsafe import Markup

from yieldbot.model.dataclass import dataclass
from yieldbot.web import figures

WIDTH, HEIGHT = 600, 200
"""Units of a chart's drawing, which is stretched to its place."""
SPARK_WIDTH, SPARK_HEIGHT = 96, 24
MOST_BRIDGED = 3
"""Most steps without a reading over which a small line goes on."""
LEAST_COMPACT = 1_000
"""The least step of a scale whose values are written in three digits."""
Unit = Literal["time", "percent", "amount"]
Value = float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart."""

    name: str
    """What it shows."""
    values: Sequence[Value]
    """A value for each place along the chart; None: not known there."""
    low: Sequence[Value] = ()
    """The lower ends of its interval; empty: it has none."""
    high: Sequence[Value] = ()
    """The upper ends."""
    kind: str = "one"
    """Which of the style's lines it is: ``one``, ``two`` or ``ahead``."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that a chart points out."""

    x: float
    """Where it is along the chart."""
    y: float
    """Its value."""
    name: str
    """What it is."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and all that is written around it."""

    name: str
    """What it shows, for those who do not see it."""
    x: Sequence[float]
    """The places along it, rising: unix seconds or amounts."""
    lines: Sequence[Line]
    """The series."""
    along: Unit = "time"
    """What its places are."""
    unit: Unit = "percent"
    """What its values are."""
    symbol: str = ""
    """The token or currency of amounts."""
    marks: Sequence[Mark] = field(default=())
    """Points that it points out."""
    zero: bool = False
    """Whether its scale begins at zero."""

    def drawn(self) -> bool:
        """Whether there is enough for a line."""
        return len(self.x) > 1 and any(value is not None for line in self.lines for value in line.values)


def spark(values: Sequence[Value] | None) -> Markup:
    """A small line of simple annual rates in a table's cell, as yields; its ends and range are its text for those who
    do not see it."""
    values = [None if value is None else figures.compounded(value) for value in values or ()]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup('<span class="none spark" title="too little history yet">&ndash;</span>')
    low, high = min(known), max(known)
    room = (high - low) or abs(high) or 1.0
    step = SPARK_WIDTH / (len(values) - 1)
    points = [
        None if value is None else (at * step, SPARK_HEIGHT - 2 - (value - low) / room * (SPARK_HEIGHT - 4))
        for at, value in enumerate(values)
    ]
    path = _path(_bridged(points))
    said = f"from {known[0]:z.2%} to {known[-1]:z.2%}, between {low:z.2%} and {high:z.2%}"
    return Markup(
        '<svg class="spark" role="img" aria-label="{}" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        '<title>{}</title><path d="{}"/></svg>'
    ).format(said, said, path, w=SPARK_WIDTH, h=SPARK_HEIGHT)


def chart(made: Chart, plot: bool = True) -> Markup:
    """The chart with its scales and legend. plot: let the page's script make it answer to the pointer."""
    low, high = _range(made)
    ticks = _ticks(low, high)
    low, high = ticks[0], ticks[-1]
    first, last = made.x[0], made.x[-1]
    across = (last - first) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - first) / across * WIDTH, HEIGHT - (y - low) / ((high - low) or 1.0) * HEIGHT

    drawn = Markup("").join(
        Markup('<path class="grid" d="M0 {y:z.1f}H{w}"/>').format(y=at(first, tick)[1], w=WIDTH) for tick in ticks
    )
    for line in made.lines:
        if line.low:
            drawn += Markup('<path class="band {}" d="{}"/>').format(line.kind, _band(made.x, line, at))
        points = [None if y is None else at(x, y) for x, y in zip(made.x, line.values, strict=True)]
        drawn += Markup('<path class="line {}" d="{}"/>').format(line.kind, _path(points))
    for mark in made.marks:
        x, y = at(mark.x, mark.y)
        drawn += Markup('<path class="mark" d="M{x:z.1f} {y:z.1f}h0"/>').format(x=x, y=y)
    legend = Markup("").join(
        Markup('<li class="{}">{}</li>').format(kind, name)
        for kind, name in [(line.kind, line.name) for line in made.lines] + [("mark", m.name) for m in made.marks]
    )
    down = Markup("").join(
        Markup("<li>{}</li>").format(_value(made, tick, ticks[1] - ticks[0])) for tick in reversed(ticks)
    )
    places = [first + across * part / 3 for part in range(4)]
    along = Markup("").join(Markup("<li>{}</li>").format(_place(made, place)) for place in places)
    return Markup(
        '<figure class="chart"{}><ul class="legend">{}</ul>'
        '<div class="plot"><ol class="ticks down" aria-hidden="true">{}</ol>'
        '<div class="drawing"><svg role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">{}</svg>'
        "</div>"
        '<ol class="ticks along" aria-hidden="true">{}</ol></div></figure>'
    ).format(_plot(made, ticks) if plot else "", legend, down, made.name, WIDTH, HEIGHT, drawn, along)


def _plot(made: Chart, ticks: Sequence[float]) -> Markup:
    data = {
        "ticks": ticks,
        "x": list(made.x),
        "along": made.along,
        "unit": made.unit,
        "symbol": made.symbol,
        "lines": [
            {"name": one.name, "kind": one.kind, "y": list(one.values), "low": list(one.low), "high": list(one.high)}
            for one in made.lines
        ],
        "marks": [{"x": one.x, "y": one.y, "name": one.name} for one in made.marks],
    }
    return Markup(' data-plot="{}"').format(json.dumps(data, separators=(",", ":"), allow_nan=False))


def _bridged(points: Sequence[tuple[float, float] | None]) -> list[tuple[float, float] | None]:
    """Points of which a few between two known ones are left out: a line joins those, and shows longer gaps."""
    found, gap = list[tuple[float, float] | None](), 0
    for point in points:
        if point is None:
            gap += 1
            continue
        if gap > MOST_BRIDGED:
            found.append(None)
        found.append(point)
        gap = 0
    return found


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    found, pen = [], False
    for point in points:
        if point is None:
            pen = False
            continue
        found.append(f"{'L' if pen else 'M'}{point[0]:z.1f} {point[1]:z.1f}")
        pen = True
    return "".join(found)


def _band(x: Sequence[float], line: Line, at: object) -> str:
    assert callable(at)
    known = [(x, low, high) for x, low, high in zip(x, line.low, line.high, strict=True) if None not in (low, high)]
    there = [at(x, high) for x, _, high in known]
    back = [at(x, low) for x, low, _ in reversed(known)]
    return _path([*there, *back]) + "Z" if known else ""


def _range(made: Chart) -> tuple[float, float]:
    found = [value for line in made.lines for value in (*line.values, *line.low, *line.high) if value is not None]
    found += [mark.y for mark in made.marks]
    low, high = min(found), max(found)
    if made.zero:
        low = min(low, 0.0)
    if high - low < abs(high) * 1e-3:  # a line that hardly changes is flat, not noise
        low, high = low - abs(high) * 5e-4 - 1e-12, high + abs(high) * 5e-4 + 1e-12
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """Five round values in even steps that cover a range."""
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0):
        step = factor * size
        first = math.floor(low / step + 1e-9) * step
        if first + 4 * step >= high - 1e-9 * step:
            return [first + at * step for at in range(5)]
    raise AssertionError("a step of twenty covers every range")


def _value(made: Chart, tick: float, step: float) -> Markup:
    """A scale's value with as many places as tell it from the next one."""
    if made.unit == "percent":
        return figures.percent(tick, max(0, -math.floor(math.log10(step) + 2 + 1e-9)))
    if step >= LEAST_COMPACT and abs(tick) < 200 * step:  # else three digits do not tell it from the next one
        return _compact(tick)
    return figures.number(tick, max(0, -math.floor(math.log10(step) + 1e-9)))


def _place(made: Chart, place: float) -> Markup:
    return figures.moment(int(place), "day") if made.along == "time" else _compact(place)


def _compact(value: float) -> Markup:
    return Markup('<data class="n" value="{}" data-compact>{}</data>').format(repr(value), figures.short(value))


FILTERS = {"spark": spark, "chart": chart}
