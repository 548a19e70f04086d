"""``yieldbot lp add | remove | collect | compound | rerange``: liquidity in pools, moved by a person."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.app.move_liquidity import LiquidityRequest, move_liquidity
from yieldbot.cli.flags import add_timeout_flag, decimal, filter_of, natural
from yieldbot.cli.prompts import Patience
from yieldbot.errors import ConfigError
from yieldbot.model.amounts import Amount

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.move_liquidity import RehearsedOrder
    from yieldbot.app.move_liquidity_documents import LiquidityDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    group = listed.add_parser("lp")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=type(group))
    words = {
        "add": "open a position in a pool, or add to one",
        "remove": "take liquidity and fees out of a position",
        "collect": "take out the fees that a position has earned",
        "compound": "add the fees that a position has earned to its liquidity",
        "rerange": "rebalance the range: take the liquidity out and put it in again around the present price",
    }
    for name, help_ in words.items():
        parser = actions.add_parser(name, help=help_, description=help_)
        if name == "add":
            parser.add_argument("pool", metavar="POOL", help="the pool's address, or USDC/WETH/500 (the fee in 1e-6)")
            give = "TOKEN=AMOUNT"
            parser.add_argument(
                "--give",
                action="append",
                default=[],
                metavar=give,
                help="the most that goes in of a token; once for each token",
            )
            parser.add_argument(
                "--to", type=natural, metavar="ID", help="NFT number of our position to add to; default: open a new one"
            )
        else:
            pair = ", or a Uniswap v2 pair's address for its LP tokens" if name == "remove" else ""
            parser.add_argument("id", metavar="ID", help="the position's NFT number" + pair)
        if name == "remove":
            parser.add_argument(
                "--share",
                type=decimal,
                default=1.0,
                metavar="FRACTION",
                help="fraction of the liquidity to take out (default 1: all)",
            )
        if name in ("add", "rerange"):
            range_ = "best (default), full, or LOW:HIGH as prices in the unit that `markets --kind lp` shows"
            parser.add_argument("--range", default="best", metavar="RANGE", help=range_)
            parser.add_argument(
                "--anyway", action="store_true", help="do it even if the policy says that it does not pay"
            )
        parser.add_argument(
            "--slippage-bps",
            type=decimal,
            default=50.0,
            metavar="BPS",
            help="how far the price may move before execution (default 50)",
        )
        for flag in ("wallet", "chain"):
            parser.add_argument(f"--{flag}", metavar="NAME", help=f"the {flag}, if several have jobs")
        parser.add_argument("--dry-run", action="store_true", help="rehearse and show the order; nothing is signed")
        add_timeout_flag(parser)
        parser.add_argument("-y", "--yes", action="store_true", help="do not ask on the terminal")
        parser.set_defaults(command="lp", action=name, handler=lp, asset=None)


def lp(args: argparse.Namespace, context: Screen) -> int:
    if not args.yes and not args.dry_run and not sys.stdin.isatty():
        raise ConfigError("lp asks on a terminal, and there is none: add --yes where nobody can be asked")
    patience = Patience(args.timeout)
    ask = (lambda: True) if args.yes else lambda: patience.ask(context.settings.policy.run_timeout_seconds)
    done = move_liquidity(_request(args), context, show=partial(_show_rehearsed, context), ask=ask)
    context.show(done.as_json(), lambda: _result(done))
    return done.exit_code


def _request(args: argparse.Namespace) -> LiquidityRequest:
    """The request; fields whose flags the action does not have keep their defaults."""
    given = {name: getattr(args, name) for name in ("pool", "to", "share", "range", "anyway") if name in args}
    if "give" in args:
        given["give"] = tuple(args.give)
    if "id" in args:
        given["position"] = args.id
    return LiquidityRequest(
        action=args.action, jobs=filter_of(args), slippage_bps=args.slippage_bps, dry_run=args.dry_run, **given
    )


def _show_rehearsed(context: Screen, found: RehearsedOrder) -> None:
    """Print each rehearsed transaction and the balance changes of the whole order, on stderr."""
    for warning in found.warnings:
        context.say(f"WARNING: {warning}")
    for number, tx in enumerate(found.rehearsal.txs, 1):
        context.say(f"  {number}. {tx.description}  [{tx.gas_used:,} gas]")
    deltas = found.rehearsal.deltas
    changes = [f"{'+' if d.raw > 0 else ''}{Amount(d.token, d.raw)}" for d in deltas if d.raw]
    summary = ", ".join([*(changes or ["no token moves"]), *found.rehearsal.rollup.words(found.native)])
    context.say(f"rehearsed at block {found.rehearsal.block.height:,}: {summary}")


def _result(done: LiquidityDocument) -> str:
    """Lines about the outcomes of the order's transactions."""
    sent = done.transactions
    confirmed = sum(1 for one in sent if one.result == "confirmed")
    bad = [f"{one.result}: {getattr(one, 'reason', None) or one.hash}" for one in sent if one.result != "confirmed"]
    refused = [f"REFUSED {done.declined.code}: {done.declined.reason}"] if done.declined else []
    summary = f"{confirmed} transaction{'' if confirmed == 1 else 's'} confirmed" if sent else ""
    return "\n".join(line for line in (summary, *bad, *refused) if line)
