"""``notify``: sends what is new since the last notice, and retries what could not be sent."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.app import nightly, notice_memory, notice_rules, notice_summary
from yieldbot.app.history import plans_named
from yieldbot.app.notice_findings import held_in, newest_run, of_journal, silence
from yieldbot.app.notice_keys import of_keys
from yieldbot.app.notice_memory import Busy
from yieldbot.app.notice_rules import NoticeMemory
from yieldbot.app.notice_runs import News
from yieldbot.app.notice_text import safe
from yieldbot.app.notify_documents import ChannelResult, NotifyDocument
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError, InvariantError, TransientError, YieldbotError
from yieldbot.execution.keyfile import check_private
from yieldbot.journal.store import Journal
from yieldbot.model.notices import Channel, Finding, Notice, NoticeTimes, Secret, Severity, Topic
from yieldbot.model.spelling import did_you_mean, intended
from yieldbot.model.text import one_line
from yieldbot.resources import first_line

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.app.context import Context
    from yieldbot.journal.fold import Record

DAY = 86_400
FIRST_ROWS = 20_000
"""Most entries that are looked through the first time."""
ALL_SECONDS = 10.0
"""Seconds within which everything is sent, however many channels there are."""
ROUNDS = 3
"""Most rounds of sending in one call: a further one is needed where a failing channel passed its findings on."""
NO_NEWS = News()

Send = Callable[[Channel, Notice, Mapping[str, str], float], None]
"""Sends a notice, within seconds, with the channel's secrets by key; raises NotSent."""


class NotSent(TransientError):
    """A notice could not be delivered through a channel."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the service asked to wait before the next attempt; None: it did not."""


def tell(
    context: Context,
    send: Send,
    news: News = NO_NEWS,
    *,
    seconds: float = ALL_SECONDS,
    now: Callable[[], float] = time.time,
) -> NotifyDocument:
    """Send the notices that are due, within ``seconds``. Without configured channels nothing is done. Raises
    ConfigError for a configuration that cannot be read, Busy while another process sends, OSError where data_dir cannot
    be written."""
    channels, results = context.settings.notices, dict[str, ChannelResult]()
    if not channels:
        return NotifyDocument(channels=())
    secrets, keys, lacking = _secrets(context, channels)
    at, until = int(now()), time.monotonic() + seconds
    with notice_memory.alone(context.settings.data_dir) as folder:
        memory, damage = notice_memory.load(folder)
        notes = [damage] if damage else []
        if memory is None:
            memory = NoticeMemory(cursor=_head(context) if damage else None)
        notice_rules.recover(memory, channels, at)
        found = [
            *_journal(context, memory, at, notes),
            *notice_memory.taken(folder),
            *of_keys(context, at),
            *nightly.findings(context.settings.data_dir, context.settings.notice_times, at),
            *_of(memory, news, at),
        ]
        cleaned = [_cleaned(one, keys) for one in found]
        notice_rules.take(memory, cleaned, channels, at)
        notice_memory.save(folder, memory)
        notice_memory.forget(folder)
        for _ in range(ROUNDS):
            due = _due(memory, channels, context.settings.notice_times, at)
            if not due:
                break
            notice_memory.save(folder, memory)  # before anything is sent: a killed process sends nothing twice
            for channel, failure in _sent(due, send, secrets, lacking, until - time.monotonic()):
                _note(memory, channel, channels, failure, int(now()), results, keys, len(due[channel].findings))
            notice_memory.save(folder, memory)
            if time.monotonic() >= until:
                break
    return NotifyDocument(channels=tuple(_result(memory, one, results) for one in channels), notes=tuple(notes))


def test(context: Context, send: Send, name: str | None, *, seconds: float = 20.0) -> NotifyDocument:
    """Send a test through every channel, or the named one, at once and also in quiet hours. Raises ConfigError where
    there is no such channel."""
    channels = context.settings.notices
    if not channels:
        raise ConfigError(f"{context.settings.source}: no [[notices]] table: add one (docs/notices.md)")
    names = [one.name for one in channels]
    called = None if name is None else intended(name, names)
    if name is not None and called is None:
        raise ConfigError(f"no channel {name!r}: {did_you_mean(name, names)}")
    chosen = tuple(one for one in channels if called in (None, one.name))
    secrets, keys, lacking = _secrets(context, chosen)
    at = int(time.time())
    finding = Finding(
        key="test", topic=Topic.DONE, severity=Severity.INFO, text="this is a test of yieldbot's notices", at=at
    )
    due = {one: Notice(id=f"test-{at}-{one.name}", title="yieldbot test", findings=(finding,), at=at) for one in chosen}
    failures = dict(_sent(due, send, secrets, lacking, seconds))
    return NotifyDocument(
        channels=tuple(
            ChannelResult(
                name=one.name,
                kind=one.kind.value,
                sent=int(failures[one] is None),
                waiting=0,
                failure=None if (why := failures[one]) is None else safe(str(why), keys),
                next_try=None,
            )
            for one in chosen
        )
    )


