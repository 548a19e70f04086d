"""``yieldbot dry-run | run | approve | reject``: one cycle of the bot, and the decision about a queued plan."""

from __future__ import annotations

import math
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import notice_runs
from yieldbot.app import run as app
from yieldbot.app.api_keys import seconds_of
from yieldbot.app.approve_signed import approve_all, approve_signed, latest
from yieldbot.app.call_descriptions import descriptions
from yieldbot.app.formatting import valid_until, when
from yieldbot.app.reject import RejectRequest
from yieldbot.app.reject import reject as app_reject
from yieldbot.app.run import ApproveRequest, DryRunRequest, RunRequest
from yieldbot.cli import listings, render
from yieldbot.cli.balance_changes import moved
from yieldbot.cli.flags import add_job_flags, add_timeout_flag, filter_of
from yieldbot.cli.prompts import Patience
from yieldbot.cli.run_summary import add_summary_flags, lines
from yieldbot.cli.skips import skipped
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.model.durations import days_long
from yieldbot.model.plan import Plan
from yieldbot.notify.sending import after

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection

    from yieldbot.app.cycle import Report
    from yieldbot.app.results import Proposal
    from yieldbot.app.run import RunAnswer
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("dry-run")
    add_job_flags(parser)
    add_summary_flags(parser)
    parser.set_defaults(command="dry-run", handler=dry_run)

    parser = listed.add_parser("run")
    add_job_flags(parser)
    add_summary_flags(parser)
    parser.add_argument(
        "--approve",
        choices=("queue", "ask", "auto"),
        default="queue",
        help="queue (default): let the plan wait for `yieldbot approve ID` and exit with 3; ask: ask on this "
        "terminal; "
        "auto: approve within the policy's auto_max_move and auto_max_total",
    )
    add_timeout_flag(parser)
    parser.set_defaults(command="run", handler=run)

    more = "On a terminal it asks once more; without one, the command with the plan's id is the approval."
    parser = listed.add_parser("approve", f". {more}")
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("plan_id", metavar="ID", nargs="?", help="a plan's id; latest: the newest that waits")
    named.add_argument("--all", action="store_true", help="every plan that waits, the oldest first; asks about each")
    named.add_argument(
        "--signed", action="store_true", help="carry out every plan that enough persons have signed; for cron"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask again on the terminal")
    add_timeout_flag(parser)
    parser.set_defaults(command="approve", handler=approve)

    parser = listed.add_parser("reject")
    parser.add_argument("plan_id", metavar="ID", help="a plan's id; latest: the newest that waits")
    parser.add_argument("--reason", default="", help="why you reject it; stored in the journal")
    parser.add_argument(
        "--for",
        dest="not_again",
        metavar="TIME",
        help="as 12h, 7d or 2w: the same steps are not proposed again for so long; 0h: they may be (default)",
    )
    parser.add_argument(
        "--until-gain",
        default="",
        metavar="GAIN",
        help="as 500 (a year, in the plan's asset) or +50%% (more than this plan gains): the same steps are not "
        "proposed again below it; with --for too, whichever comes first",
    )
    parser.set_defaults(command="reject", whole=False, handler=reject)


def dry_run(args: argparse.Namespace, context: Screen) -> int:
    return _show(app.dry_run(DryRunRequest(jobs=filter_of(args)), context), context, args.summary)


def run(args: argparse.Namespace, context: Screen) -> int:
    if args.approve == "ask" and not sys.stdin.isatty():
        raise ConfigError("--approve ask needs a terminal to ask on: use --approve queue, then `yieldbot approve ID`")
    request = RunRequest(jobs=filter_of(args), approve=args.approve)
    person = Person(context, args.timeout)
    return _reported(
        partial(app.run, request, context, show=person.show, ask=person.ask), context, args.summary, person
    )


def approve(args: argparse.Namespace, context: Screen) -> int:
    if args.signed:
        return _show(approve_signed(context, show=partial(show_proposal, context)), context)
    person = Person(context, args.timeout)
    ask = person.ask if sys.stdin.isatty() and not args.yes else None
    unnamed = args.all or args.plan_id == "latest"
    named = latest(context) if args.plan_id == "latest" else args.plan_id  # or that none waits
    if unnamed and not sys.stdin.isatty() and not args.yes:
        raise ConfigError(
            "approve latest and --all ask on a terminal, and there is none: name the plan's id, or add --yes"
        )
    if args.all:
        return _reported(lambda: approve_all(context, show=person.show, ask=ask), context, False, person)
    request = ApproveRequest(plan_id=named)
    return _reported(lambda: app.approve(request, context, show=person.show, ask=ask), context, False, person)


def reject(args: argparse.Namespace, context: Screen) -> int:
    seconds = None if args.not_again is None else seconds_of(args.not_again, "--for")
    request = RejectRequest(
        plan_id=latest(context) if args.plan_id == "latest" else args.plan_id,
        reason=args.reason,
        not_again_seconds=seconds,
        until_gain=args.until_gain,
    )
    done = app_reject(request, context)
    ends = [] if done.not_before is None else [when(done.not_before)]
    ends += [] if done.until_gain is None else [f"they gain {done.until_gain:z,.2f} a year"]
    later = f"; the same steps are not proposed again until {' or '.join(ends)}" if ends else ""
    if done.reached:  # whichever comes first has come
        later = (
            "; it gains as much as you named already, so that the next run may propose it again: name more, or --for"
        )
    later = later or ("; the same steps may be proposed again" if seconds == 0 else "")
    context.show(done.as_json(), lambda: f"plan {done.plan_id} is {done.status}{later}")
    return 0


def _reported(
    work: Callable[[], RunAnswer], context: Screen, summary: bool = False, person: Person | None = None
) -> int:
    """Run the work and print its result; then send notices, which changes neither the result nor the exit code."""
    try:
        done = work()
        code = _show(done, context, summary, person)
        sys.stdout.flush()
    except YieldbotError as failure:
        after(context, notice_runs.of_failure(context.command, failure))
        raise
    after(context, notice_runs.of_answer(context.command, done, int(time.time())))
    return code


def _show(done: RunAnswer, context: Screen, summary: bool = False, person: Person | None = None) -> int:
    """Print the result of each job, then what bridging would gain; with ``--summary`` or ``--quiet`` a line a job. What
    a person was shown before they answered is not printed again."""
    if summary or context.quiet:
        text = [Text(line) for line in lines(done.document, quiet=context.quiet)]
        all_in = [] if context.quiet or not done.together else [lambda: listings.in_one_market(done.together)]
        context.show(done.document.as_json(), *(partial(Text.copy, line) for line in text), *all_in)
        return done.document.exit_code
    seen = person.seen if person is not None else frozenset[str]()
    parts: list[Any] = [partial(_group, report, seen) for report in done.reports if report.skipped is None]
    lost = [(report.job, report.skipped) for report in done.reports if report.skipped is not None]
    parts += [partial(Group, *skipped(lost))] if lost else []
    if done.together:
        parts.append(lambda: listings.in_one_market(done.together))
    if done.across:
        parts.append(lambda: listings.bridging(done.across, done.chains))
    context.show(done.document.as_json(), *parts)
    return done.document.exit_code


def _group(report: Report, seen: Collection[str]) -> Any:
    outcome = report.decision.outcome if report.decision is not None else None
    return Group(*render.report(report, seen=outcome.id in seen if isinstance(outcome, Plan) else bool(seen)))


class Person:
    """Whoever is at this terminal: what they were shown, and how long they are waited for."""

    def __init__(self, context: Screen, seconds: float | None) -> None:
        """seconds: how long they are waited for; None: until the plan or the run's
        time ends. Raises ConfigError for less than 1."""
        self._context = context
        self._patience = Patience(seconds)
        self._expires_at = math.inf
        self.seen = set[str]()
        """Ids of the plans that were shown."""

    def show(self, proposal: Proposal) -> None:
        show_proposal(self._context, proposal)
        self.seen.add(proposal.plan.id)
        self._expires_at = proposal.plan.expires_at

    def ask(self) -> bool | None:
        return self._patience.ask(self._context.settings.policy.run_timeout_seconds, self._expires_at)


def show_proposal(context: Screen, proposal: Proposal) -> None:
    """Print a rehearsed plan before asking for consent: owner, reasons, each call with its target, balance changes.

    On stderr, since stdout is only for the result.
    """
    plan, symbol = proposal.plan, proposal.plan.asset.symbol
    until = valid_until(plan.expires_at, plan.block.timestamp)
    chain = next(job.chain for job in context.settings.jobs if job.chain.chain == plan.block.chain)
    described = descriptions(context, chain, plan.owner)
    context.say(f"Plan {plan.id} of {plan.owner} on {chain.name}, {until}")
    for move in plan.moves:
        source, target = (proposal.names.get(at, at) for at in (move.source, move.target))
        days = move.break_even_days
        back = "never pays back" if days is None else f"pays back in {days_long(days)}"
        cost = f"costs {move.cost:z,.4f} {symbol}"
        context.say(f"  {source} -> {target}: {move.amount}; {move.reason}; {cost}, {back}")
    proof, paid = plan.allocation.certificate, chain.family.paid
    for line in plan.counts:
        context.say(f"  counts {line}")
    for line in plan.why:
        context.say(f"  {'leave' if plan.takes_out else 'swap'} {line}")
    gain = f"{plan.gain_per_year:z,.2f} {symbol} a year more" if plan.moves else "rewards"
    gets = "to the wallet" if plan.is_exit else "for a fair price" if plan.why else gain
    context.say(f"  {gets}, for {plan.cost:z,.4f} {symbol} of {paid}")
    if not plan.why:
        context.say(f"  gap to the best possible: {proof.gap_bps:z.3f} bp of wealth a year at most")
    number, unit = 0, chain.family.gas
    for leg in proposal.rehearsal.legs:
        for tx in leg.txs:
            number += 1
            context.say(f"  {number}. {tx.description}  [{tx.to}, {tx.gas_used:,} {unit}]")
            for line in described(tx):
                context.say(f"     {line}")
    for line in proposal.risks:
        context.say(f"  risk: {line}")
    context.say("  in all: " + ", ".join([*proposal.rehearsal.fees_beside, *moved(proposal.rehearsal.deltas)]))
