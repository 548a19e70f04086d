"""Lines about chains that could not be served: one for each chain and reason, with the jobs that it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from yieldbot.app import alike

if TYPE_CHECKING:
    from yieldbot.model.settings import Job


def skipped(rows: Sequence[tuple[Job, str]]) -> list[Text]:
    """Jobs that were skipped, with the reason of each."""
    return lines([(job.chain.name, f"{job.wallet.name}: {job.title}", reason) for job, reason in rows])


def lines(rows: Iterable[tuple[str, str, str]], what: str = "job") -> list[Text]:
    """A line for each chain that could not be served and each reason. rows: chain, who and reason; what: the word for
    one of them."""
    return [Text(line, style="yellow") for line in alike.skips(rows, what)]
