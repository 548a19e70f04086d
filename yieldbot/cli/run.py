"""``yieldbot dry-run | run | approve | reject``: the cycle, with the approver that the command names."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group

from yieldbot.allocator.across import across
from yieldbot.app import documents as docs
from yieldbot.app import log as events
from yieldbot.app.cycle import approve_queued, job_of, run_job
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.wiring import JOURNAL, Keyless, jobs_of, world_of
from yieldbot.chains.evm.execution.simulate import RehearsedTx
from yieldbot.chains.evm.signing.keystore import is_given
from yieldbot.cli import listings, render, reports
from yieldbot.cli.flags import add_job_flags, filter_of
from yieldbot.cli.prompts import confirmed
from yieldbot.cli.reports import moved
from yieldbot.errors import ConfigError, InvariantError, SafetyError, YieldbotError
from yieldbot.execution.approvals import Ask, Auto, DeclineAll, PreApproved, Queue
from yieldbot.execution.lock import run_lock
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.events import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined, Hold
from yieldbot.model.policy import SafeOwner
from yieldbot.model.text import one_line
from yieldbot.rpc.service import post

if TYPE_CHECKING:
    import argparse

    from yieldbot.allocator.across import Across
    from yieldbot.app.cycle import Report
    from yieldbot.app.documents import Doc
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.execution.approvals import Approval, Approver, Proposal
    from yieldbot.model.ids import Address, ChainId
    from yieldbot.model.policy import ChainSettings, Job, Wallet
    from yieldbot.model.tx import EvmCall

    Ended = Report | tuple[Job, YieldbotError]
    Placed = tuple[int, Job]


def register(listed: Listed) -> None:
    parser = listed.add_parser("dry-run")
    add_job_flags(parser)
    parser.set_defaults(command="dry-run", handler=dry_run)

    parser = listed.add_parser("run")
    add_job_flags(parser)
    parser.add_argument(
        "--approve",
        choices=("queue", "ask", "auto"),
        default="queue",
        help="queue (default): write the plan down for `yieldbot approve ID` and exit 3; ask: on this terminal; "
        "auto: inside the policy's auto_max_move and auto_max_total alone",
    )
    parser.set_defaults(command="run", handler=run)

    more = "On a terminal it asks once more; without one, naming the plan is the approval."
    parser = listed.add_parser("approve", f". {more}")
    parser.add_argument("plan_id", metavar="ID")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask again on the terminal")
    parser.set_defaults(command="approve", handler=approve)

    parser = listed.add_parser("reject")
    parser.add_argument("plan_id", metavar="ID")
    parser.add_argument("--reason", default="", help="kept in the journal")
    parser.set_defaults(command="reject", handler=reject)


def dry_run(args: argparse.Namespace, context: Screen) -> int:
    return _cycle(args, context, lambda journal: DeclineAll(), Keyless)


def run(args: argparse.Namespace, context: Screen) -> int:
    if args.approve == "ask" and not sys.stdin.isatty():
        raise ConfigError("--approve ask needs a terminal to ask on: use --approve queue, then `yieldbot approve ID`")

    async def ask(proposal: Proposal) -> bool:
        show_proposal(context, proposal)
        return confirmed("Sign and send these?")

    def approver(journal: Journal) -> Approver:
        match args.approve:
            case "ask":
                return Ask(journal, ask)
            case "auto":
                return Auto(journal, context.settings.policy)
            case _:
                return Queue(journal, context.program)

    def opens(wallet: Wallet) -> bool:  # who is asked about the plan is asked for the passphrase only after a yes
        return args.approve == "auto" or (args.approve == "ask" and is_given(wallet, context.environment))

    return _cycle(args, context, approver, asks=args.approve == "ask", opens=opens)


def approve(args: argparse.Namespace, context: Screen) -> int:
    def approver(journal: Journal) -> Approver:
        named = PreApproved(journal, args.plan_id)
        return Shown(named, context, asks=sys.stdin.isatty() and not args.yes)

    with run_lock(context.settings.data_dir), world_of(context, approver, opens=lambda _: True) as world:
        plan = queued_plan(world.journal, args.plan_id, world.now())
        deadline = Deadline(world)
        job = job_of(world.settings, plan)
        report = run_within(deadline, job, lambda: approve_queued(deadline.world, args.plan_id))
    _tell(report)
    return _end(context, "approve", [report])


def reject(args: argparse.Namespace, context: Screen) -> int:
    with run_lock(context.settings.data_dir), Journal.open(context.settings.data_dir / JOURNAL) as journal:
        stored = journal.plan(args.plan_id)
        if stored is None:
            raise ConfigError(
                f"no plan {args.plan_id} in the journal: `yieldbot history --waiting` lists those that wait"
            )
        if stored.status not in (PlanStatus.QUEUED, PlanStatus.PROPOSED):
            raise SafetyError("PLAN_CLOSED", f"plan {args.plan_id} is {stored.status.value} already")
        journal.append(PlanMarked(args.plan_id, PlanStatus.REJECTED, "terminal", one_line(args.reason, 500)))
    context.show(
        docs.document("reject", plan_id=args.plan_id, status="rejected"), lambda: f"plan {args.plan_id} is rejected"
    )
    return 0


class Shown:
    """An approver that shows every call first, and asks once more where there is a person to ask."""

    def __init__(self, named: PreApproved, context: Screen, asks: bool) -> None:
        self.named, self.context, self.asks = named, context, asks

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        show_proposal(self.context, proposal)
        if self.asks and not confirmed("Sign and send these?"):
            plan_id = proposal.plan.id
            return Declined(
                "QUEUED", f"you said no; plan {plan_id} still waits: {self.context.program} approve {plan_id}"
            )
        return await self.named.approve(proposal)


def show_proposal(context: Screen, proposal: Proposal) -> None:
    """Whose plan it is, why, each call in words with its target, and what all of it did on the fork.

    On stderr, whatever stdout is for: a person is about to answer.
    """
    plan, symbol = proposal.plan, proposal.plan.asset.symbol
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(plan.expires_at))
    chain = next(job.chain for job in context.settings.jobs if job.chain.chain == plan.block.chain)
    described = descriptions(context, chain, plan.owner)
    context.say(f"Plan {plan.id} of {plan.owner} on {chain.name}, valid until {until} UTC")
    for move in plan.moves:
        context.say(f"  move {move.amount}: {move.reason}")
    proof, paid = plan.allocation.certificate, chain.family.paid
    gain = f"{plan.gain_per_year:,.2f} {symbol} a year more" if plan.moves else "rewards"
    context.say(f"  {gain}, for {plan.cost:,.4f} {symbol} of {paid}")
    context.say(f"  gap to the best possible: {proof.gap_bps:.3f} bp of wealth a year at most")
    number, unit = 0, chain.family.gas
    for leg in proposal.rehearsal.legs:
        for tx in leg.txs:
            number += 1
            context.say(f"  {number}. {tx.words}  [{tx.to}, {tx.gas_used:,} {unit}]")
            for line in described(tx.call) if isinstance(tx, RehearsedTx) else ():
                context.say(f"     {line}")
    context.say("  in all: " + ", ".join([*proposal.rehearsal.fees_beside, *moved(proposal.rehearsal.deltas)]))


def descriptions(context: Screen, chain: ChainSettings, owner: Address) -> Callable[[EvmCall], list[str]]:
    """A call of ``owner`` in the words of its target's ERC-7730 descriptor; no line where there is none."""
    if context.settings.descriptors is None:
        return lambda call: []
    from yieldbot.chains.evm.execution.clear import Book, Call, lines, read
    from yieldbot.chains.evm.execution.erc7730 import descriptors
    from yieldbot.model.native import native_token

    book, known = Book.of(chain, native_token(chain)), descriptors(context.settings.descriptors, context.complain)

    def described(call: EvmCall) -> list[str]:
        reading = read(Call(call.to, call.data, call.value, owner), book, {}, known)
        return list(lines(reading)) if reading.source else []

    return described


