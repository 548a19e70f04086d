"""Who takes part in a tournament where extras may: a run beside a key has ``tournament.builtin`` alone."""

from __future__ import annotations

from yieldbot.forecast.boosting import Boosted, installed
from yieldbot.forecast.outlook import names
from yieldbot.forecast.rules import Rule
from yieldbot.forecast.tournament import builtin


def with_extras(wanted: bool = True) -> tuple[Rule, ...]:
    """The built-in forecasters, persistence first; with LightGBM's where that is wanted and installed."""
    return (*builtin(), *((Boosted(),) if wanted and installed() else ()))


def reserved() -> tuple[str, ...]:
    """Names of our own forecasters, which no third party may bear: of extras too, installed or not."""
    return tuple(dict.fromkeys((*names(), *(one.name for one in builtin()), Boosted().name)))
