"""``yieldbot allowances [--revoke]``: lists the allowances that our accounts have given, and revokes them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import allowances as app
from yieldbot.app.allowances import AllowancesRequest
from yieldbot.cli import skips
from yieldbot.cli.flags import add_job_flags, add_timeout_flag, filter_of, natural
from yieldbot.cli.prompts import Patience
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.allowances import ListedAccount, Revocations
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("allowances")
    add_job_flags(parser)
    parser.add_argument(
        "--from-block", type=natural, default=0, metavar="N", help="search Approval events from this block on"
    )
    parser.add_argument("--revoke", action="store_true", help="set them to zero, after a rehearsal and your consent")
    parser.add_argument(
        "--unlisted", action="store_true", help="with --revoke: also those of tokens that chains/*.toml does not list"
    )
    add_timeout_flag(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask on the terminal")
    parser.set_defaults(command="allowances", handler=allowances)


def allowances(args: argparse.Namespace, context: Screen) -> int:
    if args.revoke and not args.yes and not sys.stdin.isatty():
        raise ConfigError("--revoke asks on a terminal, and there is none: add --yes where nobody can be asked")
    request = AllowancesRequest(
        jobs=filter_of(args), from_block=args.from_block, revoke=args.revoke, unlisted=args.unlisted
    )
    patience = Patience(args.timeout)
    ask = (lambda: True) if args.yes else lambda: patience.ask(context.settings.policy.run_timeout_seconds)
    done = app.allowances(request, context, show=partial(_show_rehearsed, context), ask=ask)
    parts: list[Any] = [partial(_table, account) for account in done.accounts if account.skipped is None]
    parts += [partial(Group, line) for line in _skipped(done.accounts)]
    context.show(done.document.as_json(), *parts)
    return done.document.exit_code


def _show_rehearsed(context: Screen, found: Revocations) -> None:
    """Print each revocation as it was rehearsed, on stderr."""
    for number, (given, tried) in enumerate(found.tries, 1):
        if isinstance(tried, Declined):
            context.say(f"  {number}. {given.words} ({given.spender}) cannot be revoked: {tried.reason}")
            continue
        where, cost = given.account or given.token.address, f"{tried.gas_used:,} {found.job.chain.family.gas}"
        context.say(f"  {number}. {tried.description} ({given.words})  [{where} to {given.spender}, {cost}]")
    if found.beside:
        context.say(f"  in all: {', '.join(found.beside)}")


def _skipped(accounts: Sequence[ListedAccount]) -> list[Text]:
    rows = [(one.job.chain.name, one.job.wallet.name, one.skipped) for one in accounts if one.skipped is not None]
    return skips.lines(rows, "wallet")


def _table(account: ListedAccount) -> Any:
    job, found, family = account.job, account.found, account.job.chain.family
    who = f"{job.wallet.name} on {job.chain.name}"
    assert found is not None  # else it was skipped
    cut = f"incomplete before block {found.since:,}: {found.cut}: name a later --from-block, or another provider"
    unread = [Text(cut, style="yellow")] if found.cut else []
    unread += [Text(f"{token} to {spender} cannot be read: {why}") for token, spender, why in found.unread]
    if not account.ended:
        by = f", by events since {family.height} {found.since:,}" if family.finds_past else ""
        return Group(Text(f"{who}: no allowance is given{by}"), *unread)
    last = f">Event in {family.height}" if family.finds_past else "Of our account"
    sheet = TextTable(
        f"{who}: allowances at {family.height} {found.block.height:,}", "Token", "Spender", ">May take", last, ""
    )
    for given, ended in account.ended:
        mark = "" if given.listed else " (unlisted)"
        end = ""
        if isinstance(ended, Declined):
            end = f"not revoked: {ended.reason}"
        elif ended is not None:
            end = "revoked" if isinstance(ended, Confirmed) else f"not revoked: {type(ended).__name__}"
        name = f"{given.name}\n{given.spender}" if given.name else f"unknown\n{given.spender}"
        last_event = given.account or ("-" if given.at is None else f"{given.at:,}")
        sheet.add_row(f"{given.token.symbol}{mark}", name, given.words, last_event, end)
    return Group(sheet, *unread)
