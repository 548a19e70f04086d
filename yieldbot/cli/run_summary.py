"""``--summary`` and ``--quiet``: what a run did, in one line a job; jobs whose chain could not be served share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.alike import skips
from yieldbot.app.run_documents import JobFailure
from yieldbot.model.text import counted

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.run_documents import JobReport, RunDocument


def add_summary_flags(parser: argparse.ArgumentParser) -> None:
    """Add the two flags."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--summary", action="store_true", help="one line for each job instead of tables")
    how.add_argument(
        "--quiet",
        action="store_true",
        help="for cron: no progress, and a line for each job in which something happened or failed, or a plan waits "
        "(once, and once more before it expires)",
    )


def lines(document: RunDocument, *, quiet: bool) -> list[str]:
    """A line for each job; quiet: only for those in which something happened, waits or failed. Jobs that were skipped
    for the same reason share one. A job that ended with an error was complained of already."""
    rows = [row for row in document.jobs if not isinstance(row, JobFailure) and not (quiet and _is_calm(row))]
    found = [(row, _outcome(row)) for row in rows]
    done = [f"{row.wallet}: {row.asset} on {row.chain}: {outcome}" for row, outcome in found if outcome]
    return done + skips(
        (row.chain, f"{row.wallet}: {row.asset}", row.skipped) for row in rows if row.skipped is not None
    )


def _is_calm(row: JobReport) -> bool:
    """Whether nothing happened or failed, nothing waits that was not reported before, and nothing is to be left or
    cannot be withdrawn."""
    seen = (
        row.exit_code and not row.reported,
        row.settled,
        row.transactions,
        row.proposed,
        row.stuck,
        row.still_in,
        row.quarantined,
    )
    return not any(seen)


def _outcome(row: JobReport) -> str:
    """What happened in a job; empty where nothing but its skipping did."""
    found = list[str]()
    if row.settled:
        found.append(f"{len(row.settled)} of an earlier run settled")
    if row.transactions:
        results = [one.result for one in row.transactions]
        found.append(", ".join(f"{results.count(one)} {one}" for one in dict.fromkeys(results)))
    if row.proposed is not None:
        found.append(f"Safe transaction {row.proposed.hash} waits for other owners")
    if row.declined is not None:
        found.append(f"{row.declined.code}: {row.declined.reason}")
    elif row.plan is not None and row.plan.action == "hold":
        found.append(f"nothing to do: {row.plan.reason}")
    if row.quarantined:
        found.append(f"{counted(len(row.quarantined), 'market')} could not be read")
    if row.stuck:
        found.append(f"{counted(len(row.stuck), 'holding')} cannot be withdrawn now")
    if row.still_in:
        found.append(f"STILL IN {', '.join(one.name for one in row.still_in)}")
    return "; ".join(found) or ("" if row.skipped is not None else "nothing was decided")
