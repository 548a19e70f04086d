"""Telemetry: one function for each kind of event, which writes a line of key=value to stderr, without secrets.

Silent until ``listen`` is called (by ``-v``), which imports structlog. Nothing depends on it: the bot does the same
without telemetry.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from yieldbot.model.text import one_line

TYPE_CHECKING = False  # see yieldbot/__init__.py
if TYPE_CHECKING:
    from typing import Any, TextIO

    from yieldbot.model.market import Quarantined, Snapshot
    from yieldbot.model.plan import Declined, Leg, Plan
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome

SHORTEST_SECRET = 6
"""Shorter texts are not hidden: they would blank out half of every line."""
HIDDEN = "(hidden)"

_log: Any = None


def redacted(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret of at least SHORTEST_SECRET characters replaced, longer ones first."""
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def listen(stream: TextIO, secrets: Iterable[str] = ()) -> None:
    """Write telemetry to ``stream`` from now on."""
    global _log
    import structlog

    hidden = tuple(secrets)

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: one_line(redacted(str(value), hidden)) for key, value in event.items()}

    _log = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            redact,
            structlog.processors.LogfmtRenderer(key_order=["at", "event"]),
        ],
    )


def _emit(event: str, job: Job, **facts: Any) -> None:
    if _log is not None:
        where = {"wallet": job.wallet.name, "chain": job.chain.name, "asset": job.asset.symbol}
        _log.info(event, **where, **{key: value for key, value in facts.items() if value is not None})


def observed(job: Job, snapshot: Snapshot) -> None:
    """A chain was read: at which block, how many markets."""
    _emit("observed", job, block=snapshot.block.height, markets=len(snapshot.states))


def quarantined(job: Job, bad: Quarantined) -> None:
    """One market could not be read; the others go on."""
    _emit("quarantined", job, market=bad.market.id, reason=bad.reason)


def skipped(job: Job, reason: str) -> None:
    """A chain could not be served in this cycle."""
    _emit("skipped", job, reason=reason)


def held(job: Job, reason: str) -> None:
    """The decision was to hold."""
    _emit("held", job, reason=reason)


def planned(job: Job, plan: Plan) -> None:
    """A plan was made. Gain is a year's, cost is one-time, both in whole tokens."""
    facts = {"gain_per_year": round(plan.gain_per_year, 6), "cost": round(plan.cost, 6)}
    _emit("planned", job, plan=plan.id, legs=len(plan.legs), gap_bps=plan.allocation.certificate.gap_bps, **facts)


def rehearsed(job: Job, gas_used: int) -> None:
    """The plan ran on a fork."""
    _emit("rehearsed", job, gas=gas_used)


def declined(job: Job, refusal: Declined) -> None:
    """A rule or a person refused the plan, or it waits for approval."""
    _emit("declined", job, code=refusal.code, reason=refusal.reason)


def settled(job: Job, outcome: Outcome) -> None:
    """A transaction of an earlier run was settled."""
    _emit("settled", job, result=type(outcome).__name__.lower(), hash=outcome.hash)


def ended(job: Job, leg: Leg, outcome: Outcome) -> None:
    """A transaction of this run has its outcome."""
    result = type(outcome).__name__.lower()
    _emit("ended", job, leg=leg.kind.value, market=leg.market_id, result=result, hash=outcome.hash)


def failed(job: Job, error: Exception) -> None:
    """A job ended with an error; the others go on."""
    _emit("failed", job, kind=type(error).__name__, reason=str(error))
