"""``yieldbot demo``: the main job from end to end on a sandbox, from idle tokens to positions that have earned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import demo as use
from yieldbot.app.market_documents import YieldsDocument
from yieldbot.app.market_view import View
from yieldbot.app.markets import job_markets
from yieldbot.app.positions import HeldByJob
from yieldbot.app.results import across
from yieldbot.app.sandbox import DIRECTORY
from yieldbot.app.totals import totals
from yieldbot.cli import listings, render
from yieldbot.cli.flags import decimal
from yieldbot.cli.market_table import Shown
from yieldbot.cli.prompts import confirmed
from yieldbot.cli.run import show_proposal
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from yieldbot.app.demo import JobResult
    from yieldbot.app.results import Proposal
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen
    from yieldbot.model.settings import Settings

WIDTH = 152
"""Width of the picture, in characters."""
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
"""Fonts of the picture: the first of these that the reader's machine has."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser("demo")
    chains = "real EVM protocols on anvil, doubles of Solana programs in LiteSVM, or both (default)"
    parser.add_argument("--chain", choices=("evm", "solana", "both"), default="both", help=chains)
    parser.add_argument(
        "--ask", action="store_true", help="ask before signing (default: the sandbox's policy approves)"
    )
    parser.add_argument("--days", type=decimal, default=30.0, metavar="DAYS", help="days to let pass (default 30)")
    parser.add_argument(
        "--dir", type=Path, default=DIRECTORY, metavar="DIR", help=f"the sandbox's folder (default {DIRECTORY})"
    )
    parser.add_argument("--keep", action="store_true", help="leave the sandbox running afterwards")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the tables as a picture")
    parser.set_defaults(command="demo", handler=demo)


def demo(args: argparse.Namespace, context: Screen) -> int:
    async def ask(proposal: Proposal) -> bool:
        show_proposal(context, proposal)
        return confirmed("Sign and send these?")

    request = use.DemoRequest(
        chain=args.chain, days=args.days, directory=args.dir, keep=args.keep, ask=ask if args.ask else None
    )
    found = use.demo(request, context)
    context.show(found.document.as_json())
    if args.svg is not None or not context.json:
        console = context.console(record=args.svg is not None, quiet=context.json, width=WIDTH if args.svg else None)
        _print(console, found.results, context.settings, context.settings.policy.horizon_seconds)
        if args.svg is not None:
            _picture(console, args.svg)
            context.say(f"wrote {args.svg}")
    if args.keep:
        context.say(f"still running: yieldbot --config {found.document.config} positions")
        context.say(f"stop it: yieldbot sandbox down --dir {args.dir}")
    elif not context.json:
        context.say("next: `source .venv/bin/activate`, then `yieldbot sandbox up --all --chain both` to try more")
        context.say("with money of your own: `yieldbot init`")
    return found.exit_code


def _print(console: Console, results: tuple[JobResult, ...], settings: Settings, horizon: float) -> None:
    listed = [
        listings.ListedMarkets(report.job, report.snapshot, report.decision.assessments, report.decision.allocation)
        for report, _, _ in results
        if report.snapshot and report.decision
    ]
    if listed:
        rows = tuple(job_markets(one, horizon, settings.policy) for one in listed)
        document = YieldsDocument(horizon_seconds=horizon, risk_free=None, jobs=rows)
        console.print(
            listings.markets(listed, document, horizon, Shown(view=View(), columns=None, width=console.width))
        )
    for report, _, _ in results:
        for part in render.report(report):
            console.print(part)
    held = [(report.job, later, held) for report, later, held in results]
    sums = totals(
        [HeldByJob(job=job, snapshot=later, positions=tuple(rows)) for job, later, rows in held],
        horizon,
        settings.policy,
    )
    console.print(listings.positions(held, sums, horizon, settings.policy))
    chains = {report.job.chain.chain: report.job.chain.name for report, _, _ in results}
    if between := across([later for _, later, _ in results], settings.policy):
        console.print(listings.bridging(between, chains))


def _picture(console: Console, file: Path) -> None:
    """Save what was printed as SVG that loads nothing: rich would use fonts from a server, this uses the reader's
    own."""
    import re

    from rich._export_format import CONSOLE_SVG_FORMAT

    plain = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    plain = plain.replace("Fira Code, monospace", FONTS)
    drawn = console.export_svg(title="yieldbot demo", code_format=plain, unique_id="demo")
    try:
        file.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", encoding="utf-8")
    except OSError as failure:
        raise ConfigError(f"--svg {file}: cannot be written ({failure.strerror})") from None
