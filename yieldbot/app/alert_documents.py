"""The documents of ``alert``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.alert_rules import condition
from yieldbot.app.document import Document, Part
from yieldbot.model.alerts import Kept


class AlertValue(Part):
    """The last value that an alert measured for one market, token or wallet."""

    name: str = Field(description="the subject's name")
    value: float = Field(description="the last value, in the measure's unit")
    at: int = Field(description="the time of the block that it was read at, in unix seconds")
    stands: bool = Field(description="whether the alert has begun for it and is not over")
    since: int = Field(description="since when `stands` is as it is, in unix seconds")


class AlertRow(Part):
    """An alert with its state."""

    id: str = Field(description="its id")
    measure: str = Field(description="rate, price, depeg, utilisation, grade or wealth")
    subject: str = Field(description="the market's name, the token's symbol, or the wallet's name")
    chain: str | None = Field(description="only subjects on the chain of this name; null: on every chain")
    asset: str | None = Field(description="the asset that wealth is counted in; null: all, in US dollars")
    above: bool = Field(description="true: it begins above the threshold; false: below")
    threshold: float = Field(description="a fraction, US dollars, whole tokens, or a grade from 0 to 100")
    hysteresis: float = Field(description="how far the value must come back before the alert ends")
    condition: str = Field(description="the condition as text")
    severity: str = Field(description="info, warning or critical")
    accounts: tuple[str, ...] | None = Field(
        description="the only accounts whose markets, tokens and wallets it measures; null: all"
    )
    made_by: str = Field(description="who made it")
    made_at: int = Field(description="when it was made, in unix seconds")
    stands: bool = Field(description="whether it has begun for any subject and is not over")
    values: tuple[AlertValue, ...] = Field(description="the last value of each subject; empty: none was read yet")

    @classmethod
    def of(cls, kept: Kept) -> AlertRow:
        """The part for an alert."""
        alert, reached = kept.alert, sorted(kept.reached.values(), key=lambda one: (not one.stands, one.last.name))
        return cls(
            id=alert.id,
            measure=alert.measure.value,
            subject=alert.subject,
            chain=alert.chain,
            asset=alert.asset,
            above=alert.above,
            threshold=alert.threshold,
            hysteresis=alert.hysteresis,
            condition=condition(alert),
            severity=alert.severity.value,
            accounts=None if alert.accounts is None else tuple(sorted(alert.accounts)),
            made_by=alert.made_by,
            made_at=alert.made_at,
            stands=any(one.stands for one in reached),
            values=tuple(
                AlertValue(name=one.last.name, value=one.last.value, at=one.last.at, stands=one.stands, since=one.since)
                for one in reached
            ),
        )


class AlertDocument(Document):
    """One alert."""

    SCHEMA: ClassVar[str] = "alert"

    alert: AlertRow = Field(description="the alert")


class AlertsDocument(Document):
    """Every alert, the oldest first."""

    SCHEMA: ClassVar[str] = "alerts"

    alerts: tuple[AlertRow, ...] = Field(description="the alerts")


class RemovedAlertDocument(Document):
    """An alert that was removed."""

    SCHEMA: ClassVar[str] = "alert-remove"

    id: str = Field(description="its id")
