"""Alerts of the user: a measure of markets, a token or a wallet that passes a threshold. They move no money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from yieldbot.model.dataclass import dataclass
from yieldbot.model.notices import Severity


class Measure(StrEnum):
    """What an alert measures."""

    RATE = "rate"
    """A market's quoted rate, an effective annual fraction."""
    PRICE = "price"
    """US dollars for one whole token, by its feed."""
    DEPEG = "depeg"
    """How far the price of a token that is pegged to the dollar differs from 1, as a fraction."""
    UTILISATION = "utilisation"
    """A market's utilisation, a fraction."""
    GRADE = "grade"
    """A market's safety, 0 to 100."""
    WEALTH = "wealth"
    """What a wallet has in its jobs' markets and assets, in US dollars or in one asset."""


OF_MARKETS = frozenset((Measure.RATE, Measure.UTILISATION, Measure.GRADE))
"""Measures of markets; PRICE and DEPEG are of tokens, WEALTH is of wallets."""
FRACTIONS = frozenset((Measure.RATE, Measure.DEPEG, Measure.UTILISATION))
"""Measures that are fractions and are shown in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert."""

    id: str
    """The alert's id."""
    measure: Measure
    """What it measures."""
    subject: str
    """A market's name (``model/names``), a token's symbol, or a wallet's name."""
    above: bool
    """Whether it stands above the threshold; False: below."""
    threshold: float
    """In the measure's unit."""
    hysteresis: float = 0.0
    """How far the value must come back behind the threshold before the alert ends, in the same unit."""
    chain: str | None = None
    """Only subjects on the chain of this name; None: on every chain."""
    asset: str | None = None
    """Symbol of the asset that wealth is counted in; None: all of it, in US dollars. Other measures have none."""
    severity: Severity = Severity.WARNING
    """Severity of the finding when it begins."""
    accounts: frozenset[str] | None = None
    """The accounts that its maker may see, in the form of ``access.caller.normal``; None: all."""
    made_by: str = "terminal"
    """Who made it, as in the journal's audit."""
    made_at: int = 0
    """When it was made, in unix seconds."""

    def passed(self, value: float) -> bool:
        """Whether a value is beyond the threshold."""
        return value > self.threshold if self.above else value < self.threshold

    def back(self, value: float) -> bool:
        """Whether a value has come back behind the threshold by the hysteresis."""
        if self.above:
            return value <= self.threshold - self.hysteresis
        return value >= self.threshold + self.hysteresis


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A measured value."""

    name: str
    """Name of the subject, as tables show it."""
    value: float
    """In the measure's unit."""
    at: int
    """The time of the block that it was read at, in unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The state of an alert for one subject."""

    last: Value
    """The last value."""
    stands: bool
    """Whether the alert stands."""
    since: int
    """When it began or ended last, in unix seconds of the chain; before that, when it was first measured."""
    crossings: int
    """How often the alert has begun for this subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An alert with its state for each subject."""

    alert: Alert
    """The alert."""
    reached: Mapping[str, Reached] = field(default_factory=dict)
    """Its state by subject: a market's id, a token or a wallet."""
