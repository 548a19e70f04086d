"""Telemetry: one function for each kind of event, which writes a line to stderr, without secrets: key=value with
``-v``, or a JSON object with ``--log-format json``, where progress and errors are such objects too.

Every line carries the id of what is in progress: a request, a scheduled job, or a command. A run takes that id as its
own, so that it leads from the request over the run to its plan and transactions. Silent until ``listen`` is called,
which imports structlog. Nothing depends on it: the bot does the same without telemetry.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar

from yieldbot.model.json_text import loads
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
TEXT, JSON = FORMATS = ("text", "json")
"""Formats of log lines."""
VARIABLE = "YIELDBOT_LOG_FORMAT"
"""Environment variable with the format, for workers and where no flag gives it."""
MOST_RUNS = 10_000
"""Most ids of runs that are kept in memory."""
LONGEST_VALUE = 4_000
"""Most characters of a value in a JSON line."""

_log: Any = None
_format = TEXT
_stream: TextIO | None = None
_id: ContextVar[str] = ContextVar("id", default="")
_runs: set[str] = set()
_origin: ContextVar[str] = ContextVar("origin", default="")
_span: Callable[[str, dict[str, Any]], AbstractContextManager[None]] | None = None
_happened: Callable[[str, dict[str, Any]], None] | None = None


def begin(id: str = "") -> str:
    """Set the correlation id of all lines from now on, in this task or thread and those it starts; without ``id`` a new
    one, 16 random hexadecimal digits. Returns it."""
    id = id or os.urandom(8).hex()
    _id.set(id)
    _origin.set("")
    return id


def for_run() -> str:
    """The id for a new run. The first run of a request, scheduled job or command takes its correlation id, so that
    their lines are found together; each further run gets a new one."""
    id = current()
    if not id or id in _runs:
        id = begin()
    if len(_runs) >= MOST_RUNS:
        _runs.clear()
    _runs.add(id)
    return id


def current() -> str:
    """The correlation id in force; empty: none was set."""
    return _id.get()


def follows(id: str) -> None:
    """Add to each line from now on, as ``origin``, the id of the run that made the plan being carried out; empty: add
    none."""
    _origin.set(id)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret of at least SHORTEST_SECRET characters replaced, longer ones first."""
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def listen(stream: TextIO, secrets: Callable[[], Iterable[str]] = tuple, form: str = TEXT) -> None:
    """Write telemetry to ``stream`` from now on, as key=value (TEXT) or as JSON objects. secrets: returns the texts
    that must not appear in a line."""
    global _log, _format, _stream
    import structlog

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        hidden = tuple(secrets()) if any(isinstance(value, str) for value in event.values()) else ()
        shown = {key: _shown(value, hidden, form) for key, value in event.items()}
        return {key: shown[key] for key in ("at", "level", "event") if key in shown} | shown

    render: Any = structlog.processors.LogfmtRenderer(key_order=["at", "event"])
    if form == JSON:
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    _format, _stream = form, stream
    _log = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"), redact, render],
    )
    if form == JSON:
        _take_libraries()


def silent() -> None:
    """Stop writing."""
    global _log, _format, _stream
    _log, _format, _stream = None, TEXT, None


def environment() -> dict[str, str]:
    """Environment variables for a process that we start, so that it writes in the same format."""
    return {VARIABLE: _format} if _format != TEXT else {}


def is_json() -> bool:
    """Whether every line is written as a JSON object."""
    return _format == JSON


def as_line(message: str, level: str) -> bool:
    """Write a line of progress as a JSON object if that is the format; returns False if it is not and the caller must
    print the line. level: ``debug``, ``info`` or ``error``."""
    if _format != JSON:
        return False
    _write("line", {"level": level, "message": message})
    return True


def passed_on(line: str) -> bool:
    """Write a child process's line unchanged if it is one of this module's JSON objects and that is the format; returns
    False if it is not and the caller must print the line."""
    if _format != JSON or _stream is None or not line.startswith("{"):
        return False

    try:
        found = loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or not {"at", "event"} <= found.keys():
        return False
    with suppress(OSError, ValueError):
        print(one_line(line), file=_stream, flush=True)
    return True


def span(name: str, **facts: Any) -> AbstractContextManager[None]:
    """Context manager around a piece of work, which ``app/tracing.py`` times and reports where that is switched on."""
    return nullcontext() if _span is None else _span(name, facts)


def trace_by(
    around: Callable[[str, dict[str, Any]], AbstractContextManager[None]] | None,
    happened: Callable[[str, dict[str, Any]], None] | None = None,
) -> None:
    """Report traces from now on. around: returns the context manager that ``span`` enters; happened: called with each
    event and its facts. None: stop."""
    global _span, _happened
    _span, _happened = around, happened


def _shown(value: Any, hidden: tuple[str, ...], form: str) -> Any:
    """A value as it is written: text on one line and without secrets; numbers stay numbers in JSON."""
    if form == JSON and isinstance(value, int | float | None) and (value is None or math.isfinite(value)):
        return value
    text = one_line(redacted(str(value), hidden))
    return text if form == TEXT else text[:LONGEST_VALUE]


def _take_libraries() -> None:
    """Write what libraries log, and Python's warnings, as such lines too."""
    import logging

    class Taken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            facts = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
            error = record.exc_info[1] if record.exc_info else None
            if error is not None and type(error).__name__ == "CancelledError":
                return  # what was under way was ended, as at SIGTERM
            if error is not None:
                facts["error"] = f"{type(error).__name__}{_place(error)}"
            _write("library", facts)

    logging.captureWarnings(True)
    logging.getLogger().handlers[:] = [Taken(logging.WARNING)]


def _place(error: BaseException) -> str:
    """Where an error was raised, in words; empty: not known."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


def _write(event: str, facts: dict[str, Any]) -> None:
    if _format == JSON:
        ids = {"id": _id.get(), "origin": _origin.get()}
        facts = {name: id for name, id in ids.items() if id} | facts
    if _log is not None:
        with suppress(OSError, ValueError):  # a closed stderr must not stop what is under way
            _log.info(event, **facts)


def _emit(event: str, job: Job, **facts: Any) -> None:
    if _log is None and _span is None:
        return
    where = {"wallet": job.wallet.name, "chain": job.chain.name, "asset": job.asset.symbol}
    known = {key: value for key, value in facts.items() if value is not None}
    if _happened is not None:
        _happened(event, where | known)
    level = {"level": "info"} if _format == JSON else {}
    _write(event, level | where | known)


def answered(route: str, method: str, status: int, seconds: float, caller: str) -> None:
    """A request over HTTP was answered. route: the path's template in the OpenAPI description, without the caller's
    values; seconds: the time it took; caller: the key's name, empty for none. Written as JSON alone."""
    if _format == JSON:
        facts = {"route": route, "method": method, "status": status, "seconds": round(seconds, 4), "caller": caller}
        _write("answered", {"level": "info"} | facts)


def observed(job: Job, snapshot: Snapshot) -> None:
    """A chain was read: at which block, how many markets."""
    _emit("observed", job, block=snapshot.block.height, markets=len(snapshot.states))


def quarantined(job: Job, bad: Quarantined) -> None:
    """One market could not be read; the others could."""
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
    """A job ended with an error; the others continue."""
    _emit("failed", job, kind=type(error).__name__, reason=str(error))
