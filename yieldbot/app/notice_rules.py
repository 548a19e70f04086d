"""Which findings go where and when: de-duplication, severity to channel, quiet hours, rates, growing pauses, and
another channel where one fails. Pure, except that functions change the memory that they are given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from datetime import datetime

from yieldbot.model.dataclass import dataclass
from yieldbot.model.notices import Channel, Finding, Notice, Severity, zone_of

MOST_FINDINGS = 12
"""Most findings in one message; the number of further ones is stated."""
PAUSE_SECONDS = 60
"""Least seconds between two messages of one channel, unless a finding is critical; also the first pause after a
failure."""
LONGEST_PAUSE_SECONDS = 6 * 3600
HOURLY = 12
"""Most messages an hour through one channel; further findings wait and are sent together."""
HOURLY_CRITICAL = 30
"""As HOURLY, for messages with a critical finding."""
OLDEST_SECONDS = 3 * 86_400
"""Age in seconds at which a finding that could not be sent is dropped, which is reported."""
MOST_WAITING = 500
"""Most findings that wait for one channel; beyond it the oldest are dropped."""
MOST_KNOWN = 20_000
"""Most keys of findings that are remembered; beyond it the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A finding that waits for a channel."""

    finding: Finding
    """The finding."""
    passed_on: bool = False
    """Whether it was also given to another channel, because this one failed."""


@dataclass(slots=True)
class Line:
    """The queue and the state of one channel."""

    waiting: list[Waiting] = field(default_factory=list)
    """Findings to be sent, the oldest first."""
    sending: list[Waiting] = field(default_factory=list)
    """Findings being sent now. If there are any at a start, the process ended before the outcome was known."""
    failures: int = 0
    """Attempts in a row that failed."""
    not_before: int = 0
    """Unix seconds before which the channel is not tried again."""
    sent: list[int] = field(default_factory=list)
    """When messages were sent in the last hour, in unix seconds."""
    dropped: int = 0
    """Findings that were dropped and are still to be reported."""


@dataclass(slots=True)
class NoticeMemory:
    """What notices remember from one process to the next."""

    cursor: int | None = None
    """Number of the last journal entry that was looked at; None: none was."""
    known: dict[str, int] = field(default_factory=dict)
    """When a finding was last queued, in unix seconds, by the finding's key."""
    lines: dict[str, Line] = field(default_factory=dict)
    """Each channel's queue and state, by the channel's name."""
    failing: dict[str, int] = field(default_factory=dict)
    """How often in a row each job failed."""
    summaries: dict[str, str] = field(default_factory=dict)
    """Label of the last summary (as its day or week), by the summary's name."""


def take(memory: NoticeMemory, findings: Iterable[Finding], channels: Sequence[Channel], now: int) -> None:
    """Add new findings to the queues of the channels that are configured for them. Findings that were queued before are
    left out."""
    for finding in findings:
        if finding.ends is not None:
            memory.known.pop(finding.ends, None)
        before = memory.known.get(finding.key)
        if before is not None and (finding.again_seconds is None or now - before < finding.again_seconds):
            continue
        memory.known.pop(finding.key, None)  # the newest stand last
        memory.known[finding.key] = now
        for channel in channels:
            if channel.takes(finding):
                _put(memory, channel.name, Waiting(finding))
    for key in list(memory.known)[: max(0, len(memory.known) - MOST_KNOWN)]:
        del memory.known[key]


def begin(memory: NoticeMemory, channel: Channel, zone: str, now: int) -> Notice | None:
    """The notice that this channel is to send now, whose findings are moved to ``Line.sending``; None: nothing is
    due."""
    line = memory.lines.setdefault(channel.name, Line())
    _expire(line, now)
    critical = any(one.finding.severity is Severity.CRITICAL for one in line.waiting)
    if 0 < line.not_before - now <= LONGEST_PAUSE_SECONDS:  # a later time was written while the clock was wrong
        return None
    line.sent = [at for at in line.sent if 0 <= now - at < 3600]
    if len(line.sent) >= (HOURLY_CRITICAL if critical else HOURLY):
        return None
    if line.sent and now - line.sent[-1] < PAUSE_SECONDS and not critical:
        return None
    due = [one for one in line.waiting if not _quiet(channel, one.finding, zone, now)]
    if not due:
        return None
    due.sort(key=lambda one: -one.finding.severity.rank)
    keys = {one.finding.key for one in due}
    line.sending = due
    line.waiting = [one for one in line.waiting if one.finding.key not in keys]
    shown = tuple(one.finding for one in due[:MOST_FINDINGS])
    text = "\n".join((channel.name, *(f"{one.key} {one.at}" for one in shown)))
    left_out = len(due) - len(shown) + line.dropped
    return Notice(
        id=hashlib.sha256(text.encode()).hexdigest()[:24], title=_title(due), findings=shown, left_out=left_out, at=now
    )


