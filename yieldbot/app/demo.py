"""``demo``: the main job from end to end on a sandbox, from idle tokens to positions that have earned.

The chains run one after another, so that the output can be followed; a real run serves them concurrently.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import cycle, job_reports
from yieldbot.app.demo_documents import DemoDocument, DemoJob, LaterHoldings
from yieldbot.app.market_documents import Market, markets_of
from yieldbot.app.parts import Block
from yieldbot.app.position_documents import Holdings
from yieldbot.app.sandbox import DIRECTORY, no_real_folder, not_running, starting
from yieldbot.app.wiring import world_of
from yieldbot.app.yields import wealth_of
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.execution.approvals import Ask, Auto
from yieldbot.history import recorded
from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox.local import Local

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.cycle import Report
    from yieldbot.execution.approvals import Approver, Proposal
    from yieldbot.execution.world import Wiring
    from yieldbot.history.holdings import MeasuredPosition
    from yieldbot.journal.store import Journal
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy

    JobResult = tuple[Report, Snapshot, tuple[MeasuredPosition, ...]]

MOST_DAYS = 3650
_STAGES = {"observing": "observe and plan", "rehearsing": "rehearse", "leg": "sign, send, confirm", "letting": "earn"}
"""The stage that begins with a progress line, by the line's first word."""


class Stages:
    """Prints progress lines with the seconds since the start, and measures each stage."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._began = self._turned = time.monotonic()
        self._stage = "sandbox"
        self.seconds: dict[str, float] = {}

    def say(self, line: str) -> None:
        if (stage := _STAGES.get(line.split(" ", 1)[0])) is not None:
            self._turn(stage)
        self._show(f"[{time.monotonic() - self._began:z5.1f} s] {line}")

    def end(self) -> None:
        """End the last stage and print how long each took."""
        self._turn("")
        self.seconds["total"] = self._turned - self._began
        self._show("; ".join(f"{stage} {seconds:z.1f} s" for stage, seconds in self.seconds.items()))

    def _turn(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._turned
        self._stage, self._turned = stage, now


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """Run the demo."""

    chain: str = "both"
    """Which chains: ``evm``, ``solana`` or ``both``."""
    days: float = 30.0
    """How many days pass after the cycle."""
    directory: Path = DIRECTORY
    """The sandbox's folder."""
    keep: bool = False
    """Whether the sandbox is left running afterwards."""
    ask: Callable[[Proposal], Awaitable[bool]] | None = None
    """Shows a plan to a person and asks whether to sign it; None: the sandbox's policy approves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAnswer:
    """What the demo's jobs did, and what they held some days later."""

    document: DemoDocument
    """For ``--json``."""
    results: tuple[JobResult, ...]
    """For each job its cycle, and its markets and holdings some days later."""
    exit_code: int
    """The most serious exit code of the jobs."""


def demo(request: DemoRequest, context: Context) -> DemoAnswer:
    """Starts a sandbox, runs one cycle of each job, lets days pass and observes again. Afterwards the context uses the
    sandbox's configuration. Raises ConfigError for a folder with another configuration in it or a running sandbox."""
    if not 0 < request.days <= MOST_DAYS:
        raise ConfigError(f"--days {request.days:g}: name a number above 0, up to {MOST_DAYS}")
    no_real_folder(request.directory)
    not_running(request.directory)
    stages = Stages(context.say)

    def approver(journal: Journal) -> Approver:
        return Auto(journal, context.settings.policy) if request.ask is None else Ask(journal, request.ask)

    with ExitStack() as stack:
        with starting(stages.say, request.directory, request.chain):
            market = Local.up(request.directory, request.chain, stages.say, temporary=not request.keep)
        if not request.keep:
            stack.callback(market.stop)
        context.use(market.config)
        world = stack.enter_context(world_of(context, approver, say=stages.say))
        results = _work(world, market.warp, request.days, stages.say)
        stages.end()
    policy = context.settings.policy
    document = DemoDocument(
        days=request.days,
        config=str(context.config),
        seconds={stage: round(value, 3) for stage, value in stages.seconds.items()},
        jobs=tuple(_job(report, later, held, policy) for report, later, held in results),
    )
    exit_code = job_reports.worst([job_reports.exit_code(report) for report, _, _ in results])
    return DemoAnswer(document=document, results=tuple(results), exit_code=exit_code)


def _work(world: Wiring, warp: Callable[[float], None], days: float, say: Callable[[str], None]) -> list[JobResult]:
    """Run one cycle of each job, let time pass, and observe again."""
    reported = []
    for job in world.settings.jobs:
        report = asyncio.run(cycle.run_job(world, job))
        if report.skipped is not None:
            raise YieldbotError(f"the sandbox could not be served: {report.skipped}")
        reported.append(report)
    say(f"letting {days:g} days pass")
    warp(days)
    results: list[JobResult] = []
    for report in reported:
        later = asyncio.run(cycle.observe_job(world, report.job))
        results.append((report, later, recorded.positions(world.journal, later)))
    return results


def _job(report: Report, later: Snapshot, held: tuple[MeasuredPosition, ...], policy: Policy) -> DemoJob:
    horizon = policy.horizon_seconds
    holdings = Holdings.of(later, held, horizon, policy)
    return DemoJob(
        **dict(job_reports.report(report, policy)),
        markets=_markets(report, horizon, policy),
        later=LaterHoldings(block=Block.of(later.block), **dict(holdings)),
    )


def _markets(report: Report, horizon: float, policy: Policy) -> tuple[Market, ...] | None:
    found, decision = report.snapshot, report.decision
    if found is None or decision is None:
        return None
    wealth = wealth_of(found, report.job)
    return tuple(markets_of(found, decision.assessments, decision.allocation, wealth, horizon, policy))
