"""``risk``: each market's safety grade, the reasons, and how good its yield is for that safety. Nothing is signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app import overview
from yieldbot.app.alarm_documents import StandingAlarm
from yieldbot.app.exposure_documents import ExposureShare, over_all
from yieldbot.app.graded import facts_of
from yieldbot.app.markets import check_grade
from yieldbot.app.parts import JobHead
from yieldbot.app.risk_documents import (
    EvidenceNumber,
    GradeSide,
    JobRisk,
    MarketRisk,
    RiskDocument,
)
from yieldbot.app.wiring import JobFilter
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.names import named, of_table
from yieldbot.model.spelling import did_you_mean
from yieldbot.risk.scales import scales
from yieldbot.risk.yields import Signal, graded_yields

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import MarketState, Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.risk import Evidence
    from yieldbot.risk.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRequest:
    """Which markets to grade."""

    market: str = ""
    """A market's name as in the policy's lists, or a part of its id or name; empty: all markets."""
    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets are graded."""
    min_safety: int | None = None
    """Only markets of this grade or better; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAnswer:
    """Every market with its grades."""

    document: RiskDocument
    """The document that every interface shows."""
    exit_code: int
    """1 where a chain could not be served, else 0."""


def risk(request: RiskRequest, context: Context) -> RiskAnswer:
    """Observe every chain and grade its markets. Raises ConfigError for a name that no market has, and for an invalid
    grade."""
    check_grade(request.min_safety)
    observed = overview.observe(request.jobs, context)
    rows: list[JobRisk | JobHead] = []
    seen: list[str] = []
    views = [snapshot for _, snapshot in observed if not isinstance(snapshot, str)]
    exact = request.market in {state.market.name for view in views for state in view.markets}
    for job, snapshot in observed:
        if isinstance(snapshot, str):
            rows.append(JobHead(**JobHead.fields_of(job, None, snapshot)))
            continue
        facts = facts_of(snapshot, context.settings.data_dir, context.complain)
        for one, part in overview.by_asset(job, snapshot):
            markets = _graded(part, facts, context.settings.policy)
            seen += [row.name for row in markets]
            wanted = [row for row in markets if _asked(row, part.states.get(row.id), request, exact)]  # type: ignore[call-overload]
            rests = ExposureShare.of(part, one)
            rows.append(JobRisk(**JobHead.fields_of(one, part), markets=tuple(wanted), exposures=rests))
    if request.market and seen and not any(isinstance(row, JobRisk) and row.markets for row in rows):
        raise ConfigError(f"no market is called {request.market!r}: {did_you_mean(request.market, sorted(seen))}")
    return RiskAnswer(
        document=RiskDocument(jobs=tuple(rows), exposures=over_all(observed)), exit_code=overview.exit_code(observed)
    )


def _asked(row: MarketRisk, state: MarketState | None, request: RiskRequest, exact: bool) -> bool:
    """Whether the request includes a market. exact: some market has exactly the requested name, so that parts of names
    do not match."""
    if request.min_safety is not None and row.safety < request.min_safety:
        return False
    if exact:
        return row.name == request.market
    low = request.market.lower()
    meant = state is not None and named(state.market, (request.market,))
    return not low or meant or low in row.id.lower() or low in row.name.lower()


def _graded(snapshot: Snapshot, facts: Mapping[MarketId, Facts], policy: Policy) -> list[MarketRisk]:
    """The markets of one asset, the safest first."""
    statistics = {key: one.statistics for key, one in facts.items()}
    yields = graded_yields(tuple(snapshot.states.values()), statistics, scales(), policy.min_safety)
    rows = []
    for key, said in yields.items():
        state = snapshot.states[key]
        assert state.grade is not None
        rows.append(
            MarketRisk(
                id=key,
                name=state.market.name,
                protocol=state.market.protocol,
                asset=state.market.asset.symbol,
                safety=state.grade.safety,
                letter=state.grade.letter,
                limits=state.grade.limits,
                loss_bps=state.grade.loss_bps,
                loss_low_bps=state.grade.loss_low_bps,
                loss_high_bps=state.grade.loss_high_bps,
                quoted=state.quoted.value,
                short_mean=said.short.mean,
                short=said.grade.short,
                long_mean=said.long.mean,
                long=said.grade.long,
                signal=said.grade.signal.value,
                advice=_advice(said.grade.signal, state),
                haircut_bps=of_table(policy.haircut_bps, state.market, None),
                reason=said.grade.reason,
                alarms=tuple(
                    StandingAlarm(code=one.code, act=one.act.value, saw=one.saw, since=one.since)
                    for one in state.alarms
                ),
                components=tuple(
                    GradeSide(
                        name=one.name,
                        score=one.score,
                        weight=one.weight,
                        evidence=tuple(_evidence(found) for found in one.evidence),
                        missing=one.missing,
                    )
                    for one in state.grade.components
                ),
            )
        )
    return sorted(rows, key=lambda row: (-row.safety, -row.short_mean, row.id))


def _advice(signal: Signal, state: MarketState) -> str:
    """A signal for our own money: nothing can leave a market that we do not hold, and nothing enters a full one."""
    if signal is Signal.ENTER:
        full = state.capacity is not None and not state.capacity.raw
        return "full" if full or "at-cap" in state.flags else signal.value
    return signal.value if state.held.raw else {Signal.HOLD: "wait", Signal.LEAVE: "stay out"}[signal]


def _evidence(found: Evidence) -> EvidenceNumber:
    return EvidenceNumber(what=found.what, value=found.value, source=found.source, block=found.block)
