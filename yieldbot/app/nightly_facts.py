"""The facts of a day that the assistant is given for the night's summary in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from yieldbot.access.caller import Caller, Scope
from yieldbot.app import notice_summary
from yieldbot.app.desk import Desk
from yieldbot.app.history import plans_named
from yieldbot.app.nightly import Fact
from yieldbot.app.notice_findings import held_in, of_journal
from yieldbot.app.passages import findings_of
from yieldbot.app.wiring import JOURNAL
from yieldbot.journal.store import Journal
from yieldbot.model.notices import Severity

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.service import Service

MOST_EVENTS = 60
MOST_ROWS = 20_000
"""Most journal entries that are looked through."""


async def facts(service: Service, since: int, until: int) -> tuple[Fact, ...]:
    """The facts of a day; none where nothing was held and nothing happened. Raises YieldbotError for a journal that
    cannot be read."""
    found = await asyncio.to_thread(lambda: list(_of_journal(service.context, since, until)))
    caller = Caller("assistant", frozenset((Scope.READ,)))
    desk = Desk(service, lambda: caller)
    if service.newest("positions").as_of and (page := await desk.list_positions()).items:
        found.append(Fact("tool", "list_positions", page.model_dump(mode="json")))
    if (waiting := await desk.list_plans("queued", 5)).items:
        found.append(Fact("tool", "list_plans, queued", waiting.model_dump(mode="json")))
    jobs = service.context.settings.jobs
    watched = await asyncio.to_thread(lambda: [one for job in jobs for one in findings_of(service, job)])
    rows = [
        {"place": one.place, "at": one.at, "severity": one.severity, "why": one.why, "message": one.text}
        for one in sorted(dict.fromkeys(watched), key=lambda one: -Severity(one.severity).rank)
    ]
    if rows:
        found.append(Fact("finding", "announced changes and alarms that stand", {"findings": rows[:MOST_EVENTS]}))
    return tuple(found)


def _of_journal(context: Context, since: int, until: int) -> Iterator[Fact]:
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return
    with Journal.read(file) as journal:
        records = journal.records()
        day = [one for one in journal.history(MOST_ROWS) if since < one.at <= until]
        plans = {name: one for name in plans_named(day) if (one := journal.plan(name)) is not None}
    lines = notice_summary.of_jobs(context.settings.jobs, records, since, until)
    if lines:
        yield Fact("journal", "the day's figures", {"since": since, "until": until, "lines": list(lines)})
    events = of_journal(day, plans, held_in(records), until, context.program)
    rows = [
        {"topic": one.topic.value, "severity": one.severity.value, "at": one.at, "message": one.text}
        for one in sorted(events, key=lambda one: -one.severity.rank)[:MOST_EVENTS]
    ]
    if rows:
        yield Fact("journal", "the day's events, the gravest first", {"events": rows})
