"""Walk-forward: on each date, chooses the variant that did best in windows that were over by then, and judges it on the
window that begins on that date.

The reported gains therefore come from choices that could have been made at the time: no window judges a variant that it
helped to choose. The choice is made anew on each date, over all universes together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from yieldbot.backtest.study import DAY, Window, gain_of
from yieldbot.model.dataclass import dataclass

LEAST_PAST = 2
"""Dates whose windows must be over before the first choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The variant that was chosen at one date."""

    date: int
    """Unix seconds at which the judged window begins."""
    variant: str
    """Name of the variant that had gained most until then."""
    past: int
    """Number of dates from which it was chosen."""


def by_date(windows: Sequence[Window]) -> dict[int, list[Window]]:
    """Windows grouped by the date on which they begin, in order."""
    found: dict[int, list[Window]] = {}
    for one in windows:
        found.setdefault(one.first, []).append(one)
    return dict(sorted(found.items()))


def walk_forward(windows: Mapping[str, Sequence[Window]], learn_days: float = 0.0) -> list[Choice]:
    """The choices. windows: all of one wealth, by variant, with the same windows for each; learn_days: how far back a
    choice looks (0: as far as there is data). Ties go to the variant that comes first."""
    dated = {name: by_date(some) for name, some in windows.items()}
    dates = list(next(iter(dated.values()), {}))
    found = []
    for date in dates:
        past = [
            one for one in dates if _over(dated, one) <= date and (not learn_days or one >= date - learn_days * DAY)
        ]
        if len(past) < LEAST_PAST:
            continue
        did = {name: fmean(gain_of(one) for at in past for one in mine[at]) for name, mine in dated.items()}
        found.append(Choice(date=date, variant=max(did, key=lambda name: did[name]), past=len(past)))
    return found


def chosen(windows: Mapping[str, Sequence[Window]], choices: Sequence[Choice]) -> list[Window]:
    """The windows on which the chosen variants were judged: what the choices earned."""
    dated = {name: by_date(some) for name, some in windows.items()}
    return [one for choice in choices for one in dated[choice.variant][choice.date]]


def _over(dated: Mapping[str, Mapping[int, Sequence[Window]]], date: int) -> float:
    """Unix seconds at which the last of a date's windows ends."""
    return max(one.first + one.days * DAY for mine in dated.values() for one in mine[date])
