"""A use case in a process of its own, started by the server: ``python -m yieldbot.app.worker``. One JSON request on
stdin, one JSON answer on stdout, progress on stderr.

So the server answers while a run is in progress, and a run that hangs, crashes or fills memory cannot take the server
down. No job here signs: a worker has no key.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yieldbot.app import telemetry, tracing
from yieldbot.app.context import Context
from yieldbot.config import held, stored_secrets
from yieldbot.errors import ConfigError, SafetyError, YieldbotError
from yieldbot.model.json_text import loads
from yieldbot.resources import keep_memory_private
from yieldbot.rpc import counting

Answer = dict[str, Any]


def newest(context: Context, request: Mapping[str, Any]) -> Answer:
    """Markets, positions, grades, curves, wealth and recent rates at one moment, and forecasts where enough history is
    stored: documents by name."""
    from yieldbot.app.curves import CurvesRequest, curves
    from yieldbot.app.forecast import ForecastRequest, forecast
    from yieldbot.app.market_documents import YieldsDocument
    from yieldbot.app.markets import MarketsRequest, markets
    from yieldbot.app.memory import folder_of
    from yieldbot.app.positions import PositionsRequest, positions
    from yieldbot.app.risk import RiskRequest, risk
    from yieldbot.app.trends import TrendsRequest, trends
    from yieldbot.app.wealth import WealthRequest, wealth

    context.kept = {}
    listed = markets(MarketsRequest(), context).document
    assert isinstance(listed, YieldsDocument)
    found: Answer = {
        "markets": listed.as_json(),
        "positions": positions(PositionsRequest(), context).document.as_json(),
        "risk": risk(RiskRequest(), context).document.as_json(),
        "curves": curves(CurvesRequest(), context).as_json(),
        "wealth": wealth(WealthRequest(), context).as_json(),
        "trends": trends(TrendsRequest(folder=folder_of(context, None))).as_json(),
    }
    try:
        said = forecast(ForecastRequest(history=folder_of(context, None), third_parties=False), context)
        found["forecast"] = said.as_json()
    except ConfigError as few:  # memory is too short yet
        context.say(str(few))
    return found


def plan(context: Context, request: Mapping[str, Any]) -> Answer:
    """The plans that would be made under other assumptions (``what_if``). Nothing is stored."""
    from yieldbot.app.plan import PlanRequest
    from yieldbot.app.plan import plan as decided

    return decided(PlanRequest(jobs=_jobs(request), what_if=_what_if(request)), context).document.as_json()


def queue(context: Context, request: Mapping[str, Any]) -> Answer:
    """One cycle whose plan is rehearsed and then waits for a person's approval; the worker has no key to sign with.
    ``by``: who asks; ``run``: the run's id."""
    from yieldbot.app.run import RunRequest, queued

    context.run_id = request.get("run", "")
    settles = not request.get("signer")  # it settles what it has sent
    return queued(RunRequest(jobs=_jobs(request)), context, settles=settles).document.as_json()


def claim(context: Context, request: Mapping[str, Any]) -> Answer:
    """As ``queue``, for claims of rewards only."""
    from yieldbot.app.claims import queued_claims
    from yieldbot.app.run import RunRequest

    settles = not request.get("signer")
    return queued_claims(RunRequest(jobs=_jobs(request)), context, settles=settles).document.as_json()


def exit_(context: Context, request: Mapping[str, Any]) -> Answer:
    """Order to leave ``market``; the plan is rehearsed and waits for a person. ``by``: who ordered it."""
    from yieldbot.app.exit import ExitRequest, queued

    asked = ExitRequest(market=request["market"], jobs=_jobs(request), by=request["by"])
    return queued(asked, context, settles=not request.get("signer")).document.as_json()


def settle(context: Context, request: Mapping[str, Any]) -> Answer:
    """Record the outcomes of open transactions: how many, why others stay open, and which accounts could not be
    read."""
    from dataclasses import asdict

    from yieldbot.app.settle import settle as settled

    return asdict(settled(context))


def watch(context: Context, request: Mapping[str, Any]) -> Answer:
    """A look at who controls the contracts that our markets depend on; changes are put into the inbox of notices."""
    from yieldbot.app.watch import WatchRequest
    from yieldbot.app.watch import watch as looked

    return looked(WatchRequest(jobs=_jobs(request)), context)[0].as_json()


