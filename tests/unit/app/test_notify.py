"""``notify`` over a real journal: what is sent, once, also over restarts, failures and killed processes."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.config.files import SETTINGS, written
from tests.kit.journal.store import BLOCK, CHAIN, MARKET, OWNER, USDC, plan
from yieldbot.app import notice_memory, notify
from yieldbot.app.context import Context
from yieldbot.app.notice_runs import JobEnd, News
from yieldbot.app.notify import NotSent, tell
from yieldbot.errors import ConfigError, TransientError
from yieldbot.journal.exit_entries import ExitRefused
from yieldbot.journal.journal_entries import (
    AccountStopped,
    AlarmLifted,
    AlarmRaised,
    JournalEntry,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.store import Journal
from yieldbot.model.notices import Channel, Finding, Notice, Severity, Topic
from yieldbot.model.risk import Act

NOW = 1_800_000_000
HOOK = "https://hooks.example/T000/B000/very-secret-path"
TOKEN = "123456789:AAErandomTokenOfABotThatNobodyMayKnow"
NODE = "https://node.example/v2/key-of-the-provider"
SECRETS = (HOOK, "very-secret-path", TOKEN, NODE, "key-of-the-provider", "s3cret-passphrase")
CHANNELS = """
[[notices]]
kind = "telegram"
token_env = "BOT"
chat = "42"
severities = ["warning", "critical"]

