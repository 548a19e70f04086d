"""Money before and after a plan, drawn as flows: the height of each flow is its amount."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from yieldbot.model.dataclass import dataclass

WIDTH, HEIGHT, BAR, GAP = 360.0, 200.0, 12.0, 8.0
LEAST = 1.5
"""Least height of a flow, so that small amounts are seen."""
COLOURS = 8


@dataclass(slots=True)
class _End:
    """One place before or after."""

    place: int
    """Its number."""
    top: float
    """Its upper edge."""
    height: float
    """Its height."""


def picture(places: Sequence[dict[str, Any]], title: str) -> Markup:
    """An SVG of the places' amounts before (left) and after (right). places: as in ``PlanView``, all of one token."""
    before = [float(one["before"]["text"]) for one in places]
    after = [float(one["after"]["text"]) for one in places]
    whole = max(sum(before), sum(after)) or 1.0
    gaps = GAP * max(0, max(sum(map(bool, before)), sum(map(bool, after))) - 1)
    scale = max(1.0, HEIGHT - gaps) / whole
    left, right = _stacked(before, scale), _stacked(after, scale)
    parts = [_bar(0.0, left[n], n) for n in left] + [_bar(WIDTH - BAR, right[n], n) for n in right]
    used = {n: 0.0 for n in left}, {n: 0.0 for n in right}
    for source, target, amount in sorted(_flows(before, after)):
        tops = left[source].top + used[0][source] * scale, right[target].top + used[1][target] * scale
        used[0][source] += amount
        used[1][target] += amount
        parts.append(_ribbon(*tops, max(LEAST, amount * scale), target, moved=source != target))
    high = max((end.top + end.height for end in (*left.values(), *right.values())), default=0.0)
    head = Markup('<svg class="flows" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">')
    return head.format(f"{WIDTH:z.0f}", f"{high:z.1f}", title) + Markup("").join(parts) + Markup("</svg>")


def _stacked(amounts: Sequence[float], scale: float) -> dict[int, _End]:
    found, top = dict[int, _End](), 0.0
    for number, amount in enumerate(amounts):
        if amount > 0:
            found[number] = _End(number, top, max(LEAST, amount * scale))
            top += found[number].height + GAP
    return found


def _flows(before: Sequence[float], after: Sequence[float]) -> list[tuple[int, int, float]]:
    """(source, target, amount): what stays, and what leaves one place for another, in order."""
    found = [(n, n, min(old, new)) for n, (old, new) in enumerate(zip(before, after, strict=True)) if min(old, new) > 0]
    out = [[n, old - new] for n, (old, new) in enumerate(zip(before, after, strict=True)) if old > new]
    into = [[n, new - old] for n, (old, new) in enumerate(zip(before, after, strict=True)) if new > old]
    for target, wanted in into:
        for one in out:
            if (moved := min(wanted, one[1])) > 0:
                found.append((int(one[0]), int(target), moved))
                one[1] -= moved
                wanted -= moved
    return found


def _bar(left: float, end: _End, number: int) -> Markup:
    return Markup('<rect class="f{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        number % COLOURS, f"{left:z.1f}", f"{end.top:z.2f}", f"{BAR:z.0f}", f"{end.height:z.2f}"
    )


def _ribbon(start: float, end: float, high: float, number: int, *, moved: bool) -> Markup:
    x0, x1, mid = BAR, WIDTH - BAR, WIDTH / 2
    path = (
        f"M{x0:z.0f} {start:z.2f}C{mid:z.0f} {start:z.2f} {mid:z.0f} {end:z.2f} {x1:z.0f} {end:z.2f}"
        f"V{end + high:z.2f}C{mid:z.0f} {end + high:z.2f} {mid:z.0f} {start + high:z.2f} {x0:z.0f} {start + high:z.2f}Z"
    )
    return Markup('<path class="flow f{}{}" d="{}"/>').format(number % COLOURS, " moved" if moved else "", path)
