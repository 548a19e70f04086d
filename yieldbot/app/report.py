"""``report``: the overview as one file, for people without a server. Nothing is signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from yieldbot.app import collections
from yieldbot.app.document import Document
from yieldbot.app.export import write_whole
from yieldbot.app.journal_rows import JournalRows
from yieldbot.app.wiring import JOURNAL
from yieldbot.app.worker import newest
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.context import Context

Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Where to write it."""

    output: Path
    """The file."""
    overwrite: bool = False
    """Whether an existing file may be overwritten."""
    draw: Callable[[ReportParts], str]
    """Makes the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportParts:
    """What the page is made of: rows as the server has them."""

    read: Mapping[str, collections.Collection]
    """Rows of one reading by their kind."""
    plans: tuple[Rows, ...]
    """Plans, the newest first."""
    runs: tuple[Any, ...]
    """Runs, the newest first."""
    accounts: tuple[Rows, ...]
    """Our accounts, and whether one is stopped."""
    chains: Mapping[str, str]
    """Chains' names by their identifiers."""
    at: int
    """When chains were read, by their newest block, in unix seconds; 0: none was read."""


class ReportDocument(Document):
    """The overview was written."""

    SCHEMA: ClassVar[str] = "report"

    output: str = Field(description="the file")
    bytes: int = Field(description="its length")
    at: int = Field(description="the time of the newest block that was read, in unix seconds; 0: none was read")
    unread: tuple[str, ...] = Field(description="chains and markets that could not be read, a line each")
    exit_code: int = Field(description="1: a chain or market could not be read; else 0")


def report(request: ReportRequest, context: Context) -> ReportDocument:
    """Reads every chain and the journal, and writes the page. Raises ConfigError for a file that exists already,
    InvariantError for one that cannot be written, and for a damaged journal."""
    output = request.output
    if output.exists() and not output.is_file():
        raise ConfigError(f"--html {output} is not a regular file: name one")
    if output.exists() and not request.overwrite:
        raise ConfigError(f"--html {output} exists already: name another file, or add --force")
    if not output.parent.is_dir():
        raise ConfigError(f"--html {output}: there is no folder {output.parent}")
    found = newest(context, {})
    heads = [job["block"]["timestamp"] for job in found["markets"]["jobs"] if job.get("block")]
    parts = _parts(found, max(heads, default=0), context)
    text = request.draw(parts)
    write_whole(request.output, text, request.overwrite)
    unread = parts.read["markets"].unread
    return ReportDocument(
        output=str(request.output), bytes=len(text.encode()), at=parts.at, unread=unread, exit_code=int(bool(unread))
    )


def _parts(found: Rows, at: int, context: Context) -> ReportParts:
    from yieldbot.app.halt import stopped_accounts

    settings = context.settings
    journal: Mapping[str, Any] = {"plans": [], "runs": []}
    if (settings.data_dir / JOURNAL).exists():
        journal = JournalRows(settings.data_dir).read()
    stopped = stopped_accounts(context)
    accounts = {(job.chain.chain, job.wallet.address): job for job in settings.jobs}
    return ReportParts(
        read=collections.of_reading(found, at),
        plans=tuple(reversed(journal["plans"])),
        runs=tuple(one["run"] for one in reversed(journal["runs"])),
        accounts=tuple(
            {"wallet": job.wallet.name, "chain": job.chain.name, "stopped": stopped.get(key)}
            for key, job in accounts.items()
        ),
        chains={job.chain.chain: job.chain.name for job in settings.jobs},
        at=at,
    )
