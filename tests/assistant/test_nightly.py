"""The night's summary in words over the double of the Messages API: one request a day, checked, added and never waited
for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.assistant.conftest import Asked
from tests.kit.assistant.messages_double import KEY, LIMITED, OUTPUT_TOKENS, USAGE, Step, error, say
from tests.kit.journal.store import BLOCK, MARKET
from yieldbot.app import looks, notify
from yieldbot.app import nightly as kept
from yieldbot.assistant import opening
from yieldbot.assistant.budget import DAY, Row
from yieldbot.assistant.nightly import NightlySummary, newest
from yieldbot.assistant.opening import nightly_of
from yieldbot.cli import ask as cli
from yieldbot.cli.serve import _nightly
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.journal.journal_entries import AccountStopped, Observed
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.store import Journal
from yieldbot.model.controls import ControlEvent, Pending
from yieldbot.model.ids import Address
from yieldbot.model.notices import Channel, Notice, NoticeTimes, Service
from yieldbot.risk.severity import selector_of
from yieldbot.risk.watching import WatchMemory

SHOWN = "The day's figures: “USDC on eip155:31337: earned 500.0000 USDC, predicted 0.0571; held 10,500.0000”."
CALM = "So be it.\nIt was {{S3.lines.1}}."


class Nights:
    """A server's nightly summary at a clock of the test's own, and what its notices send."""

    def __init__(self, asked: Asked, **more: Any) -> None:
        self.asked, self.double = asked, asked.double
        now = int(time.time())
        self.clock = now - now % 60 + 120.0
        minute = int(self.clock // 60) % 1440
        asked.configure(nightly_minute=minute, **more)
        self.context = asked.served.service.context
        times = NoticeTimes(daily_minute=(minute + 60) % 1440, weekly_day=None, silent_seconds=None)
        channel = Channel(name="team", kind=Service.SLACK)
        self.context.replace(replace(self.context.settings, notices=(channel,), notice_times=times))
        self.sent: list[Notice] = []
        self.restart()

    def restart(self) -> None:
        """A new process on the same data directory."""
        self.summary = NightlySummary(self.asked.served.service, self.asked.answers, lambda: self.clock)

    async def step(self, seconds: float = 300) -> kept.Night:
        """The next look, so much later."""
        self.clock += seconds
        await self.summary.work()
        found = kept.load(self.context.settings.data_dir)
        assert found is not None
        return found

    async def answered(self, step: Step) -> kept.Night:
        """Ask and take the result."""
        assert (await self.step(0)).state == kept.WAITING
        self.done(step)
        return await self.step()

    def done(self, step: Step) -> None:
        """The service has ended all batches."""
        self.double.steps[:] = [step]
        for batch in self.double.batches.values():
            batch["done"] = True

    def notices(self, seconds: float = 0) -> list[str]:
        """The texts that are sent so much later."""
        self.clock += seconds

        def send(channel: Channel, notice: Notice, secrets: Mapping[str, str], _: float) -> None:
            self.sent.append(notice)

        before = len(self.sent)
        notify.tell(self.context, send, now=lambda: self.clock)
        return [one.text for notice in self.sent[before:] for one in notice.findings]

    def rows(self) -> list[Row]:
        """What the budget counted."""
        return self.summary._budget.rows()


@pytest.fixture
def nights(asked: Asked) -> Nights:
    found = Nights(asked)
    journal_of(found)
    return found


def journal_of(nights: Nights) -> None:
    """A day in which 10,000 USDC became 10,500, and the account was stopped for a reason that others wrote."""
    (job,) = nights.context.settings.jobs
    file = nights.context.settings.data_dir / "journal.sqlite"
    with Journal.open(file) as journal:
        for at, raw in ((-7200, 10_000), (-3600, 10_500)):
            held = {MARKET: RecordedHolding(held_raw=raw * 10**6, apr=0.05, horizon_seconds=DAY, name="Aave v3 USDC")}
            block = replace(BLOCK, timestamp=int(nights.clock) + at)
            asset = job.assets[0].address
            journal.append(Observed(job.chain.chain, job.wallet.address, block, asset=asset, holdings=held))
        journal.append(AccountStopped(job.chain.chain, job.wallet.address, "a loss of 77.7 %"))


async def test_the_words_come_with_the_daily_notice_and_replace_nothing(nights: Nights) -> None:
    assert any("stopped" in text for text in nights.notices()), "the first notice, from which days are counted"
    night = await nights.step(0)
    (batch,) = nights.double.batches.values()
    (request,) = batch["requests"]
    body = json.dumps(request["params"])
    assert request["params"]["model"] == "claude-haiku-5-5" and "tools" not in request["params"]
    assert "earned 500.0000 USDC" in body and "a loss of 77.7 %" in body and "list_positions" in body
    (job,) = nights.context.settings.jobs
    assert str(job.wallet.address).lower() not in body.lower() and KEY not in body
    (reserved,) = nights.rows()
    assert reserved.outcome == "open" and reserved.nanodollars > 0

    nights.restart()
    assert (await nights.step()).state == kept.WAITING and len(nights.double.batches) == 1
    nights.done(say(CALM))
    nights.double.results_at = "http://127.0.0.1:1/elsewhere"  # the key goes to the service's own address alone
    assert (await nights.step()).lines == ("So be it.", SHOWN)
    (settled,) = nights.rows()
    sent = USAGE["input_tokens"] * 250 + USAGE["cache_creation_input_tokens"] * 313
    assert settled.nanodollars == sent + USAGE["cache_read_input_tokens"] * 25 + OUTPUT_TOKENS * 1250, "half the price"
    assert settled.outcome == "done" and settled.prompt == night.prompt and settled.nanodollars < reserved.nanodollars

    assert nights.notices() == [], "before the daily notice"
    texts = nights.notices(3600)
    assert texts[-2:] == [f"assistant: {line}" for line in kept.load(nights.context.settings.data_dir).lines]  # type: ignore[union-attr]
    assert all(finding.severity == "info" for finding in nights.sent[-1].findings if finding.text in texts[-2:])
    assert nights.notices(120) == [] and nights.notices(2 * DAY)[-1:] != texts[-1:]
    document = newest(nights.asked.served.service)
    assert (
        document["status"] == "answered"
        and document["answer"] == document["answer"]
        and document["usage"]["requests"] == 1
    )
    assert [(one["source"], one["path"]) for one in document["figures"]] == [("S3", "lines[0]")]


async def test_each_day_has_one_request(nights: Nights) -> None:
    await nights.answered(say(CALM))
    for seconds in (300, 7 * 3600, 3600):
        await nights.step(seconds)
    assert len(nights.double.batches) == 1
    nights.clock += DAY - 8 * 3600 - 600
    assert (await nights.step()).state == kept.WAITING and len(nights.double.batches) == 2
    nights.clock += DAY - 300  # nothing came of it within a day: the next day's is asked for
    assert (await nights.step()).state == kept.WAITING and len(nights.double.batches) == 3
    assert [row.outcome for row in nights.rows()] == ["done", "late", "open"]
    nights.clock += 8 * 3600
    nights.done(say(CALM))
    assert (await nights.step()).answer is not None
    nights.clock += DAY
    await nights.step()
    assert len(nights.double.batches) == 3, "the machine was off when it was due, and hours later it is not made up for"


@pytest.mark.parametrize(
    ("step", "line", "outcome"),
    [
        (say("We earned 812.0000 USDC."), "not shown: nothing of it", "done"),
        (say("{{S4r1.message}}"), "not shown: nothing of it", "done"),  # others wrote it
        (Step(error="expired"), "the service's result is expired", "expired"),
        (Step(error="errored"), "the service's result is errored", "errored"),
        (say("I cannot.", stop="refusal"), "the model refuses", "done"),
        (say("A quiet", stop="max_tokens"), "cut off", "done"),
        (Step(), "the model wrote nothing", "done"),
    ],
)
async def test_what_cannot_be_shown_is_a_line_that_says_why(
    nights: Nights, step: Step, line: str, outcome: str
) -> None:
    night = await nights.answered(step)
    (said,) = night.lines
    assert said.startswith("no summary in words: ") and line in said and "812" not in said and "77.7" not in said
    (row,) = nights.rows()
    assert row.outcome == outcome and (row.nanodollars > 0) is (outcome == "done")
    assert nights.notices(3600)[-1] == f"assistant: {said}"
    assert newest(nights.asked.served.service)["answer"] is None


async def test_the_terminal_shows_it_with_its_sources_and_what_the_watch_found(
    nights: Nights, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = nights.context.settings.jobs
    file = looks.file_of(nights.context.settings.data_dir, job)
    file.parent.mkdir(parents=True)
    at, upgrade = Address("0x" + "22" * 20), selector_of("upgradeTo(address)")
    pending = Pending(what="scheduled call", after="a harmless upgrade", id="call/1")
    event = ControlEvent(
        contract=at, what="CallScheduled", words="harmless", block=5, pending=pending, calls=(upgrade,)
    )
    looks.save(file, WatchMemory(block=5, time=int(nights.clock) - 60, open=(event,)))
    await nights.answered(say(CALM + "\nA harmless upgrade is announced {{S5r1}}."))
    told = list[str]()
    screen = SimpleNamespace(json=False, complain=told.append, redacted=lambda text: text)
    monkeypatch.setattr(cli.use, "service_of", lambda *_: nights.asked.served.service)
    assert cli.nightly(cast(Any, screen)) == 0 and not told
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].startswith(f"{cli.GUTTER}So be it.") and "the day's figures: “" in shown[3]
    assert shown[4].startswith("  critical: ") and "new code can do anything" in shown[4]


async def test_a_server_has_the_task_before_its_notices_and_serves_without_it(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = _nightly(nights.asked.served.service)
    assert task.name == "nightly" and not task.at_once

    def lacking() -> None:
        raise ConfigError("the extra is not there")

    monkeypatch.setattr(opening, "need_extra", lacking)
    assert _nightly(nights.asked.served.service) == []


async def test_long_words_and_links_keep_their_place(nights: Nights) -> None:
    link = "See https://evil.example/?q=all now.\n"
    many = "{{S3.lines.1}} " * 3
    long = f"{many}\n{link}We earned 812.0000 USDC.\n" + "{{S3.lines.1}}\n" * 9
    night = await nights.answered(say(long))
    assert len(night.lines) == 8 and max(map(len, night.lines)) <= 270 and "yieldbot ask --nightly" in night.lines[-1]
    assert "812" not in json.dumps(night.answer) + json.dumps(night.lines)
    assert "evil" not in json.dumps(night.answer) and all("…" not in text for text in nights.notices(3600))


async def test_a_service_that_takes_nothing_is_tried_again_and_what_may_have_arrived_is_not(nights: Nights) -> None:
    nights.double.takes[:] = [LIMITED]
    assert (await nights.step(0)).state == kept.AGAIN
    assert [(row.outcome, row.nanodollars) for row in nights.rows()] == [("limited", 0)]
    nights.double.takes[:] = [Step(drop=True)]  # it is taken, and the answer is lost
    night = await nights.step()
    assert night.state == kept.DONE and night.lines[0].startswith("no summary in words: ")
    assert nights.rows()[-1].outcome == "unsure" and nights.rows()[-1].nanodollars > 0
    await nights.step()
    assert len(nights.double.batches) == 1


async def test_a_process_that_ends_while_it_sends_sends_no_second_request(nights: Nights) -> None:
    night = await nights.step(0)
    kept.save(nights.context.settings.data_dir, replace(night, state=kept.SENDING, batch=""))
    nights.restart()
    night = await nights.step()
    assert night.state == kept.DONE and "not sent twice" in night.lines[0] and len(nights.double.batches) == 1


async def test_without_budget_key_or_service_nothing_is_sent_and_all_else_goes_on(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = nights.asked.served.service
    with pytest.raises(YieldbotError, match="no summary yet"):
        newest(service)
    minute = service.context.settings.assistance.nightly_minute
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    await nights.summary.work()
    await nights.summary.work()
    assert kept.load(nights.context.settings.data_dir) is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    nights.asked.configure(nightly_minute=minute, daily_nanodollars=10)
    night = await nights.step(0)
    assert night.state == kept.DONE and "budget" in night.lines[0] and not nights.double.counted
    assert newest(service)["status"] == "over_budget"
    assert any("stopped" in text for text in nights.notices()), "the plain notices"
    nights.asked.configure(nightly_minute=minute, daily_nanodollars=10**9)
    nights.double.takes[:] = [error(401, "authentication_error")]
    nights.clock += DAY
    assert "ANTHROPIC_API_KEY" in (await nights.step(0)).lines[0]
    (file,) = nights.context.settings.data_dir.glob("assistant/nightly.json")
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("no JSON")
    assert nights.notices(3600) is not None and kept.load(nights.context.settings.data_dir) is None
    file.unlink()
    nights.asked.configure(nightly_minute=None)
    with pytest.raises(ConfigError, match="is off"):
        newest(service)
    assert nightly_of(service).name == "nightly"
