"""``yieldbot paper``: makes a step of each paper wallet; ``paper show`` compares them with a backtest and the real
wallet."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import paper as use
from yieldbot.app import paper_show
from yieldbot.app.formatting import when
from yieldbot.app.paper_documents import PaperComparison, PaperSide, PaperWallet
from yieldbot.app.paper_jobs import Wanted
from yieldbot.cli import skips
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("paper", more=". Each call makes one step, so put it on cron (docs/paper.md).")
    parser.add_argument(
        "--name",
        default="",
        metavar="NAME",
        help="only the paper wallet of this name (default: all; a new one is called paper)",
    )
    parser.add_argument(
        "--wealth", default="", metavar="N", help="create a paper wallet with this many whole tokens, such as 10000"
    )
    parser.add_argument(
        "--coin", default="", metavar="SYMBOL", help="with --wealth: the coin (default: the job's first asset)"
    )
    parser.add_argument(
        "--chain", default="", metavar="NAME", help="with --wealth: the chain, if several jobs have the coin"
    )
    parser.add_argument(
        "--wallet",
        default="",
        metavar="NAME",
        help="with --wealth: the wallet whose job the paper wallet stands in for",
    )
    parser.set_defaults(command="paper", handler=paper)
    actions = parser.add_subparsers(title="what came of it", metavar="COMMAND", required=False)
    what = "compare each paper wallet with a backtest over the same days and with the real wallet, and explain the gap"
    one = actions.add_parser("show", help=what, description=what + ". No chain is asked.")
    one.add_argument("--name", default=argparse.SUPPRESS, metavar="NAME", help="only this paper wallet (default: all)")
    one.add_argument("--history", type=Path, metavar="FOLDER", help="folder of memory (default: history in data_dir)")
    one.add_argument("--from", dest="since", default="", metavar="DAY", help="first day (default: 30 days ago)")
    one.add_argument("--to", dest="until", default="", metavar="DAY", help="last day (default: the last step)")
    one.set_defaults(command="paper-show", handler=show)


def paper(args: argparse.Namespace, context: Screen) -> int:
    wanted = Wanted(wallet=args.wallet, chain=args.chain, coin=args.coin)
    document, code = use.paper(use.PaperRequest(name=args.name, wealth=args.wealth, wanted=wanted), context)
    parts: list[Any] = [partial(_shown, one) for one in document.wallets if one.ledger is not None]
    lost = [(one.chain, one.name, one.skipped) for one in document.wallets if one.skipped is not None]
    parts += [partial(Group, line) for line in skips.lines(lost, "paper wallet")]
    context.show(document.as_json(), *parts)
    return code


def _grouped(number: str) -> str:
    """A decimal text with separators."""
    return f"{Decimal(number):,f}"


def _shown(one: PaperWallet) -> Group:
    title = f"Paper wallet {one.name}: {_grouped(one.wealth)} {one.coin} on {one.chain}"
    if one.began is not None:
        title += f" since {when(one.began)}"
    assert one.ledger is not None  # else it was skipped
    own, unit = one.ledger, one.assets[0]
    made = TextTable(title, "In", ">Amount", ">Expected", "Since")
    for money in own.idle:
        made.add_row("Wallet", money.shown, "", "")
    for held in own.positions:
        expected = "" if held.expected_apr is None else f"{held.expected_apr:z.2%}"
        leaving = "" if held.leaving is None else f" ({held.leaving.shown} leaving)"
        since = "" if held.since is None else when(held.since)
        made.add_row(held.name, f"{held.amount.shown}{leaving}", expected, since)
    costs = f"gas {own.gas:z,.4f} {unit}, swaps {own.swapped:z,.4f} {unit}, entry fees {own.entered:z,.4f} {unit}"
    earned = f"earned {own.earned:z,.4f} {unit} (expected: {own.expected:z,.4f} {unit})"
    kinds = f"{own.sold:z,.4f} {unit} for those sold, {own.unsold:z,.4f} {unit} kept"
    rewards = f"rewards {own.rewards:z,.4f} {unit} when claimed: {kinds}"
    lines = [
        *([rewards] if own.rewards else []),
        f"{own.value:z,.4f} {unit} in all: {earned}, {costs}",
        _did(one),
        *(f"{bad.name} could not be read: {bad.reason}" for bad in one.quarantined),
        *one.contradicted,
    ]
    return Group(made, *(Text(line) for line in lines))


def _did(one: PaperWallet) -> str:
    match one.step:
        case "skipped":
            return "no step was made: its chain could not be served"
        case "known":
            return f"no newer block than {one.height:,}: nothing was done; the last step: {one.did}"
        case _:
            return f"block {one.height:,}: {one.did}"


def show(args: argparse.Namespace, context: Screen) -> int:
    if args.wealth or args.coin or args.chain or args.wallet:
        raise ConfigError(
            "`paper show` takes --name, --history, --from and --to alone: the other flags begin a paper wallet"
        )
    request = paper_show.PaperShowRequest(name=args.name, history=args.history, since=args.since, until=args.until)
    found = paper_show.show(request, context)
    context.show(found.as_json(), lambda: Group(*(_compared(one) for one in found.wallets)))
    return 0


def _compared(one: PaperComparison) -> Group:
    what = f"{_grouped(one.wealth)} {one.coin} on {one.chain}"
    title = f"Paper wallet {one.name}: {what}, {when(one.since)} to {when(one.time)}"
    made = TextTable(title, "", *(f">{side.name}" for side in one.sides))
    for words, cell in ROWS:
        made.add_row(words, *(cell(side) for side in one.sides))
    lines = []
    for gap in one.gaps:
        parts = f"rates {gap.rates_pp:+z.2f}, timing {gap.timing_pp:+z.2f}, costs {gap.costs_pp:+z.2f}"
        lines.append(f"paper less {gap.other}: {gap.whole_pp:+z.2f} pp a year ({parts}, other {gap.other_pp:+z.2f})")
        lines += [f"  {why}" for why in gap.why]
    if one.left_out:
        began = datetime.fromtimestamp(one.began, UTC).date().isoformat()
        left_out = counted(one.left_out, "other step is", "other steps are")
        lines.append(f"{left_out} left out: `paper show --from {began}` compares all")
    return Group(made, *(Text(line) for line in (*lines, *one.missing)))


ROWS: tuple[tuple[str, Callable[[PaperSide], str]], ...] = (
    ("Days", lambda side: f"{side.days:z.2f}"),
    ("Average money", lambda side: f"{side.wealth:z,.2f}"),
    ("Net, % a year", lambda side: "" if side.net_apr is None else f"{side.net_apr:z.3%}"),
    ("Paid in markets", lambda side: "" if side.rate is None else f"{side.rate:z.3%}"),
    ("Expected there", lambda side: "" if side.expected_rate is None else f"{side.expected_rate:z.3%}"),
    ("In markets", lambda side: f"{side.invested_share:z.1%}"),
    ("Earned", lambda side: f"{side.earned:z,.4f}"),
    ("Gas, swaps, fees", lambda side: f"{side.costs:z,.4f}"),
    ("Rewards, prices", lambda side: f"{side.other:z,.4f}"),
    ("Plans", lambda side: str(side.moves)),
    ("Plans not carried out", lambda side: str(side.failed)),
)
"""The rows of the comparison: label, and the value for each side."""
