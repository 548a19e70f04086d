"""What aggregators of swaps and bridges answer, and how their texts are checked. Pure. Nothing of an answer is ever
signed, and none decides anything: it is shown beside our own quote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass

LONGEST_NAME = 40
"""Most characters of an aggregator's own text that are shown."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quote from an aggregator, by its own statements."""

    tool: str
    """The exchanges or the bridge that it would use."""
    taken: Amount
    """What goes in, exactly."""
    given: Amount
    """What it expects to come out."""
    least: Amount
    """The minimum out in its transaction."""
    seconds: float
    """How long it expects the transfer to take."""
    fees_usd: float
    """Fees in US dollars; LI.FI does not state whether they are deducted from ``given`` already."""
    gas_usd: float
    """Gas in US dollars."""
    name: str
    """The aggregator."""


def raw_amount(name: str, document: Mapping[str, Any], key: str) -> int:
    """An amount in base units, written as text. Raises MarketError where it is none."""
    value = document.get(key)
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 78:
        raise not_believed(name, f"its {key!r} is no amount: {short(value)}")
    return int(value)


def short(value: object) -> str:
    """An aggregator's own text made fit for display: printable ASCII, at most LONGEST_NAME characters."""
    return "".join(sign for sign in str(value) if " " <= sign <= "~")[:LONGEST_NAME] or "?"


def not_believed(name: str, why: str) -> MarketError:
    """The error for an answer that contradicts itself or the request."""
    return MarketError(f"{name}'s answer is not believed: {why}")