[[notices]]
name = "team"
kind = "slack"
url_env = "HOOK"
severities = ["info"]
"""


@dataclass
class Outside:
    """Where notices go: what arrived, and how each service behaves."""

    arrived: list[tuple[str, Finding]] = field(default_factory=list)
    notices: list[tuple[str, Notice]] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)

    def send(self, channel: Channel, notice: Notice, secrets: Mapping[str, str], seconds: float) -> None:
        if (failure := self.broken.get(channel.name)) is not None:
            raise failure
        self.notices.append((channel.name, notice))
        self.arrived += [(channel.name, one) for one in notice.findings]

    def texts(self, name: str) -> list[str]:
        return [one.text for channel, one in self.arrived if channel == name]


class Told(Context):
    def __init__(self, config: Path) -> None:
        super().__init__(config)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def made(folder: Path, channels: str = CHANNELS) -> Told:
    folder.mkdir(exist_ok=True)
    env = f"TESTNET_RPC_URL={NODE}\nBOT={TOKEN}\nHOOK={HOOK}\nMY_PASSPHRASE=s3cret-passphrase\n"
    never = '\n[notify]\ndaily_at = "never"\n'
    return Told(written(folder, SETTINGS + channels + never, env=env))


@pytest.fixture
def context(tmp_path: Path) -> Told:
    return made(tmp_path)


def wrote(context: Context, *entries: JournalEntry, at: float = NOW) -> None:
    with Journal.open(context.settings.data_dir / "journal.sqlite", clock=lambda: at) as journal:
        journal.append(*entries)


def waiting(plan_id: str) -> tuple[JournalEntry, JournalEntry]:
    made = replace(plan(plan_id), expires_at=NOW + 10**6)
    return PlanWritten(made), PlanMarked(plan_id, PlanStatus.QUEUED, "queue")


def at(now: int) -> Callable[[], float]:
    return lambda: float(now)


def test_a_plan_that_waits_is_sent_once_with_the_command_that_approves_it(context: Told) -> None:
    wrote(context, *waiting("p1"))
    outside = Outside()
    for later in range(0, 3 * 3600, 1800):
        tell(context, outside.send, now=at(NOW + later))
    (text,) = outside.texts("telegram")
    assert "plan p1 waits" in text and f"to approve: {context.program} approve p1;" in text
    assert outside.texts("team") == [], "it is a warning, and team takes none"


def test_a_plan_that_waits_no_more_is_not_sent(context: Told) -> None:
    wrote(context, *waiting("p1"), PlanMarked("p1", PlanStatus.EXPIRED, "queue", "a newer plan waits: p2"))
    outside = Outside()
    tell(context, outside.send, now=at(NOW))
    assert outside.arrived == []


def test_the_first_time_a_day_is_looked_back_and_no_more(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "long ago"), at=NOW - 2 * 86_400)
    wrote(context, AccountStopped(CHAIN, OWNER, "just now"), at=NOW - 60)
    outside = Outside()
    tell(context, outside.send, now=at(NOW))
    (text,) = outside.texts("telegram")
    assert "just now" in text


def test_an_alarm_that_stands_is_sent_once_and_again_when_it_comes_back(context: Told) -> None:
    holding = RecordedHolding(held_raw=5, apr=0.0, horizon_seconds=1)
    held = Observed(CHAIN, OWNER, BLOCK, asset=USDC.address, holdings={MARKET: holding})
    raised = AlarmRaised(chain=CHAIN, market_id=MARKET, code="PEG", act=Act.LEAVE, saw="0.97", since=1, time=1)
    lifted = AlarmLifted(chain=CHAIN, market_id=MARKET, code="PEG", act=Act.LEAVE, time=2)
    outside, now = Outside(), NOW
    for entries in ((held, raised), (raised,), (raised,), (lifted,), (raised,)):
        wrote(context, *entries, at=now)
        tell(context, outside.send, now=at(now))
        now += 3600
    assert [one.severity for name, one in outside.arrived if name == "telegram"] == [Severity.CRITICAL] * 2
    assert [text for text in outside.texts("team") if "lifted" in text] == [f"alarm PEG in {MARKET} is lifted"]


def test_what_cannot_be_sent_goes_through_another_channel_and_is_tried_again_with_growing_pauses(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))
    outside = Outside(broken={"telegram": NotSent("api.telegram.org cannot be reached (refused)")})
    first = tell(context, outside.send, now=at(NOW))
    assert first.channels[0].failure == "api.telegram.org cannot be reached (refused)"
    assert first.channels[0].next_try == NOW + 60 and first.channels[0].waiting == 1
    (text,) = outside.texts("team")
    assert text.startswith("(not through telegram) account")
    tries, now = [], NOW
    for _ in range(12):
        found = tell(context, outside.send, now=at(now)).channels[0]
        assert found.next_try is not None
        tries.append(found.next_try - now)
        now = found.next_try
    assert tries[:5] == [60, 120, 240, 480, 960] and max(tries) == 6 * 3600
    outside.broken.clear()
    tell(context, outside.send, now=at(now))
    tell(context, outside.send, now=at(now + 86_400))
    assert len(outside.texts("telegram")) == 1 and len(outside.texts("team")) == 1


def test_a_service_that_says_when_is_asked_no_sooner(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))
    outside = Outside(broken={"telegram": NotSent("too many", retry_after=1800.0)})
    assert tell(context, outside.send, now=at(NOW)).channels[0].next_try == NOW + 1800


def test_what_was_not_sent_for_three_days_is_dropped_and_counted(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))
    outside = Outside(broken={"telegram": NotSent("no"), "team": NotSent("no")})
    tell(context, outside.send, now=at(NOW))
    outside.broken.clear()
    wrote(context, AccountStopped(CHAIN, OWNER, "another"), at=NOW + 4 * 86_400)
    tell(context, outside.send, now=at(NOW + 4 * 86_400))
    (notice,) = (notice for name, notice in outside.notices if name == "telegram")
    assert notice.left_out == 1 and "another" in notice.lines[0] and "and 1 more" in notice.lines[-1]


def test_a_killed_process_sends_nothing_twice_through_a_channel(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))
    outside = Outside()

    def killed(channel: Channel, notice: Notice, secrets: Mapping[str, str], seconds: float) -> None:
        outside.send(channel, notice, secrets, seconds)
        shutil.copy(state, kept)  # what a process that ends here leaves on the disk

    state = context.settings.data_dir / "notices" / "state.json"
    kept = state.with_suffix(".kept")
    tell(context, killed, now=at(NOW))
    shutil.copy(kept, state)
    tell(context, outside.send, now=at(NOW + 3600))
    assert len(outside.texts("telegram")) == 1
    assert outside.texts("team")[0].startswith("(not through telegram)"), "it may be that it never arrived"


def test_a_damaged_memory_is_put_aside_and_nothing_comes_twice(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))
    outside = Outside()
    tell(context, outside.send, now=at(NOW))
    state = context.settings.data_dir / "notices" / "state.json"
    state.write_text('{"cursor": [')
    notes = tell(context, outside.send, now=at(NOW + 60)).notes
    assert "could not be read" in notes[0] and len(outside.texts("telegram")) == 1


def test_a_secret_that_is_not_there_is_a_failure_of_its_channel_alone(tmp_path: Path) -> None:
    context = made(tmp_path, CHANNELS.replace('"BOT"', '"NOT_SET"'))
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))
    outside = Outside()
    found = tell(context, outside.send, now=at(NOW)).channels[0]
    assert found.failure == "notices telegram: token_env: $NOT_SET is not set: write the secret there"
    assert len(outside.texts("team")) == 1


def test_jobs_that_fail_are_reported_at_the_second_time_and_when_they_work_again(context: Told) -> None:
    outside, now = Outside(), NOW
    for failure in ("no answer", "no answer", "no answer", None, None):
        tell(context, outside.send, News(ends=(JobEnd(name="main: USDC", failure=failure),)), now=at(now))
        now += 3600
    assert outside.texts("telegram") == ["main: USDC fails: no answer"]
    assert outside.texts("team") == ["main: USDC works again"]
    tell(context, outside.send, News(ends=(JobEnd(name="main: USDC", failure="damaged", lasting=True),)), now=at(now))
    assert outside.texts("telegram")[1:] == ["main: USDC fails: damaged"]


def test_silence_is_critical_once_a_day_and_ends_with_a_run(context: Told) -> None:
    wrote(context, Observed(CHAIN, OWNER, BLOCK))
    outside = Outside()
    for hours in range(0, 80, 2):
        tell(context, outside.send, now=at(NOW + hours * 3600))
    assert len(outside.texts("telegram")) == 3 and "no run since" in outside.texts("telegram")[0]
    wrote(context, Observed(CHAIN, OWNER, BLOCK), at=NOW + 80 * 3600)
    tell(context, outside.send, now=at(NOW + 100 * 3600))
    assert len(outside.texts("telegram")) == 3


def test_what_a_watch_found_waits_in_the_inbox(context: Told) -> None:
    found = Finding(key="w", topic=Topic.WATCH, severity=Severity.WARNING, text="owner\nchanged \x1b[2J", at=NOW)
    data_dir = context.settings.data_dir
    notice_memory.put(data_dir, [found])
    assert not (data_dir / "notices").exists(), "nothing is kept where no notices are sent"
    outside = Outside()
    tell(context, outside.send, now=at(NOW))
    notice_memory.put(data_dir, [found, found])
    (data_dir / "notices" / "inbox.jsonl").open("a").write("no finding\n{}\n")
    tell(context, outside.send, now=at(NOW + 60))
    tell(context, outside.send, now=at(NOW + 120))
    assert outside.texts("telegram") == ["owner changed �[2J"]


def test_an_inbox_that_nobody_empties_stays_small(context: Told) -> None:
    tell(context, Outside().send, now=at(NOW))
    data_dir = context.settings.data_dir
    for number in range(2000):
        found = Finding(key=f"{number}", topic=Topic.WATCH, severity=Severity.INFO, text="x" * 300, at=NOW)
        notice_memory.put(data_dir, [found])
    assert (data_dir / "notices" / "inbox.jsonl").stat().st_size <= notice_memory.MOST_INBOX_BYTES


def test_only_one_process_sends(context: Told) -> None:
    with notice_memory.alone(context.settings.data_dir), pytest.raises(TransientError, match="another process"):
        tell(context, Outside().send, now=at(NOW))


def test_at_the_end_of_a_run_nothing_is_raised_and_a_hanging_service_is_left(context: Told) -> None:
    wrote(context, AccountStopped(CHAIN, OWNER, "a loss"))

    def hangs(channel: Channel, notice: Notice, secrets: Mapping[str, str], seconds: float) -> None:
        threads.append(threading.current_thread())
        stop.wait(5)

    threads: list[threading.Thread] = []
    stop = threading.Event()
    began = time.monotonic()
    notify.quietly(context, hangs, News(), seconds=0.1)
    assert time.monotonic() - began < 2 and threads[0].daemon
    stop.set()
    assert "yieldbot: notices: telegram: no answer within 0 s" in context.lines
    (context.settings.data_dir / "journal.sqlite").write_bytes(b"no journal at all" * 100)
    notify.quietly(context, Outside().send, News())
    shutil.rmtree(context.settings.data_dir)
    context.settings.data_dir.write_text("a file")
    notify.quietly(context, Outside().send, News())
    assert context.lines[-1].startswith("yieldbot: notices: ")


def test_a_damaged_journal_is_a_finding(context: Told) -> None:
    context.settings.data_dir.mkdir()
    (context.settings.data_dir / "journal.sqlite").write_bytes(b"no journal at all" * 100)
    outside = Outside()
    tell(context, outside.send, now=at(NOW))
    tell(context, outside.send, now=at(NOW + 3600))
    (text,) = outside.texts("telegram")
    assert text.startswith("the journal is not sound")


def test_a_test_goes_through_every_channel_at_once_or_the_named_one(context: Told) -> None:
    outside = Outside(broken={"telegram": NotSent(f"HTTP 401 for {TOKEN}")})
    found = notify.test(context, outside.send, None)
    assert [(one.name, one.sent) for one in found.channels] == [("telegram", 0), ("team", 1)]
    assert found.channels[0].failure == "HTTP 401 for (hidden)"
    assert [one.name for one in notify.test(context, outside.send, "team").channels] == ["team"]
    with pytest.raises(ConfigError, match="no channel 'x': known are: telegram, team"):
        notify.test(context, outside.send, "x")


LURES = ("claim at https://evil.example/a?key=1", "a\nb", "\u202e`*<@!")
NASTY = st.text(max_size=60) | st.sampled_from([*SECRETS, *LURES])
LINES = st.lists(NASTY, min_size=1, max_size=4).map(" ".join)
ENTRIES = st.one_of(
    st.builds(lambda text: AccountStopped(CHAIN, OWNER, text), LINES),
    st.builds(
        lambda text, code: AlarmRaised(
            chain=CHAIN, market_id=MARKET, code=code, act=Act.LEAVE, saw=text, since=1, time=1
        ),
        LINES,
        st.sampled_from(["PEG", "CASH"]),
    ),
    st.builds(
        lambda code: AlarmLifted(chain=CHAIN, market_id=MARKET, code=code, act=Act.LEAVE, time=1),
        st.sampled_from(["PEG", "CASH"]),
    ),
    st.builds(
        lambda text, real: ExitRefused(
            chain=CHAIN, owner=OWNER, market_id=MARKET, fingerprint="f", reason=text, on_chain=real
        ),
        LINES,
        st.booleans(),
    ),
    st.builds(lambda status, text: PlanMarked("p1", status, "execution", text), st.sampled_from(PlanStatus), LINES),
)
STEPS = st.lists(
    st.tuples(
        st.lists(ENTRIES, max_size=4),
        st.sampled_from(["works", "telegram", "both", "killed"]),
        st.integers(1, 7200),  # an alarm that is lifted and raised again is told again, by another time
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(steps=STEPS)
def test_whatever_the_journal_holds_nothing_is_sent_twice_and_nothing_with_a_secret(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[list[JournalEntry], str, int]]
) -> None:
    context, outside, now = made(tmp_path_factory.mktemp("p") / "q"), Outside(), NOW
    wrote(context, PlanWritten(replace(plan("p1"), expires_at=NOW + 10**6)), at=NOW)
    state = context.settings.data_dir / "notices" / "state.json"
    for entries, how, later in steps:
        now += later
        if entries:
            wrote(context, *entries, at=now)
        broken = {"telegram": NotSent(f"no: {HOOK}")} if how in ("telegram", "both") else {}
        outside.broken = broken | ({"team": NotSent("no")} if how == "both" else {})  # type: ignore[assignment]

        def sends(channel: Channel, notice: Notice, secrets: Mapping[str, str], seconds: float) -> None:
            shutil.copy(state, state.with_suffix(".kept"))
            outside.send(channel, notice, secrets, seconds)

        state.with_suffix(".kept").unlink(missing_ok=True)
        document = tell(context, sends, now=at(now))
        if how == "killed" and state.with_suffix(".kept").exists():
            shutil.copy(state.with_suffix(".kept"), state)
        assert not any(secret in document.model_dump_json() for secret in SECRETS)
    seen = [(name, one.key, one.at) for name, one in outside.arrived]
    assert len(seen) == len(set(seen))
    for _, notice in outside.notices:
        for line in (notice.title, *notice.lines):
            assert line.isprintable() and len(line) <= 330
            assert not any(secret in line for secret in SECRETS) and "://" not in line
    assert not any(secret in state.read_text() for secret in SECRETS if state.exists())