def quietly(context: Context, send: Send, news: News | None, *, seconds: float = ALL_SECONDS) -> None:
    """Send the notices that are due at the end of a command. Never raises: a failure is one line on stderr."""
    try:
        if news is None or not context.settings.notices:
            return
    except YieldbotError:  # a configuration that cannot be read: the command itself has said so
        return
    try:
        document = tell(context, send, news, seconds=seconds)
    except (Busy, KeyboardInterrupt):  # the person pressed Ctrl-C: the notices are sent the next time
        return
    except Exception as failure:  # a fault of notices must not make a run fail
        context.complain(f"notices: {context.redacted(one_line(str(failure), 300)) or type(failure).__name__}")
        return
    for line in (*document.notes, *(f"{one.name}: {one.failure}" for one in document.channels if one.failure)):
        context.complain(f"notices: {line}")


def _cleaned(finding: Finding, secrets: Sequence[str]) -> Finding:
    """The finding with texts fit for storing and sending. Its key is replaced by a digest, since it may contain foreign
    text of any length."""
    ends = None if finding.ends is None else _digest(finding.ends)
    return replace(finding, text=safe(finding.text, secrets), key=_digest(finding.key), ends=ends)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:32]


def _due(memory: NoticeMemory, channels: Sequence[Channel], times: NoticeTimes, now: int) -> dict[Channel, Notice]:
    found = {channel: notice_rules.begin(memory, channel, times.time_zone, now) for channel in channels}
    return {channel: replace(notice, times=times) for channel, notice in found.items() if notice is not None}


def _note(
    memory: NoticeMemory,
    channel: Channel,
    channels: Sequence[Channel],
    failure: YieldbotError | None,
    now: int,
    results: dict[str, ChannelResult],
    keys: Sequence[str],
    count: int,
) -> None:
    before = results.get(channel.name)
    sent = (before.sent if before else 0) + (count if failure is None else 0)
    if failure is None:
        notice_rules.sent(memory, channel, now)
    else:
        notice_rules.failed(memory, channel, channels, now, getattr(failure, "retry_after", None))
    why = None if failure is None else safe(str(failure), keys)
    results[channel.name] = ChannelResult(
        name=channel.name, kind=channel.kind.value, sent=sent, waiting=0, failure=why, next_try=None
    )


def _result(memory: NoticeMemory, channel: Channel, results: Mapping[str, ChannelResult]) -> ChannelResult:
    line = memory.lines.get(channel.name, notice_rules.Line())
    known = results.get(channel.name)
    return ChannelResult(
        name=channel.name,
        kind=channel.kind.value,
        sent=known.sent if known else 0,
        waiting=len(line.waiting),
        failure=known.failure if known else None,
        next_try=line.not_before if line.failures else None,
    )


def _sent(
    due: Mapping[Channel, Notice],
    send: Send,
    secrets: Mapping[str, Mapping[str, str]],
    lacking: Mapping[str, ConfigError],
    seconds: float,
) -> list[tuple[Channel, YieldbotError | None]]:
    """Send through all channels at once; each one's failure, or None. A channel that has not answered in time counts as
    failed; its daemon thread is not waited for."""
    answers: queue.SimpleQueue[tuple[Channel, YieldbotError | None]] = queue.SimpleQueue()
    until = time.monotonic() + max(0.0, seconds)

    def one(channel: Channel, notice: Notice) -> None:
        try:
            send(channel, notice, secrets[channel.name], seconds)
        except YieldbotError as failure:
            answers.put((channel, failure))
        except Exception as bug:
            answers.put((channel, NotSent(f"{type(bug).__name__}: {bug}")))
        else:
            answers.put((channel, None))

    found: dict[Channel, YieldbotError | None] = {}
    for channel, notice in due.items():
        if (missing := lacking.get(channel.name)) is not None:
            found[channel] = missing
        else:
            threading.Thread(target=one, args=(channel, notice), name=f"notice-{channel.name}", daemon=True).start()
    while len(found) < len(due):
        try:
            channel, failure = answers.get(timeout=max(0.001, until - time.monotonic()))
        except queue.Empty:
            break
        found[channel] = failure
    late = NotSent(f"no answer within {max(0.0, seconds):z.0f} s")
    return [(channel, found.get(channel, late)) for channel in due]


