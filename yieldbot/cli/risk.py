"""``yieldbot risk``: the safety grade of each market, with the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import risk as use
from yieldbot.app import risk_record as record
from yieldbot.app.exposure_documents import exposure_line
from yieldbot.app.risk_documents import JobRisk
from yieldbot.cli import risk_record
from yieldbot.cli.flags import add_job_flags, filter_of
from yieldbot.cli.listings import NOT_LOOKED, UNSEEN
from yieldbot.cli.render import percent
from yieldbot.cli.skips import lines as skip_lines
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.model.amounts import Apr

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.risk_documents import MarketRisk, RiskDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

MOST_DETAILED = 3
"""Up to this many markets are shown with their evidence; more are shown as a table."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser("risk")
    parser.add_argument(
        "market", nargs="?", default="", metavar="MARKET", help="a market's name or id, or a part of one"
    )
    parser.add_argument("--min-safety", type=int, metavar="GRADE", help="only markets with at least this grade (0-100)")
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="compare past grades with what happened afterwards",
    )
    parser.add_argument(
        "--signals", action="store_true", help="compare past signals with what happened within 7 and 30 days"
    )
    parser.add_argument(
        "--replay",
        action="store_true",
        help="with --signals: compute the signals again from memory instead of using the stored ones",
    )
    parser.add_argument("--since", default="", metavar="DAY", help="with --calibration or --signals: from this day on")
    parser.add_argument(
        "--history",
        type=Path,
        metavar="FOLDER",
        help="with --calibration or --signals: a folder of memory; for --signals also a file to import",
    )
    add_job_flags(parser)
    parser.set_defaults(command="risk", handler=risk)


def risk(args: argparse.Namespace, context: Screen) -> int:
    if args.calibration and args.signals:
        raise ConfigError("--calibration and --signals are two tables: ask for one")
    if args.calibration:
        return _calibration(args, context)
    if args.signals:
        return _signals(args, context)
    if args.since or args.history or args.replay:
        raise ConfigError("--since, --history and --replay say of what --calibration or --signals is made: add one")
    request = use.RiskRequest(market=args.market, jobs=filter_of(args), min_safety=args.min_safety)
    found = use.risk(request, context)
    context.show(found.document.as_json(), lambda: _shown(found.document, args.min_safety, args.market))
    return found.exit_code


def _calibration(args: argparse.Namespace, context: Screen) -> int:
    found = record.calibration(record.RecordRequest(since=args.since, history=args.history), context)
    context.show(found.as_json(), lambda: risk_record.calibration(found))
    return 0


def _signals(args: argparse.Namespace, context: Screen) -> int:
    found = record.signals(record.RecordRequest(since=args.since, history=args.history, replay=args.replay), context)
    context.show(found.as_json(), lambda: risk_record.signals(found))
    return 0


def _shown(found: RiskDocument, least: int | None, market: str = "") -> Group:
    """The grades of each job. market: the one that was asked for: jobs without it are left out."""
    whole = exposure_line(found.exposures, "All our money")
    lost = [(one.chain, f"{one.wallet}: {one.asset}", one.skipped or "") for one in found.jobs if one.block is None]
    jobs = [job for job in found.jobs if isinstance(job, JobRisk) and (job.markets or not market)]
    shown = (part for job in jobs for part in _job(job, least))
    return Group(*shown, *skip_lines(lost), *([Text(whole)] if whole else []))


def _job(job: JobRisk, least: int | None) -> list[Any]:
    """A job's grades. least: the lowest grade that was requested; None: all."""
    title = f"{job.chain} {job.asset}"
    if least is not None and not job.markets:
        return [Text(f"{title}: no market has a grade of {least} or more")]
    sheet = TextTable(
        title,
        "Market",
        ">Safety",
        "",
        ">Loss bp/y",
        ">Quoted APY",
        ">APY after risk",
        ">Short",
        ">Long",
        "Signal",
        "Why",
    )
    for one in job.markets:
        sheet.add_row(
            one.name, str(one.safety), one.letter, f"{one.loss_bps:z.0f}", percent(Apr(one.quoted).compounded()),
            percent(Apr(one.short_mean).compounded()), str(one.short), str(one.long), one.advice, one.reason,
        )  # fmt: skip
    parts: list[Any] = [sheet]
    if line := exposure_line(job.exposures):
        parts.append(Text(line))
    if own := [f"{one.name} {one.haircut_bps:g} bp" for one in job.markets if one.haircut_bps is not None]:
        parts.append(Text(f"Plans deduct your policy.haircut_bps in place of the expected loss: {', '.join(own)}"))
    if any(UNSEEN in side.missing for one in job.markets for side in one.components):
        parts.append(Text(NOT_LOOKED))
    if len(job.markets) <= MOST_DETAILED:
        parts += [part for one in job.markets for part in _detail(one, job)]
    return parts


def _detail(one: MarketRisk, job: JobRisk) -> list[Any]:
    """What a market's grade is made of, with the chain's name where the grade has its identifier."""
    sheet = TextTable(f"{one.name}: what its safety is made of", "Side", ">Score", ">Weight", "Evidence", "Not known")
    for side in one.components:
        told = "; ".join(f"{found.what}: {found.value}" for found in side.evidence)
        texts = [text.replace(job.chain_id, job.chain) for text in (told, ", ".join(side.missing))]
        sheet.add_row(side.name, f"{side.score:z.0f}", f"{side.weight:z.0%}", *texts)
    lines = [f"{one.name}: {line}" for line in one.limits]
    loss = f"Expected loss: {one.loss_bps:z.0f} bp a year ({one.loss_low_bps:z.0f} to {one.loss_high_bps:z.0f})."
    return [sheet, *(Text(line) for line in lines), Text(loss)]
