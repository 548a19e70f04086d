"""What happened, one function per meaningful event: a line of key=value on stderr, secrets taken out.

Silent until ``listen`` is called (``-v`` does); structlog is imported there and not before. Nothing is decided here, so
that leaving the log out never changes what the bot does.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, TextIO

from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.model.market import Quarantined, Snapshot
    from yieldbot.model.plan import Declined, Leg, Plan
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome

SHORTEST_SECRET = 6
"""Texts shorter than this are not taken for secrets: they would blank half of every line."""
HIDDEN = "(hidden)"

_log: Any = None


def redacted(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret of at least six characters replaced; longer ones first, as one may hold another."""
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def listen(stream: TextIO, secrets: Iterable[str] = ()) -> None:
    """Write events to ``stream`` from now on."""
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


def _tell(event: str, job: Job, **facts: Any) -> None:
    if _log is not None:
        where = {"wallet": job.wallet.name, "chain": job.chain.name, "asset": job.asset.symbol}
        _log.info(event, **where, **{key: value for key, value in facts.items() if value is not None})


def observed(job: Job, snapshot: Snapshot) -> None:
    """A chain was read: at which block, how many markets."""
    _tell("observed", job, block=snapshot.block.height, markets=len(snapshot.states))


def quarantined(job: Job, bad: Quarantined) -> None:
    """One market could not be read; the others go on."""
    _tell("quarantined", job, market=bad.market.id, reason=bad.reason)


def skipped(job: Job, reason: str) -> None:
    """The chain could not be served in this cycle."""
    _tell("skipped", job, reason=reason)


def held(job: Job, reason: str) -> None:
    """Doing nothing was best."""
    _tell("held", job, reason=reason)


def planned(job: Job, plan: Plan) -> None:
    """A plan was made; its gain is a year's, its cost once, both in whole tokens."""
    facts = {"gain_per_year": round(plan.gain_per_year, 6), "cost": round(plan.cost, 6)}
    _tell("planned", job, plan=plan.id, legs=len(plan.legs), gap_bps=plan.allocation.certificate.gap_bps, **facts)


def rehearsed(job: Job, gas_used: int) -> None:
    """The plan went through on a fork."""
    _tell("rehearsed", job, gas=gas_used)


def declined(job: Job, refusal: Declined) -> None:
    """A rule or a person said no, or the plan was put aside for a person."""
    _tell("declined", job, code=refusal.code, reason=refusal.reason)


def settled(job: Job, outcome: Outcome) -> None:
    """A transaction of an earlier run has its outcome."""
    _tell("settled", job, result=type(outcome).__name__.lower(), hash=outcome.hash)


def ended(job: Job, leg: Leg, outcome: Outcome) -> None:
    """A transaction of this run has its outcome."""
    result = type(outcome).__name__.lower()
    _tell("ended", job, leg=leg.kind.value, market=leg.market_id, result=result, hash=outcome.hash)


def failed(job: Job, error: Exception) -> None:
    """A job ended with an error; the others go on."""
    _tell("failed", job, kind=type(error).__name__, reason=str(error))
