"""Lines about chains that could not be served: one for each chain and reason, with the jobs that it concerns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.model.settings import Job

MOST_JOBS = 5
"""Most jobs that a line about their chain names."""
_TRIES = re.compile(r" \(\d+ tries in [\d.]+ s\)")


def skipped(rows: Sequence[tuple[Job, str]]) -> list[Text]:
    """Jobs that were skipped, with the reason of each."""
    return lines([(job.chain.name, f"{job.wallet.name}: {job.title}", reason) for job, reason in rows])


def lines(rows: Sequence[tuple[str, str, str]]) -> list[Text]:
    """A line for each chain that could not be served and each reason, with the jobs that it concerns. rows: chain, job
    and reason; how often and how long was tried makes no reason another."""
    alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for chain, job, reason in rows:
        alike.setdefault((chain, _TRIES.sub("", reason)), []).append((job, reason))
    found = []
    for (chain, _), some in alike.items():
        jobs = ", ".join(job for job, _ in some[:MOST_JOBS])
        more = f" and {counted(len(some) - MOST_JOBS, 'more job')}" if some[MOST_JOBS:] else ""
        found.append(Text(f"{jobs}{more} on {chain} skipped: {some[0][1]}; `yieldbot check` says more", style="yellow"))
    return found
