"""The entrants of a tournament if extras are allowed; a process that holds a key uses ``tournament.builtin`` alone."""

from __future__ import annotations

from yieldbot.forecast.boosting import Boosted, installed
from yieldbot.forecast.outlook import names
from yieldbot.forecast.rules import Rule
from yieldbot.forecast.tournament import builtin


def with_extras(wanted: bool = True) -> tuple[Rule, ...]:
    """The built-in forecasters, persistence first; with LightGBM's if requested and installed."""
    return (*builtin(), *((Boosted(),) if wanted and installed() else ()))


def reserved() -> tuple[str, ...]:
    """Names of our own forecasters, those of extras included, which no third party may use."""
    return tuple(dict.fromkeys((*names(), *(one.name for one in builtin()), Boosted().name)))
