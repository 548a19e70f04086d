"""Charts over time as inline SVG: lines, stacked areas, lines with an interval. Colours are CSS classes of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

from yieldbot.model.dataclass import dataclass

LABEL_GAP = 14.0
"""Least distance between labels at the ends of lines, in units of the drawing."""
CHARACTER = 6.2
"""Assumed width of a label's character."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart."""

    name: str
    """Its name; foreign text is escaped here, not by the caller."""
    values: Sequence[float | None]
    """One for each time; None leaves a gap."""
    style: str
    """CSS class, as ``s1`` or ``quiet``."""
    label: bool = True
    """Whether its name is shown at its end."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The area in which a chart's data are drawn: sizes in units of the drawing, values from ``low`` to ``high``."""

    times: Sequence[int]
    """Unix seconds, ascending."""
    low: float
    """Value at the foot."""
    high: float
    """Value at the top."""
    width: float = 960.0
    """Width of the whole drawing."""
    height: float = 280.0
    """Height of the whole drawing."""
    left: float = 52.0
    """Width of the margin for the values' labels."""
    right: float = 16.0
    """Width of the margin for the lines' names."""
    top: float = 10.0
    """Height of the margin above the data."""
    foot: float = 24.0
    """Height of the margin for the dates."""

    def x(self, at: float) -> float:
        """The x coordinate of a row, which may be a fraction."""
        return self.left + at / max(1, len(self.times) - 1) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """The y coordinate of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.height - self.foot - share * (self.height - self.foot - self.top)


Words = Callable[[float], str]
"""Turns a value into the text of a label."""


def lines(
    times: Sequence[int], drawn: Sequence[Line], words: Words, title: str, *, tips: Sequence[str], height: float = 280.0
) -> str:
    """Lines over time, each named at its end. tips: the tooltip for each time."""
    values = [value for line in drawn for value in line.values if value is not None]
    low, high, ticks = scale(values)
    longest = max((len(line.name) for line in drawn if line.label), default=0)
    frame = Frame(times, low, high, height=height, right=16.0 + CHARACTER * longest)
    parts = [*_grid(frame, ticks, words)]
    for line in drawn:
        parts += [f'<path class="line {line.style}" d="{one}"/>' for one in _paths(frame, line.values)]
    parts += _ends(frame, [line for line in drawn if line.label])
    return _drawing(frame, title, [*parts, *_tips(frame, tips)])


def stacked(times: Sequence[int], drawn: Sequence[Line], title: str, *, tips: Sequence[str]) -> str:
    """Fractions of a whole over time, stacked from the bottom in the given order; each day's fraction holds until the
    next."""
    frame = Frame(times, 0.0, 1.0, height=190.0)
    parts = []
    floor = [0.0] * len(times)
    for line in drawn:
        top = [min(1.0, low + max(0.0, value or 0.0)) for low, value in zip(floor, line.values, strict=True)]
        up, down = _stairs(frame, top), _stairs(frame, floor)
        points = [*up, *reversed(down)]
        if max(a - b for a, b in zip(top, floor, strict=True)) > 1e-4:
            parts.append(f'<path class="area {line.style}" d="M{"L".join(points)}Z"/>')
        floor = top
    grid = _grid(frame, [0.0, 0.25, 0.5, 0.75, 1.0], lambda value: f"{value:z.0%}")
    return _drawing(frame, title, [*parts, *grid, *_tips(frame, tips)])


def band(
    times: Sequence[int],
    low: Sequence[float | None],
    high: Sequence[float | None],
    drawn: Sequence[Line],
    words: Words,
    title: str,
    *,
    tips: Sequence[str],
) -> str:
    """Lines over an interval. The highest values are cut off at the frame, so that a spike does not flatten the
    rest."""
    values = sorted(value for line in (*drawn, Line("", low, ""), Line("", high, "")) for value in line.values if value)
    most = values[min(len(values) - 1, int(0.985 * len(values)))] * 1.15 if values else 1.0
    bottom, top, ticks = scale([0.0, *(value for value in values if value <= most), most], count=4)
    frame = Frame(times, bottom, top, width=480.0, height=190.0, right=10.0, left=44.0)
    parts = [*_grid(frame, ticks, words, dates=4)]
    both = [(at, a, b) for at, (a, b) in enumerate(zip(low, high, strict=True)) if a is not None and b is not None]
    for run in _runs([at for at, _, _ in both]):
        ends = [one for one in both if run[0] <= one[0] <= run[-1]]
        up = [_point(frame, at, min(b, top)) for at, _, b in ends]
        down = [_point(frame, at, max(min(a, top), bottom)) for at, a, _ in reversed(ends)]
        parts.append(f'<path class="band" d="M{"L".join([*up, *down])}Z"/>')
    for line in drawn:
        cut = [None if value is None else min(max(value, bottom), top) for value in line.values]
        parts += [f'<path class="line {line.style}" d="{one}"/>' for one in _paths(frame, cut)]
    return _drawing(frame, title, [*parts, *_tips(frame, tips)])


def bars(rows: Sequence[tuple[str, float, float, float]], words: Words, title: str) -> str:
    """(name, value, low, high) of each row as a dot with its interval, around a line at zero."""
    low, high, ticks = scale([0.0, *(end for _, _, a, b in rows for end in (a, b))], count=6)
    left = 20.0 + CHARACTER * max((len(name) for name, *_ in rows), default=0)
    frame = Frame([0, 1], low, high, height=34.0 + 30.0 * len(rows), left=left, right=84.0)

    def across(value: float) -> float:
        return left + (value - low) / ((high - low) or 1.0) * (frame.width - left - frame.right)

    parts = []
    for tick in ticks:
        style = "zero" if tick == 0.0 else "grid"
        parts.append(f'<path class="{style}" d="M{across(tick):z.1f} 6V{frame.height - frame.foot:z.1f}"/>')
        parts.append(_text(across(tick), frame.height - 6, words(tick), "tick middle"))
    for at, (name, value, a, b) in enumerate(rows):
        y = 22.0 + 30.0 * at
        parts += [
            _text(left - 12, y + 4, name, "name end"),
            f'<path class="whisker" d="M{across(a):z.1f} {y}H{across(b):z.1f}"/>',
            f'<circle class="dot" cx="{across(value):z.1f}" cy="{y}" r="5"/>',
            _text(frame.width - 4, y + 4, words(value), "name end strong"),
        ]
    return _drawing(frame, title, parts)


def scale(values: Sequence[float], count: int = 5) -> tuple[float, float, list[float]]:
    """(low, high, ticks): ends a little beyond all values, and about ``count`` round numbers between them."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 1e-12:
        low, high = low - max(abs(low), 1e-3) / 2, high + max(abs(high), 1e-3) / 2
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * one for one in (1, 2, 2.5, 5) if power * one >= rough * 0.999), power * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [at * step for at in range(first, last + 1)]
    room = 0.03 * (high - low)
    return (low if ticks[0] == low else low - room), high + room, ticks


