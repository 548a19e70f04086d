"""Which findings go where and when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from yieldbot.app import notice_rules
from yieldbot.app.notice_rules import NoticeMemory, begin, failed, sent, take
from yieldbot.app.notice_text import safe
from yieldbot.model.notices import Channel, Finding, Notice, QuietHours, Service, Severity, Topic

NOW = 1_800_000_000  # 2027-01-15 08:00 UTC
PHONE = Channel(name="phone", kind=Service.TELEGRAM)
TEAM = Channel(name="team", kind=Service.SLACK)


def found(key: str = "a", severity: Severity = Severity.WARNING, **more: object) -> Finding:
    made = Finding(key=key, topic=Topic.ALARM, severity=severity, text=f"text of {key}", at=NOW)
    return replace(made, **more)  # type: ignore[arg-type]


def due(memory: NoticeMemory, channel: Channel = PHONE, now: int = NOW, zone: str = "UTC") -> Notice | None:
    return begin(memory, channel, zone, now)


def test_findings_are_grouped_the_gravest_first_and_the_rest_is_counted() -> None:
    memory = NoticeMemory()
    take(memory, [found(f"w{i}") for i in range(20)], [PHONE], NOW)
    take(memory, [found("c", Severity.CRITICAL, topic=Topic.SILENT)], [PHONE], NOW)
    notice = due(memory)
    assert notice is not None and notice.findings[0].key == "c" and notice.severity is Severity.CRITICAL
    assert len(notice.findings) == notice_rules.MOST_FINDINGS and notice.left_out == 9
    assert notice.lines[-1] == "and 9 more: `yieldbot history` lists them"
    assert notice.title == "yieldbot critical: silent, alarm 20"
    sent(memory, PHONE, NOW)
    assert due(memory, now=NOW + 3600) is None


def test_severity_and_topic_decide_the_channel() -> None:
    loud = replace(PHONE, severities=frozenset({Severity.CRITICAL}))
    plans = replace(TEAM, topics=frozenset({Topic.PLAN}))
    memory = NoticeMemory()
    take(memory, [found("w"), found("c", Severity.CRITICAL), found("p", topic=Topic.PLAN)], [loud, plans], NOW)
    first, second = due(memory, loud), due(memory, plans)
    assert first is not None and [one.key for one in first.findings] == ["c"]
    assert second is not None and [one.key for one in second.findings] == ["p"]


@pytest.mark.parametrize(("zone", "quiet"), [("UTC", False), ("America/New_York", True)])
def test_in_quiet_hours_only_what_is_critical_is_sent_and_the_rest_after_them(zone: str, quiet: bool) -> None:
    channel = replace(PHONE, quiet=QuietHours(22 * 60, 7 * 60))
    memory = NoticeMemory()
    take(memory, [found("w")], [channel], NOW)
    assert (due(memory, channel, zone=zone) is None) is quiet  # 08:00 in UTC, 03:00 in New York
    if quiet:
        take(memory, [found("c", Severity.CRITICAL)], [channel], NOW)
        night = due(memory, channel, zone=zone)
        assert night is not None and [one.key for one in night.findings] == ["c"]
        sent(memory, channel, NOW)
        morning = due(memory, channel, NOW + 4 * 3600, zone)
        assert morning is not None and [one.key for one in morning.findings] == ["w"]


def test_hours_over_midnight_and_within_a_day() -> None:
    night, noon = QuietHours(22 * 60, 7 * 60), QuietHours(12 * 60, 13 * 60)
    assert [night.covers(hour * 60) for hour in (21, 22, 0, 6, 7)] == [False, True, True, True, False]
    assert [noon.covers(minute) for minute in (719, 720, 779, 780)] == [False, True, True, False]


def test_a_channel_gets_a_message_a_minute_and_twelve_an_hour_and_what_is_critical_at_once() -> None:
    memory, times = NoticeMemory(), []
    for second in range(0, 3600, 20):
        take(memory, [found(f"w{second}")], [PHONE], NOW)
        if due(memory, now=NOW + second) is not None:
            sent(memory, PHONE, NOW + second)
            times.append(second)
    assert len(times) == notice_rules.HOURLY and min(b - a for a, b in pairwise(times)) >= 60
    take(memory, [found("c", Severity.CRITICAL)], [PHONE], NOW)
    notice = due(memory, now=NOW + 3590)
    assert notice is not None and notice.findings[0].key == "c" and notice.left_out > 100


def test_the_same_is_not_taken_again_before_its_time() -> None:
    memory, taken = NoticeMemory(), []
    for hours in range(0, 60, 6):
        take(memory, [found("a", again_seconds=86_400), found("once")], [PHONE], NOW + hours * 3600)
        if (notice := due(memory, now=NOW + hours * 3600)) is not None:
            taken.append((hours, [one.key for one in notice.findings]))
            sent(memory, PHONE, NOW + hours * 3600)
    assert taken == [(0, ["a", "once"]), (24, ["a"]), (48, ["a"])]


def test_what_two_failing_channels_pass_on_arrives_once() -> None:
    other = replace(TEAM, name="other")
    mail = Channel(name="mail", kind=Service.EMAIL, severities=frozenset({Severity.INFO}))
    channels, memory = (PHONE, other, mail), NoticeMemory()
    take(memory, [found("a")], channels, NOW)
    for channel in (PHONE, other):
        assert due(memory, channel) is not None
        memory.lines[channel.name].not_before = NOW + 1000
    for channel in (PHONE, other):
        failed(memory, channel, channels, NOW)
    notice = due(memory, mail)
    assert notice is not None and len(notice.findings) == 1
    sent(memory, mail, NOW)
    for _ in range(3):
        due(memory, other, NOW + 5000)
        failed(memory, other, channels, NOW + 5000)
    assert due(memory, mail, NOW + 6000) is None


def test_what_is_only_informative_is_not_passed_on() -> None:
    mail = Channel(name="mail", kind=Service.EMAIL, severities=frozenset({Severity.CRITICAL}))
    memory = NoticeMemory()
    take(memory, [found("a", Severity.INFO)], (PHONE, mail), NOW)
    due(memory)
    failed(memory, PHONE, (PHONE, mail), NOW)
    assert due(memory, mail) is None and due(memory, PHONE, NOW + 60) is not None


def test_a_clock_that_was_wrong_does_not_silence_a_channel() -> None:
    memory = NoticeMemory()
    take(memory, [found("a")], [PHONE], NOW)
    memory.lines["phone"].not_before = NOW + 10 * 365 * 86_400
    memory.lines["phone"].sent = [NOW + 10 * 365 * 86_400] * 100
    assert due(memory) is not None


def test_a_line_keeps_what_matters_when_too_much_waits() -> None:
    memory = NoticeMemory()
    take(memory, [found("c", Severity.CRITICAL)], [PHONE], NOW)
    take(memory, [found(f"i{i}", Severity.INFO) for i in range(notice_rules.MOST_WAITING * 2)], [PHONE], NOW)
    line = memory.lines["phone"]
    assert len(line.waiting) == notice_rules.MOST_WAITING and line.waiting[0].finding.key == "c"
    notice = due(memory)
    assert notice is not None and len(notice.findings) + notice.left_out == notice_rules.MOST_WAITING * 2 + 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://user:pw@node.example:8545/v2/abc?key=1 now", "see https address at node.example now"),
        ("wss://h.example", "wss address at h.example"),
        (
            "\u00e9https://h.example/secret ://x ://",
            "\u00e9https address at h.example an address at x an address at a host",
        ),
        ("key yb_0123456789abcdef works", "key (hidden) works"),
        ("bot 123456789:AAErandomTokenOfABotThatNobodyMayKnow", "bot (hidden)"),
        ("Authorization: Bearer abc.def", "Authorization: (hidden)"),
        ("a hunter22 b", "a (hidden) b"),
        ("two\nlines\x00 \u202egnp.exe", "two lines� �gnp.exe"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_text_is_one_printable_line_without_secrets(text: str, shown: str) -> None:
    assert safe(text, ["hunter22"]) == shown
