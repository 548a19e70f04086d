"""``yieldbot demo``: the main job, end to end, on a sandbox: from nothing to positions that have earned for 30 days.

On an EVM chain and on Solana, one after the other, so that what is shown can be followed; `yieldbot run` serves chains
beside each other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.allocator.across import across
from yieldbot.app import cycle
from yieldbot.app import documents as docs
from yieldbot.app import reports as cycles
from yieldbot.app.market_documents import markets_of
from yieldbot.app.position_documents import Holdings
from yieldbot.app.sandbox import DIRECTORY, no_real_folder
from yieldbot.app.wiring import world_of
from yieldbot.cli import listings, render
from yieldbot.cli.flags import decimal
from yieldbot.cli.prompts import confirmed
from yieldbot.cli.run import show_proposal
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.execution.approvals import Ask, Auto
from yieldbot.history import recorded
from yieldbot.sandbox.local import Local

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from yieldbot.app.cycle import Report
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.execution.approvals import Approver, Proposal
    from yieldbot.execution.world import World
    from yieldbot.history.holdings import Position
    from yieldbot.journal.store import Journal
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy, Settings

    Seen = tuple[Report, Snapshot, tuple[Position, ...]]

WIDTH = 140
_STAGES = {"observing": "observe and plan", "rehearsing": "rehearse", "leg": "sign, send, confirm", "letting": "earn"}
"""The stage that a progress line begins, by its first word."""


class Stages:
    """Progress lines with the seconds since the start, and how long each stage took."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._began = self._turned = time.monotonic()
        self._stage = "sandbox"
        self.seconds: dict[str, float] = {}

    def say(self, line: str) -> None:
        if (stage := _STAGES.get(line.split(" ", 1)[0])) is not None:
            self._turn(stage)
        self._show(f"[{time.monotonic() - self._began:5.1f} s] {line}")

    def end(self) -> None:
        """Close the last stage and say what each took."""
        self._turn("")
        self.seconds["total"] = self._turned - self._began
        self._show("; ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self.seconds.items()))

    def _turn(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._turned
        self._stage, self._turned = stage, now


def register(listed: Listed) -> None:
    parser = listed.add_parser("demo")
    chains = "real EVM protocols on anvil, doubles of Solana programs in LiteSVM, or both (default)"
    parser.add_argument("--chain", choices=("evm", "solana", "both"), default="both", help=chains)
    parser.add_argument("--ask", action="store_true", help="ask before signing (else the sandbox's policy approves)")
    parser.add_argument("--days", type=decimal, default=30.0, metavar="DAYS", help="to let it earn (default 30)")
    parser.add_argument("--dir", type=Path, default=DIRECTORY, metavar="DIR", help=f"the sandbox, default {DIRECTORY}")
    parser.add_argument("--keep", action="store_true", help="leave the sandbox running, to go on trying things")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a picture of the tables")
    parser.set_defaults(command="demo", handler=demo)


def demo(args: argparse.Namespace, context: Screen) -> int:
    if not 0 < args.days <= 3650:
        raise ConfigError(f"--days {args.days:g}: name a number above 0, up to 3650")
    no_real_folder(args.dir)
    stages = Stages(context.say)
    with ExitStack() as stack:
        if Local.down(args.dir):
            stages.say(f"the sandbox that ran from {args.dir} is replaced")
        market = Local.up(args.dir, args.chain, stages.say, temporary=not args.keep)
        if not args.keep:
            stack.callback(market.stop)
        context.use(market.config)
        world = stack.enter_context(
            world_of(context, lambda journal: _approver(args, context, journal), say=stages.say)
        )
        seen = _work(world, market.warp, args.days, stages.say)
        stages.end()
        code = _show(args, context, seen, stages.seconds)
    if args.keep:
        context.say(f"still running: yieldbot --config {market.config} positions")
        context.say(f"end it: yieldbot sandbox down --dir {args.dir}")
    return code


def _approver(args: argparse.Namespace, context: Screen, journal: Journal) -> Approver:
    async def ask(proposal: Proposal) -> bool:
        show_proposal(context, proposal)
        return confirmed("Sign and send these?")

    return Ask(journal, ask) if args.ask else Auto(journal, context.settings.policy)


def _work(world: World, warp: Callable[[float], None], days: float, say: Callable[[str], None]) -> list[Seen]:
    """One cycle of each job, then time passes, then another look."""
    reported = []
    for job in world.settings.jobs:
        report = asyncio.run(cycle.run_job(world, job))
        if report.skipped is not None:
            raise YieldbotError(f"the sandbox could not be served: {report.skipped}")
        reported.append(report)
    say(f"letting {days:g} days pass")
    warp(days)
    seen: list[Seen] = []
    for report in reported:
        later = asyncio.run(cycle.look(world, report.job))
        seen.append((report, later, recorded.positions(world.journal, later)))
    return seen


def _show(args: argparse.Namespace, context: Screen, seen: list[Seen], seconds: dict[str, float]) -> int:
    policy = context.settings.policy
    horizon = policy.horizon_days * 86_400
    document = docs.document(
        "demo",
        days=args.days,
        config=str(context.config),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        jobs=[
            {
                **cycles.report(report, horizon).model_dump(mode="json"),
                "markets": _markets(report, horizon, policy),
                "later": {"block": docs.block(later.block), **_later(later, held, horizon, policy)},
            }
            for report, later, held in seen
        ],
    )
    context.show(document)
    if args.svg is not None or not context.json:
        console = context.console(record=args.svg is not None, quiet=context.json, width=WIDTH if args.svg else None)
        _print(console, seen, context.settings, horizon)
        if args.svg is not None:
            _picture(console, args.svg)
            context.say(f"picture in {args.svg}")
    return cycles.worst([cycles.exit_code(report) for report, _, _ in seen])


def _later(later: Snapshot, held: tuple[Position, ...], horizon: float, policy: Policy) -> dict[str, Any]:
    return Holdings.of(later, held, horizon, policy).model_dump(mode="json")


def _markets(report: Report, horizon: float, policy: Policy) -> Any:
    found, decision = report.snapshot, report.decision
    if found is None or decision is None:
        return None
    wealth = docs.wealth_of(found, report.job)
    rows = markets_of(found, decision.assessments, decision.allocation, wealth, horizon, policy)
    return [one.model_dump(mode="json") for one in rows]


def _print(console: Console, seen: list[Seen], settings: Settings, horizon: float) -> None:
    listed = [
        listings.Listed(report.job, report.snapshot, report.decision.assessments, report.decision.allocation)
        for report, _, _ in seen
        if report.snapshot and report.decision
    ]
    if listed:
        console.print(listings.markets(listed, horizon, settings.policy))
    for report, _, _ in seen:
        for part in render.report(report):
            console.print(part)
    held = [(report.job, later, held) for report, later, held in seen]
    console.print(listings.positions(held, horizon, settings.policy))
    chains = {report.job.chain.chain: report.job.chain.name for report, _, _ in seen}
    if between := across([later for _, later, _ in seen], settings.policy):
        console.print(listings.bridging(between, chains))


def _picture(console: Console, file: Path) -> None:
    try:
        console.save_svg(str(file), title="yieldbot demo")
    except OSError as failure:
        raise ConfigError(f"--svg {file}: cannot be written ({failure.strerror})") from None