def _cycle(
    args: argparse.Namespace,
    context: Screen,
    approver: Callable[[Journal], Approver],
    signer_of: Any = None,
    asks: bool = False,
    opens: Callable[[Wallet], bool] = lambda wallet: False,
) -> int:
    """One cycle of every job under the run lock. ``asks``: a person answers, so that one job goes after the other."""
    jobs = jobs_of(filter_of(args), context)
    with run_lock(context.settings.data_dir), world_of(context, approver, signer_of, opens=opens) as world:
        deadline = Deadline(world)
        with deadline.armed():
            ended = asyncio.run(_every(deadline, [list(enumerate(jobs))] if asks else by_account(jobs)))
    return _end(context, args.command, [ended[index] for index in sorted(ended)])


def by_account(jobs: Sequence[Job]) -> list[list[Placed]]:
    """Jobs with their places, in groups that may run beside each other.

    Those of one account would take each other's nonces, so they are one group, gone through in turn.
    """
    groups: dict[tuple[str, str], list[Placed]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.wallet.address, job.chain.chain), []).append((index, job))
    return list(groups.values())


async def _every(deadline: Deadline, groups: Sequence[Sequence[Placed]]) -> dict[int, Ended]:
    """What came of each job, by its place among them. A job's error leaves the other accounts; after an
    InvariantError no further job begins, and what is under way is brought to its end."""
    ended: dict[int, Ended] = {}
    broken = False

    async def in_turn(jobs: Sequence[Placed]) -> None:
        nonlocal broken
        for index, job in jobs:
            if broken:
                return
            try:
                report = await deadline.within(job, partial(run_job, deadline.world, job))
            except YieldbotError as failure:
                events.failed(job, failure)
                broken = broken or isinstance(failure, InvariantError)
                ended[index] = (job, failure)
            else:
                _tell(report)
                ended[index] = report

    for unforeseen in await asyncio.gather(*(in_turn(jobs) for jobs in groups), return_exceptions=True):
        if unforeseen is not None:
            raise unforeseen  # a bug, told once the other accounts have come to their end
    return ended


