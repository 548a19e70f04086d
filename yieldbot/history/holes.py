"""What a panel lacks: markets that ended before the others, and gaps. They are reported and not filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault
from yieldbot.history.series import when
from yieldbot.model.text import counted

LONG_DAYS = 3
"""Longest gap, in days, that is not reported."""
DAY = 86_400
MOST_NAMED = 8
"""Most markets that a line names."""


def holes(panel: Panel) -> tuple[Fault, ...]:
    """A line for the markets that ended, and one for those with gaps; the worst first."""
    import numpy as np

    longest = max(2, -(-LONG_DAYS * DAY // panel.step_seconds))
    known = np.isfinite(panel.quoted)
    ended: list[tuple[int, str]] = []
    gaps: list[tuple[int, str]] = []
    last = int(np.flatnonzero(known.any(axis=1))[-1]) if known.any() else -1
    ids = Counter(key.market for key in panel.keys)
    for column, key in enumerate(panel.keys):
        name = key.market if ids[key.market] == 1 else f"{key.chain} {key.market}"
        rows = np.flatnonzero(known[:, column])
        if not len(rows):
            continue
        if last - rows[-1] > longest:
            ended.append((int(last - rows[-1]), f"{name} at {when(int(panel.times[rows[-1]]))}"))
        wide = np.diff(rows)
        wide = wide[wide > longest]
        if len(wide):
            days = int(wide.max()) * panel.step_seconds / DAY
            gaps.append((int(wide.max()), f"{name} ({len(wide)}, the longest of {days:z.0f} days)"))
    found = [(ended, "end before the others", "ended"), (gaps, f"have gaps of more than {LONG_DAYS} days", "gap")]
    return tuple(
        Fault("history", f"{counted(len(rows), 'market')} {what}: {_listed(rows)}", True, kind)
        for rows, what, kind in found
        if rows
    )


def _listed(rows: Sequence[tuple[int, str]]) -> str:
    worst = [words for _, words in sorted(rows, key=lambda one: (-one[0], one[1]))]
    more = f" and {len(worst) - MOST_NAMED} more" if len(worst) > MOST_NAMED else ""
    return ", ".join(worst[:MOST_NAMED]) + more
