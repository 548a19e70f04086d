"""``yieldbot allowances [--revoke]``: what our accounts have allowed to whom, and taking it back."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.allowances import find
from yieldbot.allowances_svm import find_delegates
from yieldbot.cli import documents as docs
from yieldbot.cli.deadline import Deadline, run_within
from yieldbot.cli.render import fee_words
from yieldbot.cli.tables import Sheet
from yieldbot.cli.wiring import add_job_flags, confirmed, jobs_of, natural, world_of
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.account import native_token
from yieldbot.execution.approve import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.execution.simulate import RehearsedTx
from yieldbot.execution.svm.clear import SvmBook
from yieldbot.model.plan import Declined
from yieldbot.model.tx import NO_ROLLUP_FEE, Confirmed
from yieldbot.rpc.connect import connect
from yieldbot.rpc.svm_nodes import connect_svm
from yieldbot.sessions.evm import account_of
from yieldbot.sessions.svm import svm_account_of

if TYPE_CHECKING:
    import argparse

    from yieldbot.allowances import Found, Given
    from yieldbot.cli.context import Context
    from yieldbot.cli.main import Listed
    from yieldbot.model.policy import Job
    from yieldbot.model.tx import Outcome
    from yieldbot.world import World

    Ended = Outcome | Declined | None


def register(listed: Listed) -> None:
    parser = listed.add_parser("allowances")
    add_job_flags(parser)
    parser.add_argument("--from-block", type=natural, default=0, metavar="N", help="look at events from this block on")
    parser.add_argument("--revoke", action="store_true", help="set them to zero, after a rehearsal and a question")
    parser.add_argument("--unlisted", action="store_true", help="of tokens that chains/*.toml does not list, too")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask on the terminal")
    parser.set_defaults(command="allowances", handler=allowances)


def allowances(args: argparse.Namespace, context: Context) -> int:
    if args.revoke and not args.yes and not sys.stdin.isatty():
        raise ConfigError("--revoke asks on a terminal, and there is none: add --yes where nobody can be asked")
    jobs = jobs_of(args, context)
    accounts = list({(job.wallet.address, job.chain.chain): job for job in jobs}.values())
    lock = run_lock(context.settings.data_dir) if args.revoke else nullcontext()
    rows: list[dict[str, Any]] = []
    with lock, world_of(context, lambda journal: DeclineAll()) as world:
        deadline = Deadline(world)
        for job in accounts:
            try:
                look = _account if job.chain.svm is None else _svm_account
                work = partial(look, args, context, deadline.world, job)
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
    args: argparse.Namespace, context: Context, world: World, job: Job
) -> tuple[Found, list[tuple[Given, Ended]]]:
    from yieldbot.execution.clear import Book
    from yieldbot.execution.settle import settle

    async with connect(job.chain) as node:
        await node.verify_chain()
        account = account_of(world, job, node)
        if args.revoke:
            await settle(account)
        names = Book.of(job.chain, native_token(job.chain)).names
        found = await find(node, job.chain, job.wallet.address, names, since=args.from_block, say=context.detail)
        if not args.revoke:
            return found, [(given, None) for given in found.given]
        return found, await _revoked(args, context, account, found)


async def _svm_account(
    args: argparse.Namespace, context: Context, world: World, job: Job
) -> tuple[Found, list[tuple[Given, Ended]]]:
    book = SvmBook.of(job.chain)
    async with connect_svm(job.chain) as nodes:
        await nodes.verify_chain()
        own = {wallet.address: f"wallet {wallet.name}" for wallet in context.settings.wallets.values()}
        names = {**book.markets, **book.programs, **own}
        found = await find_delegates(nodes, job.chain, job.wallet.address, names)
        if not args.revoke:
            return found, [(given, None) for given in found.given]
        return found, await _svm_revoked(args, context, world, job, nodes, found)


async def _svm_revoked(
    args: argparse.Namespace, context: Context, world: World, job: Job, nodes: Any, found: Found
) -> list[tuple[Given, Ended]]:
    """Each right with what came of taking it back; None for one that was not to be taken back."""
    from yieldbot.execution.svm.revoke import authority_of, rehearse_revocation, revoke
    from yieldbot.execution.svm.send import settle

    wallets = {wallet.address: wallet for wallet in context.settings.wallets.values()}
    chosen = [given for given in found.given if given.listed or args.unlisted]
    ours = [authority_of(given, job.wallet.address) in wallets for given in chosen]
    by_account: dict[str, Any] = {
        wallet.address: svm_account_of(world, replace(job, wallet=wallet), nodes)
        for wallet in wallets.values()
        if wallet.address in {authority_of(given, job.wallet.address) for given in chosen}
    }
    for account in by_account.values():
        await settle(account)
    tried: list[Any] = []
    for given, mine in zip(chosen, ours, strict=True):
        if mine:
            tried.append(await rehearse_revocation(by_account[authority_of(given, job.wallet.address)], given))
            continue
        said = f"{given.spender} alone can give that right up: move what is there to another account"
        tried.append(Declined("NOT_OURS", said))

    async def take(given: Given, index: int, planned: Any) -> Ended:
        return await revoke(by_account[authority_of(given, job.wallet.address)], given, index, planned)

    return await _asked(args, context, found, list(zip(chosen, tried, strict=True)), "compute units", take)


async def _revoked(args: argparse.Namespace, context: Context, account: Any, found: Found) -> list[tuple[Given, Ended]]:
    """Each allowance with what came of its revocation; None for one that was not to be revoked."""
    from yieldbot.execution.revoke import rehearse_revocations, revoke

    chosen = [given for given in found.given if given.listed or args.unlisted]
    rehearsed = await rehearse_revocations(account, chosen, found.block) if chosen else []

    async def take(given: Given, index: int, planned: Any) -> Ended:
        return await revoke(account, given, index, planned.gas_limit)

    fees = [tx.rollup for tx in rehearsed if isinstance(tx, RehearsedTx)]
    beside = fee_words(sum(fees, NO_ROLLUP_FEE), account.native)
    return await _asked(args, context, found, list(zip(chosen, rehearsed, strict=True)), "gas", take, beside)


async def _asked(
    args: argparse.Namespace,
    context: Context,
    found: Found,
    rehearsed: Sequence[tuple[Given, Any]],
    unit: str,
    take: Callable[[Given, int, Any], Awaitable[Ended]],
    beside: Sequence[str] = (),
) -> list[tuple[Given, Ended]]:
    """Shows each revocation as it went on the fork, asks, and takes back (``take``) what can be. beside: what all of
    them pay for their data on L1, in words."""
    for number, (given, tried) in enumerate(rehearsed, 1):
        if isinstance(tried, Declined):
            context.say(f"  {number}. {given.words} ({given.spender}) cannot be taken back: {tried.reason}")
            continue
        place = given.account or given.token.address
        said = tried.call.words if given.account is None else tried.words
        context.say(f"  {number}. {said} ({given.words})  [{place} to {given.spender}, {tried.gas_used:,} {unit}]")
    if beside:
        context.say(f"  in all: {', '.join(beside)}")
    able = any(not isinstance(tried, Declined) for _, tried in rehearsed)
    yes = able and (args.yes or confirmed("Sign and send these?"))
    ended: dict[int, Ended] = {}
    for index, (given, tried) in enumerate(rehearsed):
        if isinstance(tried, Declined):
            ended[id(given)] = tried
        elif yes:
            ended[id(given)] = await take(given, index, tried)
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
        by = "" if row["job"].chain.svm is not None else f", by the events since block {row['since']:,}"
        return Group(Text(f"{who}: no allowance is given{by}"), *unread)
    place = "block" if row["job"].chain.svm is None else "slot"
    last = ">Event in block" if place == "block" else "Of our account"
    sheet = Sheet(f"{who}: allowances at {place} {row['block']:,}", "Token", "Spender", ">May take", last, "")
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
