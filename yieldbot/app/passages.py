"""Texts that questions are answered from beside the tools' documents: pages of the documentation, entries of the
journal, and what the watch has found. A caller gets only what it may see."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import TYPE_CHECKING, Literal

from yieldbot.access.caller import normal
from yieldbot.app import looks
from yieldbot.app.collections import visible
from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.notices import Severity
from yieldbot.model.risk import Act
from yieldbot.resources import folder, read_text
from yieldbot.risk.severity import severities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldbot.access.caller import Caller
    from yieldbot.app.service import Service
    from yieldbot.model.settings import Job

LEFT_OUT = ("json.md", "openapi.json", "api-examples.md")
"""Files of the documentation that answer no question in words."""
LONGEST = 1800
"""Most characters of a passage; longer sections are cut into several."""
MOST_ENTRIES = 500
"""Entries of the journal that are searched, the newest."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text."""

    kind: Literal["page", "journal", "finding"]
    """Where it is from; the text of findings may have been written by strangers."""
    place: str
    """The page with its heading, the entry's number, or the chain."""
    text: str
    """The text."""
    at: int | None = None
    """When it was written, in unix seconds; None: it has no time."""
    severity: str = ""
    """Of a finding: how grave it is, fixed by ``risk/severities.toml`` whatever its text says; else empty."""
    why: str = ""
    """Of a finding: the reason for its severity."""


async def passages(service: Service, caller: Caller) -> tuple[Passage, ...]:
    """Every passage that a caller may see. What cannot be read is left out."""
    found = list(await asyncio.to_thread(pages))
    try:
        rows = visible((await service.journalled("journal")).rows, caller)
        found += [Passage("journal", f"entry {row['seq']}", str(row["text"]), row["at"]) for row in rows[:MOST_ENTRIES]]
    except (YieldbotError, KeyError):
        pass
    for job in service.context.settings.jobs:
        if caller.accounts is None or normal(str(job.wallet.address)) in caller.accounts:
            found += await asyncio.to_thread(findings_of, service, job)
    return tuple(dict.fromkeys(found))


@cache
def pages() -> tuple[Passage, ...]:
    """The documentation by heading."""
    found = list[Passage]()
    for file in sorted(folder("docs").rglob("*.md")):
        if file.name in LEFT_OUT:
            continue
        heading, lines, is_code = "", list[str](), False
        for line in [*read_text(file).splitlines(), "# end"]:
            is_code ^= line.lstrip().startswith("```")
            if not is_code and re.match(r"#{1,4} ", line):
                place = f"docs/{file.name}" + (f", {heading}" if heading else "")
                found += [Passage("page", place, part) for part in _parts("\n".join(lines).strip())]
                heading, lines = line.lstrip("# "), []
            else:
                lines.append(line)
    return tuple(found)


def _parts(text: str) -> list[str]:
    """A section in parts of whole lines; a part that begins within a table begins with its head."""
    found, head = [""], ""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if not line.startswith("|"):
            head = ""
        elif not head and at + 1 < len(lines):
            head = f"{line}\n{lines[at + 1]}\n"
        if found[-1] and len(found[-1]) + len(line) > LONGEST:
            found.append(head)
        found[-1] += f"{line}\n"
    return [one.strip() for one in found if one.strip()]


def findings_of(service: Service, job: Job) -> list[Passage]:
    """What the watch last found for a job; none where it cannot be read."""
    return list(_findings(service, job))


def _findings(service: Service, job: Job) -> Iterator[Passage]:
    """Changes that contracts have announced, and alarms that stand, by the last look of the watch."""
    try:
        memory = looks.load(looks.file_of(service.context.settings.data_dir, job))
    except YieldbotError:
        return
    if memory is None:
        return
    place = f"{job.asset.symbol} on {job.chain.name}"
    for event in memory.open:
        text, grave = f"announced at {event.contract}: {event.words}", severities().of(event)
        yield Passage("finding", place, text, memory.time, grave.severity.value, grave.why)
    for market, alarms in memory.alarms.items():
        for alarm in alarms:
            text = f"alarm {alarm.code} at {market}: {alarm.saw}"
            severity = Severity.CRITICAL if alarm.act is Act.LEAVE else Severity.WARNING
            yield Passage("finding", place, text, memory.time, severity.value, f"it asks for {alarm.act}")
