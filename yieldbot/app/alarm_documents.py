"""Parts of documents about alarms: those that stand in one market, and in all of a job's markets."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.model.market import MarketState, Snapshot


class StandingAlarm(Part):
    """An alarm in force."""

    code: str = Field(description="code of the sign (docs/risk.md)")
    act: str = Field(description="`stop`: no new money goes in; `leave`: our holding is taken out too")
    saw: str = Field(description="what was observed, with its numbers")
    since: int = Field(description="when it was first observed, unix seconds")

    @classmethod
    def of(cls, state: MarketState) -> tuple[StandingAlarm, ...]:
        """Every alarm that stands in a market."""
        return tuple(
            StandingAlarm(code=one.code, act=one.act.value, saw=one.saw, since=one.since) for one in state.alarms
        )


class MarketAlarm(StandingAlarm):
    """An alarm in force, and where."""

    market_id: str = Field(description="the market's id")
    market: str = Field(description="its name")

    @classmethod
    def every(cls, snapshot: Snapshot | None) -> tuple[MarketAlarm, ...]:
        """Every alarm that stands in a snapshot's markets."""
        return tuple(
            MarketAlarm(
                market_id=state.market.id,
                market=state.market.name,
                code=one.code,
                act=one.act.value,
                saw=one.saw,
                since=one.since,
            )
            for state in (snapshot.markets if snapshot else ())
            for one in state.alarms
        )
