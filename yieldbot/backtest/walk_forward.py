"""Walk-forward: at each date the variant that did best in what was over by then, judged on the window that begins then.

So what is reported was earned by choices that could have been made: no window is judged by a variant that it helped to
choose. Choices are made anew at each date, over all universes together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from yieldbot.backtest.study import DAY, Window, gain_of

LEAST_PAST = 2
"""Dates whose windows must be over before anything is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen at one date."""

    date: int
    """Unix seconds: when the judged window begins."""
    variant: str
    """Name of what had gained most until then."""
    past: int
    """Dates from which it was chosen."""


def by_date(windows: Sequence[Window]) -> dict[int, list[Window]]:
    """Windows by when they begin, in order."""
    found: dict[int, list[Window]] = {}
    for one in windows:
        found.setdefault(one.first, []).append(one)
    return dict(sorted(found.items()))


def walk_forward(windows: Mapping[str, Sequence[Window]], learn_days: float = 0.0) -> list[Choice]:
    """The choices. windows: of one wealth, by variant, the same for each; learn_days: how far back a choice looks, as
    far as there is where it is 0. Ties go to the variant that comes first."""
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
    """What was earned by the choices: the windows on which each was judged."""
    dated = {name: by_date(some) for name, some in windows.items()}
    return [one for choice in choices for one in dated[choice.variant][choice.date]]


def _over(dated: Mapping[str, Mapping[int, Sequence[Window]]], date: int) -> float:
    """When the last of a date's windows ends."""
    return max(one.first + one.days * DAY for mine in dated.values() for one in mine[date])