def _end(context: Screen, command: str, ended: Sequence[Ended]) -> int:
    """Show what came of each job; the worst exit code."""
    horizon = context.settings.policy.horizon_days * 86_400
    rows: list[Doc] = []
    parts: list[Any] = []
    for one in ended:
        if isinstance(one, tuple):
            job, failure = one
            rows.append(reports.failure(job, failure))
            context.complain(f"{job.wallet.name}: {job.asset.symbol} on {job.chain.name}: {failure}")
            continue
        rows.append(reports.report(one, horizon))
        parts.append(lambda one=one: _group(one))
    between, chains = _across(context, ended)
    if between:
        parts.append(lambda: _bridging(between, chains))
    for one in ended:
        if not isinstance(one, tuple) and one.proposed is not None:
            _deliver(context, one)
    code = reports.worst([row["exit_code"] for row in rows])
    context.show(docs.document(command, exit_code=code, jobs=rows, across_chains=docs.across(between)), *parts)
    return code


def _across(context: Screen, ended: Sequence[Ended]) -> tuple[tuple[Across, ...], dict[ChainId, str]]:
    """What bridging would gain, of the chains that were seen, and the chains' names."""
    reports = [one for one in ended if not isinstance(one, tuple)]
    seen = [one.after or one.snapshot for one in reports]
    chains = {one.job.chain.chain: one.job.chain.name for one in reports}
    return across([snapshot for snapshot in seen if snapshot is not None], context.settings.policy), chains


def _bridging(between: Sequence[Across], chains: dict[ChainId, str]) -> Any:
    return listings.bridging(between, chains)


def _deliver(context: Screen, report: Report) -> None:
    """Write a Safe's proposal down, and post it to the transaction service where one is configured."""
    assert report.proposed is not None and isinstance(report.job.wallet.held, SafeOwner)
    folder = context.settings.data_dir / "proposals"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{report.proposed.hash}.json"
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        json.dump(report.proposed.document, out, indent=2)
    context.say(f"the proposal is in {file}")
    if (url := report.job.wallet.held.service_url) is None:
        return
    path = f"{url.rstrip('/')}/api/v1/safes/{report.job.wallet.address}/multisig-transactions/"
    try:
        post(path, report.proposed.document)
    except YieldbotError as failure:
        context.complain(f"{failure}; the proposal is in {file}: hand it to the owners yourself")
    else:
        context.say("the Safe's transaction service has it: the other owners see it in their wallets")


def _group(report: Report) -> Any:
    return Group(*render.report(report))


def _tell(report: Report) -> None:
    """The cycle's events, for the log."""
    job = report.job
    if report.skipped is not None:
        events.skipped(job, report.skipped)
    for outcome in report.settled:
        events.settled(job, outcome)
    if report.snapshot is not None:
        events.observed(job, report.snapshot)
        for bad in report.snapshot.quarantined:
            events.quarantined(job, bad)
    if report.decision is not None:
        made = report.decision.outcome
        if isinstance(made, Hold):
            events.held(job, made.reason)
        else:
            events.planned(job, made)
    if report.rehearsal is not None:
        events.rehearsed(job, report.rehearsal.gas_used)
    for leg, outcome in report.outcomes:
        events.ended(job, leg, outcome)
    if report.declined is not None:
        events.declined(job, report.declined)