def day_labels(times: Sequence[int], most: int = 9) -> list[tuple[int, str]]:
    """(row, label): first days of months or, where there are few, evenly spread days; at most ``most``."""
    days = [datetime.fromtimestamp(time, UTC) for time in times]
    months = [at for at, (a, b) in enumerate(pairwise(days), 1) if (a.year, a.month) != (b.year, b.month)]
    if len(months) >= 3:
        every = -(-len(months) // most)
        return [(at, f"{days[at]:%b %Y}" if days[at].month == 1 else f"{days[at]:%b}") for at in months[::every]]
    count = min(most - 2, len(times))
    spread = sorted({round(k * (len(times) - 1) / max(1, count - 1)) for k in range(count)})
    return [(at, f"{days[at].day} {days[at]:%b}") for at in spread]


def _grid(frame: Frame, ticks: Sequence[float], words: Words, dates: int = 9) -> list[str]:
    right = frame.width - frame.right
    found = []
    for tick in ticks:
        y, style = frame.y(tick), "zero" if tick == 0.0 else "grid"
        found.append(f'<path class="{style}" d="M{frame.left:z.1f} {y:z.1f}H{right:z.1f}"/>')
        found.append(_text(frame.left - 8, y + 4, words(tick), "tick end"))
    for at, label in day_labels(frame.times, dates):
        side = "tick" if at == 0 else "tick end" if at == len(frame.times) - 1 else "tick middle"
        found.append(_text(frame.x(at), frame.height - 6, label, side))
    return found


def _paths(frame: Frame, values: Sequence[float | None]) -> list[str]:
    """One path for each run of rows that have a value."""
    found = []
    for run in _runs([at for at, value in enumerate(values) if value is not None]):
        points = [_point(frame, at, values[at] or 0.0) for at in range(run[0], run[-1] + 1)]
        found.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return found


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Start and end of each stretch of rows without a gap."""
    found: list[tuple[int, int]] = []
    for at in rows:
        if found and found[-1][1] == at - 1:
            found[-1] = found[-1][0], at
        else:
            found.append((at, at))
    return found


def _stairs(frame: Frame, values: Sequence[float]) -> list[str]:
    found = []
    for at, value in enumerate(values):
        found.append(_point(frame, at, value))
        if at + 1 < len(values) and values[at + 1] != value:
            found.append(_point(frame, at + 1, value))
    return found


def _ends(frame: Frame, drawn: Sequence[Line]) -> list[str]:
    """The lines' names next to their last points, moved apart if they would overlap."""
    last = [(frame.y(line.values[-1] or 0.0), line) for line in drawn if line.values]
    last.sort(key=lambda one: one[0])
    heights = [y for y, _ in last]
    for at in range(1, len(heights)):
        heights[at] = max(heights[at], heights[at - 1] + LABEL_GAP)
    if heights:
        heights[-1] = min(heights[-1], frame.height - frame.foot)
    for at in reversed(range(len(heights) - 1)):
        heights[at] = min(heights[at], heights[at + 1] - LABEL_GAP)
    x = frame.width - frame.right + 8
    return [_text(x, y + 4, line.name, f"name {line.style}") for y, (_, line) in zip(heights, last, strict=True)]


def _tips(frame: Frame, tips: Sequence[str]) -> list[str]:
    """For each time a transparent column with the tooltip."""
    width = (frame.width - frame.left - frame.right) / max(1, len(frame.times) - 1)
    height = frame.height - frame.foot - frame.top
    return [
        f'<rect class="tip" x="{frame.x(at) - width / 2:z.1f}" y="{frame.top:g}" width="{width:z.2f}" '
        f'height="{height:g}"><title>{escape(tip)}</title></rect>'
        for at, tip in enumerate(tips)
    ]


def _point(frame: Frame, at: int, value: float) -> str:
    return f"{frame.x(at):z.1f} {frame.y(value):z.1f}"


def _text(x: float, y: float, words: str, style: str) -> str:
    words = words.removeprefix("+") if words.startswith("+0 ") else words
    return f'<text class="{style}" x="{x:z.1f}" y="{y:z.1f}">{escape(words)}</text>'


def _drawing(frame: Frame, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )
