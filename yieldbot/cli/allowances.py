"""``yieldbot allowances [--revoke]``: what our accounts have allowed to whom, and taking it back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import documents as docs
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.wiring import jobs_of, world_of
from yieldbot.cli.flags import add_job_flags, filter_of, natural
from yieldbot.cli.prompts import confirmed
from yieldbot.cli.tables import Sheet
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed

if TYPE_CHECKING:
    import argparse

    from yieldbot.chains.allowances import Found, Given
    from yieldbot.chains.ports import Rights
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.execution.world import World
    from yieldbot.model.policy import Job
    from yieldbot.model.tx import Outcome

    Ended = Outcome | Declined | None


def register(listed: Listed) -> None:
    parser = listed.add_parser("allowances")
    add_job_flags(parser)
    parser.add_argument("--from-block", type=natural, default=0, metavar="N", help="look at events from this block on")
    parser.add_argument("--revoke", action="store_true", help="set them to zero, after a rehearsal and a question")
    parser.add_argument("--unlisted", action="store_true", help="of tokens that chains/*.toml does not list, too")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask on the terminal")
    parser.set_defaults(command="allowances", handler=allowances)


def allowances(args: argparse.Namespace, context: Screen) -> int:
    if args.revoke and not args.yes and not sys.stdin.isatty():
        raise ConfigError("--revoke asks on a terminal, and there is none: add --yes where nobody can be asked")
    jobs = jobs_of(filter_of(args), context)
    accounts = list({(job.wallet.address, job.chain.chain): job for job in jobs}.values())
    lock = run_lock(context.settings.data_dir) if args.revoke else nullcontext()
    rows: list[dict[str, Any]] = []
    with lock, world_of(context, lambda journal: DeclineAll()) as world:
        deadline = Deadline(world)
        for job in accounts:
            try:
                work = partial(_account, args, context, deadline.world, job)
                found, ended = run_within(deadline, job, work)
            except TransientError as passing:
                rows.append(_row(job, None, [], str(passing)))
            else:
                rows.append(_row(job, found, ended, None))
    code = int(any(row["skipped"] or row["failed"] for row in rows))
    document = docs.document("allowances", exit_code=code, accounts=[_public(row) for row in rows])
    context.show(document, *(lambda row=row: _table(row) for row in rows))
    return code


async def _account(
    args: argparse.Namespace, context: Screen, world: World, job: Job
) -> tuple[Found, list[tuple[Given, Ended]]]:
    """What the job's account has given, each with what came of taking it back; None where that was not asked."""
    from yieldbot.chains.open import chain_of

    wallets = context.settings.wallets.values()
    async with chain_of(job.chain).rights(world, job, wallets, args.from_block, context.detail) as rights:
        if args.revoke:
            await rights.settle()
        found = await rights.find()
        if not args.revoke:
            return found, [(given, None) for given in found.given]
        return found, await _revoked(args, context, job, rights, found)


async def _revoked(
    args: argparse.Namespace, context: Screen, job: Job, rights: Rights, found: Found
) -> list[tuple[Given, Ended]]:
    """Shows each right being taken back as it went on the fork, asks, and takes back what can be."""
    from yieldbot.model.plan import Declined

    chosen = [given for given in found.given if given.listed or args.unlisted]
    tries = await rights.rehearse(chosen)
    rehearsed = list(zip(chosen, tries, strict=True))
    for number, (given, tried) in enumerate(rehearsed, 1):
        if isinstance(tried, Declined):
            context.say(f"  {number}. {given.words} ({given.spender}) cannot be taken back: {tried.reason}")
            continue
        place, cost = given.account or given.token.address, f"{tried.gas_used:,} {job.chain.family.gas}"
        context.say(f"  {number}. {tried.words} ({given.words})  [{place} to {given.spender}, {cost}]")
    if beside := rights.beside(tries):
        context.say(f"  in all: {', '.join(beside)}")
    able = any(not isinstance(tried, Declined) for tried in tries)
    yes = able and (args.yes or confirmed("Sign and send these?"))
    ended: dict[int, Ended] = {}
    for index, (given, tried) in enumerate(rehearsed):
        if isinstance(tried, Declined):
            ended[id(given)] = tried
        elif yes:
            ended[id(given)] = await rights.revoke(given, index, tried)
    return [(given, ended.get(id(given))) for given in found.given]


def _row(job: Job, found: Found | None, ended: Sequence[tuple[Given, Ended]], skipped: str | None) -> dict[str, Any]:
    def end(one: Ended) -> Any:
        if one is None:
            return None
        return docs.declined(one) if isinstance(one, Declined) else docs.outcome(one)

    return {
        "job": job,
        "owner": job.wallet.address,
        "chain_id": job.chain.chain,
        "skipped": skipped,
        "block": found.block.height if found else None,
        "since": found.since if found else None,
        "cut": found.cut if found else None,
        "failed": bool(found and (found.unread or found.cut))
        or any(e is not None and not isinstance(e, Confirmed) for _, e in ended),
        "given": ended,
        "allowances": [
            {
                "token": given.token.address,
                "symbol": given.token.symbol,
                "listed": given.listed,
                "spender": given.spender,
                "spender_name": given.name,
                "raw": str(given.raw),
                "account": given.account,
                "right": given.right or None,
                "unlimited": given.unlimited,
                "last_event": given.at,
                "revoked": end(one),
            }
            for given, one in ended
        ],
        "unread": [{"token": t, "spender": s, "reason": why} for t, s, why in (found.unread if found else ())],
    }


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("job", "given", "failed")}


def _table(row: dict[str, Any]) -> Any:
    who = f"{row['job'].wallet.name} on {row['job'].chain.name}"
    if row["skipped"]:
        return Text(f"{who} skipped: {row['skipped']}", style="yellow")
    cut = f"incomplete before block {row['since'] or 0:,}: {row['cut']}: name a later --from-block, or another provider"
    unread = [Text(cut, style="yellow")] if row["cut"] else []
    unread += [Text(f"{u['token']} to {u['spender']} cannot be read: {u['reason']}") for u in row["unread"]]
    if not row["given"]:
        family = row["job"].chain.family
        by = f", by the events since {family.height} {row['since']:,}" if family.finds_past else ""
        return Group(Text(f"{who}: no allowance is given{by}"), *unread)
    family = row["job"].chain.family
    last = f">Event in {family.height}" if family.finds_past else "Of our account"
    sheet = Sheet(f"{who}: allowances at {family.height} {row['block']:,}", "Token", "Spender", ">May take", last, "")
    for given, ended in row["given"]:
        mark = "" if given.listed else " (unlisted)"
        end = ""
        if isinstance(ended, Declined):
            end = f"not revoked: {ended.reason}"
        elif ended is not None:
            end = "revoked" if isinstance(ended, Confirmed) else f"not revoked: {type(ended).__name__}"
        name = f"{given.name}\n{given.spender}" if given.name else f"unknown\n{given.spender}"
        seen = given.account or ("-" if given.at is None else f"{given.at:,}")
        sheet.add_row(f"{given.token.symbol}{mark}", name, given.words, seen, end)
    return Group(sheet, *unread)
