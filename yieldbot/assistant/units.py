"""The values of documents' fields with their units, which the fields' names say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from yieldbot.assistant.wording import Kind, Value, written

CODES = frozenset(
    (
        *("status", "result", "signal", "letter", "act", "action", "kind", "code", "severity", "topic", "by"),
        *("asset", "base", "protocol", "chain", "wallet", "asked_by", "forecaster", "bound_of", "market_class"),
    )
)
"""Fields whose text is a word of yieldbot's own, if it is one word."""
ABSENT = frozenset(("stuck", "leaving", "declined", "pnl_unknown", "skipped", "no_way_out", "limit", "quarantined"))
"""Fields without a value where there is no such thing; elsewhere such a value is not known."""
_YIELD = re.compile(r"(?:^|_)ap[yr](?:_|$)|^(?:quoted|realised_rate|short_mean|long_mean|(?:supply|reward)_rate)$")
_INTERVAL = frozenset(("mean", "low", "high", "predicted"))
_FRACTION = re.compile(r"^utili[sz]ation$|fraction|(?:^|_)share(?:_of_\w+)?$|^max_share\w*$|^coverage$")
_BP = re.compile(r"(?:^|_)(?:bps|bp)(?:_|$)")
_TIME = re.compile(
    r"^(?:at|as_of|now|timestamp|since|until|time|read|start|end|first|last|[a-z_]+_(?:at|time|until|since))$"
)
_UNITS = (
    (re.compile(r"(?:^|_)seconds?$"), 1),
    (re.compile(r"(?:^|_)minutes?$"), 60),
    (re.compile(r"(?:^|_)hours?$"), 3600),
    (re.compile(r"(?:^|_)days?$"), 86_400),
)
_A_JOBS = frozenset(
    ("gain_per_year", "cost", "income_per_year", "objective_per_year", "upper_bound_per_year", "wealth", "gain")
)
"""Numbers of plans in the asset, or the base, of their job."""


def shown(value: Any, key: str, above: Sequence[Mapping[str, Any]]) -> Any:
    """A single value as a model is sent it: figures with their unit."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        found = value_of(value, key, above)
        return value if found.kind is not Kind.NUMBER else written(found, "en", 0, 18)
    found = value_of(value, key, above)
    if found.unit == "*":
        found = replace(found, unit="")
    plain = found.kind is Kind.NUMBER and not found.unit and key not in _A_JOBS
    return value if plain else written(found, "en", 0).replace("\u00a0", " ").replace("\u2212", "-")


def value_of(value: Any, key: str, above: Sequence[Mapping[str, Any]]) -> Value:
    """A single value of a field. above: the mappings that it is in, its own the last."""
    if value is None:
        return Value(Kind.NONE, text="none" if key in ABSENT else "")
    if isinstance(value, bool):
        return Value(Kind.FLAG, Decimal(value))
    own: Mapping[str, Any] = above[-1] if above else {}
    if isinstance(value, str):
        base = own.get("base")
        if isinstance(base, str) and re.fullmatch(r"-?\d+(?:\.\d+)?", value):
            return Value(Kind.NUMBER, Decimal(value), base)
        if key == "wealth" and re.fullmatch(r"\d+(?:\.\d+)?", value):
            return Value(Kind.NUMBER, Decimal(value))
        if not value:
            return Value(Kind.NONE, text="none")
        if key == "text" and "place" in own:
            return Value(Kind.PAGE, text=value)
        return Value(Kind.CODE if key in CODES and re.fullmatch(r"[\w:.-]{1,40}", value) else Kind.TEXT, text=value)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Value(Kind.TEXT, text=str(value))
    if not number.is_finite():
        return Value(Kind.NONE)
    if _TIME.match(key) and 10**9 < number < 5 * 10**9:
        return Value(Kind.TIME, number)
    if _BP.search(key):
        return Value(Kind.BP, number)
    if _YIELD.search(key):
        return Value(Kind.YIELD, number, "APY" if "apy" in key else "APR")
    if key in _INTERVAL and own.keys() & {"horizon_days", "forecaster", "quoted", "apy"}:
        return Value(Kind.YIELD, number, "APY" if "apy" in own else "APR")
    if _FRACTION.search(key) and abs(number) <= 10:
        return Value(Kind.FRACTION, number)
    for pattern, seconds in _UNITS:
        if pattern.search(key):
            return Value(Kind.SPAN, number * seconds)
    if key in _A_JOBS:
        job = next((one for one in reversed(above) if one.get("asset") or one.get("base")), None)
        unit = "" if job is None else str(job.get("base") or job.get("asset"))
        return Value(Kind.NUMBER, number, unit or "*")
    return Value(Kind.NUMBER, number)