def sent(memory: NoticeMemory, channel: Channel, now: int) -> None:
    """Record that the notice being sent was delivered."""
    line = memory.lines[channel.name]
    line.sending, line.failures, line.not_before, line.dropped = [], 0, 0, 0
    line.sent.append(now)


def failed(
    memory: NoticeMemory, channel: Channel, channels: Sequence[Channel], now: int, retry_after: float | None = None
) -> None:
    """Record that the notice could not be sent: it is tried again after a growing pause, and findings that matter are
    also queued for another channel.

    retry_after: seconds that the service asked to wait; None: it did not.
    """
    line = memory.lines[channel.name]
    line.failures += 1
    pause = min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** min(line.failures - 1, 20))
    line.not_before = now + max(pause, round(min(retry_after or 0, LONGEST_PAUSE_SECONDS)))
    again, line.sending = line.sending, []
    for one in again:
        passed = one.passed_on or _pass_on(memory, channel, channels, one.finding, now)
        line.waiting.append(replace(one, passed_on=passed))
    line.waiting.sort(key=lambda one: one.finding.at)


def recover(memory: NoticeMemory, channels: Sequence[Channel], now: int) -> None:
    """Called at start: findings that were being sent when the last process ended may have been delivered, so they are
    not sent through the same channel again; those that matter are queued for another one. State of channels that are no
    longer configured is dropped."""
    named = {channel.name: channel for channel in channels}
    for name in [name for name in memory.lines if name not in named]:
        del memory.lines[name]
    for name, line in memory.lines.items():
        begun, line.sending = line.sending, []
        for one in begun:
            if not one.passed_on:
                _pass_on(memory, named[name], channels, one.finding, now)


def job_ended(memory: NoticeMemory, job: str, lasting: bool, failed_now: bool) -> tuple[bool, bool]:
    """(whether to report a job's failure now, whether to report that it works again). A failure that may pass by
    itself (lasting: False) is reported when it occurs twice in a row."""
    before = memory.failing.get(job, 0)
    if not failed_now:
        memory.failing.pop(job, None)
        return False, before >= 2
    memory.failing[job] = max(2, before + 1) if lasting else before + 1
    return memory.failing[job] >= 2, False


def _put(memory: NoticeMemory, name: str, one: Waiting) -> None:
    line = memory.lines.setdefault(name, Line())
    line.waiting = [old for old in line.waiting if old.finding.key != one.finding.key]
    line.waiting.append(one)
    if len(line.waiting) > MOST_WAITING:
        lightest = min(range(len(line.waiting)), key=lambda at: (line.waiting[at].finding.severity.rank, at))
        del line.waiting[lightest]
        line.dropped += 1


def _pass_on(memory: NoticeMemory, channel: Channel, channels: Sequence[Channel], finding: Finding, now: int) -> bool:
    """Queue a finding that matters for a channel that would not get it otherwise; returns whether there is one."""
    if finding.severity is Severity.INFO:
        return False
    others = [one for one in channels if one.name != channel.name and not one.takes(finding)]
    if any(one.name != channel.name and one.takes(finding) and _works(memory, one, now) for one in channels):
        return True  # another channel has it already
    others.sort(key=lambda one: not _works(memory, one, now))
    if not others:
        return False
    mark = f"passed:{others[0].name}:{finding.key}"
    if memory.known.get(mark, -1) < finding.at:
        memory.known.pop(mark, None)
        memory.known[mark] = max(now, finding.at)
        text = f"(not through {channel.name}) {finding.text}"
        _put(memory, others[0].name, Waiting(replace(finding, text=text), passed_on=True))
    return True


def _works(memory: NoticeMemory, channel: Channel, now: int) -> bool:
    line = memory.lines.get(channel.name)
    return line is None or line.not_before <= now


def _expire(line: Line, now: int) -> None:
    kept = [one for one in line.waiting if now - one.finding.at < OLDEST_SECONDS]
    line.dropped += len(line.waiting) - len(kept)
    line.waiting = kept


def _quiet(channel: Channel, finding: Finding, zone: str, now: int) -> bool:
    if channel.quiet is None or finding.severity is Severity.CRITICAL:
        return False
    here = datetime.fromtimestamp(now, zone_of(zone))
    return channel.quiet.covers(here.hour * 60 + here.minute)


def _title(due: Sequence[Waiting]) -> str:
    """The heading of a message, without foreign text: how many findings of which topic, the gravest first."""
    counted: dict[str, int] = {}
    for one in due:
        counted[one.finding.topic.value] = counted.get(one.finding.topic.value, 0) + 1
    gravest = max((one.finding.severity for one in due), key=lambda one: one.rank)
    what = ", ".join(f"{topic} {count}" if count > 1 else topic for topic, count in counted.items())
    return f"yieldbot {gravest.value}: {what}"
