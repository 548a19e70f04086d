"""Draws a line over time in the terminal with braille dots: each character cell has two columns and four rows of
them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from yieldbot.app.formatting import when

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
EMPTY = 0x2800
WIDTH, HEIGHT = 72, 10


def chart(times: Sequence[int], values: Sequence[float | None], width: int = WIDTH, height: int = HEIGHT) -> str:
    """Fractions as percent over time, with the lowest and the highest labelled on the left; empty if there is nothing
    to draw."""
    known = [(at, value) for at, value in zip(times, values, strict=True) if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return ""
    first, last = known[0][0], known[-1][0]
    low, high = min(value for _, value in known), max(value for _, value in known)
    room = (high - low) or max(abs(high), 1e-9)
    cells = [[EMPTY] * width for _ in range(height)]
    columns: dict[int, list[int]] = {}
    for at, value in known:
        x = round((at - first) / max(1, last - first) * (2 * width - 1))
        y = round((high - value) / room * (4 * height - 1))
        columns.setdefault(x, []).append(min(4 * height - 1, y))
    before: int | None = None
    for x in sorted(columns):
        tops = columns[x] if before is None else [*columns[x], before]
        for y in range(min(tops), max(tops) + 1):  # a vertical line joins values that jump
            cells[y // 4][x // 2] |= DOTS[y % 4][x % 2]
        before = columns[x][-1]
    labels = {0: f"{high:z.2%}", height - 1: f"{low:z.2%}"}
    side = max(map(len, labels.values()))
    rows = [f"{labels.get(at, ''):>{side}} ┤" + "".join(map(chr, row)) for at, row in enumerate(cells)]
    foot = f"{when(first)[:10]}{when(last)[:10]:>{width - 10}}"
    return "\n".join([*rows, " " * (side + 2) + foot])
