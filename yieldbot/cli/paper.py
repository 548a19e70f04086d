"""``yieldbot paper``: a step of each paper wallet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app import paper as use
from yieldbot.app.formatting import when
from yieldbot.app.paper_jobs import Wanted
from yieldbot.cli.tables import Sheet

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.paper_documents import PaperWallet
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("paper", more=". One call is one step: put it on cron. docs/paper.md.")
    parser.add_argument("--name", default="", metavar="NAME", help="one paper wallet; else all that there are")
    parser.add_argument("--wealth", default="", metavar="N", help="begin one with so many whole tokens, as 10000")
    parser.add_argument("--coin", default="", metavar="SYMBOL", help="of this coin (default: the job's first asset)")
    parser.add_argument("--chain", default="", metavar="NAME", help="on this chain, where several jobs have the coin")
    parser.add_argument("--wallet", default="", metavar="NAME", help="in the place of this wallet's money")
    parser.set_defaults(command="paper", handler=paper)


def paper(args: argparse.Namespace, context: Screen) -> int:
    wanted = Wanted(wallet=args.wallet, chain=args.chain, coin=args.coin)
    document, code = use.paper(use.PaperRequest(name=args.name, wealth=args.wealth, wanted=wanted), context)
    context.show(document.as_json(), lambda: Group(*(_shown(one) for one in document.wallets)))
    return code


def _shown(one: PaperWallet) -> Group:
    title = f"Paper wallet {one.name}: {one.wealth} {one.coin} on {one.chain}"
    if one.began is not None:
        title += f" since {when(one.began)}"
    if one.ledger is None:
        return Group(Text(f"{title}: skipped: {one.skipped}"))
    own, unit = one.ledger, one.assets[0]
    made = Sheet(title, "In", ">Amount", ">Expected", "Since")
    for money in own.idle:
        made.add_row("Wallet", f"{money.text} {money.symbol}", "", "")
    for held in own.positions:
        expected = "" if held.expected_apr is None else f"{held.expected_apr:.2%}"
        leaving = "" if held.leaving is None else f" ({held.leaving.text} leaving)"
        since = "" if held.since is None else when(held.since)
        made.add_row(held.name, f"{held.amount.text} {held.amount.symbol}{leaving}", expected, since)
    costs = f"gas {own.gas:,.4f}, swaps {own.swapped:,.4f}, entry fees {own.entered:,.4f}"
    lines = [
        f"{own.value:,.4f} {unit} in all: earned {own.earned:,.4f} ({own.expected:,.4f} were expected), {costs}",
        _did(one),
        *(f"{bad.name} could not be read: {bad.reason}" for bad in one.quarantined),
    ]
    return Group(made, *(Text(line) for line in lines))


def _did(one: PaperWallet) -> str:
    match one.step:
        case "skipped":
            return f"skipped: {one.skipped}"
        case "known":
            return f"no newer block than {one.height:,}: nothing was done; the last step: {one.did}"
        case _:
            return f"block {one.height:,}: {one.did}"