def quote(context: Context, request: Mapping[str, Any]) -> Answer:
    """What a swap would bring now: ``given``, ``wanted``, ``amount`` or ``out``, ``chain``. No aggregator is asked."""
    from yieldbot.app.quotes import QuoteRequest
    from yieldbot.app.quotes import quote as quoted

    asked = QuoteRequest(
        given=request["given"],
        wanted=request["wanted"],
        amount=request.get("amount"),
        out=request.get("out"),
        chain=request.get("chain"),
    )
    return quoted(asked, context).document.as_json()


def rehearse(context: Context, request: Mapping[str, Any]) -> Answer:
    """A cycle that ends after the rehearsal on a fork; no plan is stored. ``by``: the name of the caller's key."""
    from yieldbot.app.run import DryRunRequest, dry_run

    settles = not request.get("signer")
    return dry_run(DryRunRequest(jobs=_jobs(request)), context, settles=settles).document.as_json()


def decode(context: Context, request: Mapping[str, Any]) -> Answer:
    """A call, transaction or message in words: ``chain``, ``data``, ``contract``, ``value``, or ``message``. No node is
    asked."""
    from yieldbot.app.decode import PIPED, DecodeRequest
    from yieldbot.app.decode import decode as decoded

    message = request.get("message")
    asked = DecodeRequest(
        data=None if message is not None else PIPED,
        typed=None if message is None else PIPED,
        piped=lambda most: str(message if message is not None else request["data"]),
        to=request.get("contract"),
        chain=request.get("chain"),
        value=int(request.get("value") or 0),
    )
    return decoded(asked, context).document.as_json()


def export(context: Context, request: Mapping[str, Any]) -> Answer:
    """The transactions of accounts with their values: ``jobs``, ``format``, ``from``, ``to``, ``offline``."""
    from yieldbot.app.export import ExportRequest
    from yieldbot.app.export import export as exported

    asked = ExportRequest(
        jobs=_jobs(request),
        format=request["format"],
        first_day=request.get("from"),
        last_day=request.get("to"),
        offline=bool(request.get("offline")),
    )
    return exported(asked, context).as_json()


JOBS: Mapping[str, Callable[[Context, Mapping[str, Any]], Answer]] = {
    "claim": claim,
    "decode": decode,
    "exit": exit_,
    "newest": newest,
    "plan": plan,
    "queue": queue,
    "quote": quote,
    "rehearse": rehearse,
    "export": export,
    "settle": settle,
    "watch": watch,
}
"""The jobs that a worker runs, by name."""


def main() -> int:
    """Read the request, run its job, write the answer: the document, or an error with kind, code and message. Returns
    the exit code."""
    keep_memory_private()
    asked = loads(sys.stdin.read())
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints belongs to progress
    held.hold(asked.get("texts") or {})
    stored_secrets.take(asked.get("keys") or [])
    context = Context(Path(asked["config"]))
    context.log_as(os.environ.get(telemetry.VARIABLE) or telemetry.TEXT)
    telemetry.begin(asked.get("id", ""))
    context.asked_by = (asked.get("request") or {}).get("by", "schedule")
    try:
        tracing.start("yieldbot-worker", context.complain)
        with tracing.continued(asked.get("trace") or {}), telemetry.span(asked["job"]):
            answer: Answer = {"answer": JOBS[asked["job"]](context, asked.get("request") or {})}
    except YieldbotError as failure:
        code = failure.code if isinstance(failure, SafetyError) else None
        message = context.redacted(str(failure))
        answer = {"problem": {"kind": type(failure).__name__, "code": code, "message": message}}
    answer["rpc"] = counting.taken()
    with out:
        json.dump(answer, out, allow_nan=False)
    tracing.end()
    return 0


def _jobs(request: Mapping[str, Any]) -> Any:
    from yieldbot.app.wiring import JobFilter

    return JobFilter(**(request.get("jobs") or {}))


def _what_if(request: Mapping[str, Any]) -> Any:
    from yieldbot.app.whatif import WhatIf

    asked = dict(request.get("what_if") or {})
    return WhatIf(**(asked | {"exclude": tuple(asked.get("exclude") or ())}))


if __name__ == "__main__":
    sys.exit(main())