def _secrets(
    context: Context, channels: Sequence[Channel]
) -> tuple[dict[str, dict[str, str]], tuple[str, ...], dict[str, ConfigError]]:
    """(secrets by channel and key, every secret that must not be shown, the error of each channel whose secrets are
    missing)."""
    found: dict[str, dict[str, str]] = {}
    lacking: dict[str, ConfigError] = {}
    environment = context.environment
    for channel in channels:
        found[channel.name] = {}
        for one in channel.secrets:
            try:
                found[channel.name][one.key] = secret_of(channel, one, environment)
            except ConfigError as missing:
                lacking[channel.name] = missing
    own = [value for values in found.values() for value in values.values()]
    own += [part for value in own for part in value.split("/")[3:]]
    return found, (*context.secrets(), *own), lacking


def secret_of(channel: Channel, one: Secret, environment: Mapping[str, str]) -> str:
    """The secret itself. Raises ConfigError, which does not quote it."""
    where = f"notices {channel.name}: {one.key}"
    if one.file is not None:
        check_private(one.file, f"{where}_file", "write it into that file (mode 600), or name the right one")
        try:
            value = first_line(one.file).strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{where}_file {one.file} cannot be read as text: write it again") from None
        named = f"{where}_file {one.file} is empty"
    else:
        value = environment.get(one.env or "", "").strip()
        named = f"{where}_env: ${one.env} is not set"
    if not value:
        raise ConfigError(f"{named}: write the secret there")
    return value


def _journal(context: Context, memory: NoticeMemory, now: int, notes: list[str]) -> list[Finding]:
    """Findings in journal entries since the last time, due summaries, and a finding where no run was made for too long;
    advances the cursor."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return []
    try:
        with Journal.read(file) as journal:
            records, last, looked = journal.records(), journal.head()[0], journal.looked()
            fresh = _fresh(journal, memory, last, now, notes)
            plans = {name: one for name in plans_named(fresh) if (one := journal.plan(name)) is not None}
    except TransientError as passing:
        notes.append(str(passing))
        return []
    except InvariantError as damage:
        notes.append(str(damage))
        text, severity = f"the journal is not sound: {damage}", Severity.CRITICAL
        return [Finding(key="journal", topic=Topic.FAILING, severity=severity, text=text, at=now, again_seconds=DAY)]
    memory.cursor = last
    times = context.settings.notice_times
    found = list(of_journal(fresh, plans, held_in(records), now, context.program))
    if (quiet := silence(newest_run(records, looked), times.silent_seconds, now)) is not None:
        found.append(quiet)
    due, memory.summaries = notice_summary.due(times, memory.summaries, now)
    for name, label, since, until in due:
        lines = notice_summary.of_jobs(context.settings.jobs, records, since, until)
        found += notice_summary.findings(name, label, lines, now)
    return found


def _fresh(journal: Journal, memory: NoticeMemory, last: int, now: int, notes: list[str]) -> list[Record]:
    """Entries since the last time; the first time those of the last day, among the newest FIRST_ROWS."""
    if memory.cursor is None:
        return [one for one in journal.history(FIRST_ROWS) if one.at >= now - DAY]
    if memory.cursor > last:  # another journal, for instance from a backup
        notes.append("the journal is shorter than before: notices begin with what comes from now on")
        return []
    return list(journal.stream(memory.cursor))


def _of(memory: NoticeMemory, news: News, now: int) -> list[Finding]:
    """A command's own findings, and those about jobs that fail or work again."""
    found = list(news.findings)
    for end in news.ends:
        key = f"failing:{end.name}"
        report, again = notice_rules.job_ended(memory, end.name, end.lasting, end.failure is not None)
        if report:
            text, severity = f"{end.name} fails: {end.failure}", Severity.WARNING
            found.append(Finding(key=key, topic=Topic.FAILING, severity=severity, text=text, at=now, again_seconds=DAY))
        elif again:
            text = f"{end.name} works again"
            found.append(
                Finding(
                    key=f"works:{end.name}:{now}",
                    topic=Topic.FAILING,
                    severity=Severity.INFO,
                    text=text,
                    at=now,
                    ends=key,
                )
            )
    return found


def _head(context: Context) -> int:
    """Number of the journal's last entry; 0 where it cannot be read."""
    file: Path = context.settings.data_dir / JOURNAL
    if not file.exists():
        return 0
    try:
        with Journal.read(file) as journal:
            return journal.head()[0]
    except YieldbotError:
        return 0
