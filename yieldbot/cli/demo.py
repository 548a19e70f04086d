"""``yieldbot demo``: the main job, end to end, on a sandbox: from nothing to positions that have earned for 30 days."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.cli.wiring import confirmed, world_of
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from yieldbot.cli.context import Context
    from yieldbot.cycle import Report, World
    from yieldbot.execution.approve import Approver, Proposal
    from yieldbot.forecast import Position
    from yieldbot.journal.store import Journal
    from yieldbot.model.market import Snapshot
    from yieldbot.sandbox.node import Sandbox

WIDTH = 140


def register(commands: Any) -> None:
    what = "the whole job on a local market of real protocols: plan, rehearse, approve, sign, send, earn for 30 days"
    parser = commands.add_parser("demo", help=what, description=what)
    parser.add_argument("--ask", action="store_true", help="ask before signing (else the sandbox's policy approves)")
    parser.add_argument("--days", type=float, default=30.0, metavar="DAYS", help="how long to let it earn (default 30)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="keep the sandbox's files here")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a picture of the tables")
    parser.set_defaults(command="demo", handler=demo)


def demo(args: argparse.Namespace, context: Context) -> int:
    import tempfile
    from contextlib import ExitStack

    from yieldbot.sandbox import running_sandbox

    if not 0 < args.days <= 3650:
        raise ConfigError(f"--days {args.days:g}: name a number above 0, up to 3650")
    began = time.monotonic()

    def say(line: str) -> None:
        context.say(f"[{time.monotonic() - began:5.1f} s] {line}")

    with ExitStack() as stack:
        directory = args.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yieldbot-demo-")))
        say("starting a local market of real protocols")
        sandbox = stack.enter_context(running_sandbox(directory, say))
        say(f"{sandbox.transactions} transactions deployed and populated it")
        context.use(sandbox.config)
        world = stack.enter_context(world_of(context, lambda journal: _approver(args, context, journal), say=say))
        report, later, held = _work(world, sandbox, args.days, say)
        say("done")
        return _show(args, context, report, later, held)


def _approver(args: argparse.Namespace, context: Context, journal: Journal) -> Approver:
    from yieldbot.cli.run import show_proposal
    from yieldbot.execution.approve import Ask, Auto

    async def ask(proposal: Proposal) -> bool:
        show_proposal(context, proposal)
        return confirmed("Sign and send these?")

    return Ask(journal, ask) if args.ask else Auto(journal, context.settings.policy)


def _work(world: World, sandbox: Sandbox, days: float, say: Any) -> tuple[Report, Snapshot, tuple[Position, ...]]:
    """One cycle, then time passes, then another look."""
    import asyncio

    from yieldbot import cycle, forecast

    (job,) = world.settings.jobs
    report = asyncio.run(cycle.run_job(world, job))
    if report.skipped is not None:
        raise YieldbotError(f"the sandbox could not be served: {report.skipped}")
    say(f"letting {days:g} days pass")
    sandbox.warp(days)
    later = asyncio.run(cycle.look(world, job))
    return report, later, forecast.positions(world.journal, later)


def _show(
    args: argparse.Namespace, context: Context, report: Report, later: Snapshot, held: tuple[Position, ...]
) -> int:
    from yieldbot.cli import documents as docs
    from yieldbot.cli import reports

    horizon = context.settings.policy.horizon_days * 86_400
    document = docs.document(
        "demo",
        days=args.days,
        **reports.report(report, horizon),
        markets=_markets(report, horizon),
        later={"block": docs.block(later.block), **reports.positions(later, held, horizon)},
    )
    context.show(document)
    if args.svg is not None or not context.json:
        console = context.console(record=args.svg is not None, quiet=context.json, width=WIDTH if args.svg else None)
        _print(console, report, later, held, horizon)
        if args.svg is not None:
            _picture(console, args.svg)
            context.say(f"picture in {args.svg}")
    return reports.exit_code(report)


def _markets(report: Report, horizon: float) -> Any:
    from yieldbot.cli import documents as docs

    found, decision = report.snapshot, report.decision
    if found is None or decision is None:
        return None
    return docs.markets(found, decision.assessments, decision.allocation, report.job, horizon)["markets"]


def _print(console: Console, report: Report, later: Snapshot, held: tuple[Position, ...], horizon: float) -> None:
    from yieldbot.cli import render

    if report.snapshot and report.decision:
        decision = report.decision
        console.print(render.markets(report.job, report.snapshot, decision.assessments, decision.allocation, horizon))
    for part in render.report(report):
        console.print(part)
    console.print(render.positions(report.job, later, held, horizon))


def _picture(console: Console, file: Path) -> None:
    try:
        console.save_svg(str(file), title="yieldbot demo")
    except OSError as failure:
        raise ConfigError(f"--svg {file}: cannot be written ({failure.strerror})") from None
