"""Questions by chat, over a double of Telegram's Bot API: who is answered, with what, once, also over restarts."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.api.served import Served
from tests.kit.journal.store import plan
from tests.kit.notify.telegram import BotApi, bot_api
from tests.unit.api.conftest import context, served
from yieldbot.app.answer_documents import AnswerDocument, ProposalPart, UsagePart
from yieldbot.app.asking import Ended
from yieldbot.app.chat import allowed, asked
from yieldbot.app.formatting import when
from yieldbot.app.notify import NotSent
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.notices import Channel, NoticeTimes, Secret, Service
from yieldbot.notify.chats import Chat, _keep, _offset, chats_of

__all__ = ["context", "served"]

TOKEN = "123456789:AAErandomTokenOfABotThatNobodyMayKnow"
NOW = 0
"""The time at which the test in progress began."""
LURE = "/status <script>https://evil.example</script>"


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are of the test's own time: the file may have been loaded long before it runs."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", int(time.time()))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    monkeypatch.setenv("BOT", TOKEN)
    with bot_api(TOKEN) as made:
        yield made


def chat(served: Served, api: BotApi, page: str = "") -> Chat:
    """A new one, as after a restart."""
    channel = Channel(name="phone", kind=Service.TELEGRAM, token=Secret(key="token", env="BOT"), chat="-100",
                      api=api.url, allowed_users=frozenset((7,)))  # fmt: skip
    context = served.service.context
    context._settings = replace(context.settings, notices=(channel,), notice_times=NoticeTimes(page=page))
    return Chat(served.service, channel)


def rounds(talk: Chat, count: int = 1) -> None:
    async def every() -> None:
        for _ in range(count):
            await talk.round(0)

    asyncio.run(every())


def said(api: BotApi) -> list[str]:
    return [one["text"] for one in api.sent]


def test_a_user_who_is_allowed_gets_status_positions_and_plans_and_halts(served: Served, api: BotApi) -> None:
    with Journal.open(served.service.journal_file) as journal:
        made = replace(plan("p1"), expires_at=NOW + 9999)
        journal.append(PlanWritten(made), PlanMarked("p1", PlanStatus.QUEUED, "queue"))
    for number, text in enumerate(
        ("/status", "/positions@our_bot", "/plan", "/approve p1", "/HALT now", "/status", "hello"), 5
    ):
        api.write(text, number=number, at=NOW)
    rounds(chat(served, api, "https://bot.example/plans/{id}"))
    status, positions, plans, approve, halted, after, anything = said(api)
    assert "not halted" in status and "reads its chains" in status and "1 plan waits" in status
    assert "10000.000000 USDC" in positions and "testnet" in positions
    assert "p1 waits until" in plans and "queued by queue" in approve, "nothing is signed by chat: a page does"
    assert api.sent[2]["reply_markup"]["inline_keyboard"] == [
        [{"text": "Plan p1", "url": "https://bot.example/plans/p1"}]
    ]
    assert "halted" in halted and "Telegram's user 7" in str(served.service.halted()) and "halted:" in after
    assert "/status" in anything and {one["chat_id"] for one in api.sent} == {7}
    with Journal.read(served.service.journal_file) as journal:
        assert [one.status for one in journal.plans()] == [PlanStatus.QUEUED]
    rounds(chat(served, api))
    assert len(api.sent) == 7 and api.asked[-1]["offset"] == 12, "also a new process answers nothing twice"
    api.write("/plan", number=12, at=NOW)
    rounds(chat(served, api))
    assert f"to approve: {served.service.context.program} approve p1" in said(api)[-1]
    assert "reply_markup" not in api.sent[-1]


def test_one_plan_is_shown_as_in_every_other_inbox_and_fits_into_a_message(served: Served, api: BotApi) -> None:
    """Its fields are those of the document that REST and the terminal show; others' text stays one line."""
    lure = "<b>supply</b>\n\u202eof 5 USDC https://evil.example/x"
    calls = tuple(f"call to {'a contract ' * 30}{number}" for number in range(30))
    shown = {
        "p1": PlanWritten(replace(plan("p1"), expires_at=NOW + 9999), (lure,), ("-5 USDC",), ("a: safety 71 (B)",)),
        "p2": PlanWritten(replace(plan("p2"), expires_at=NOW + 9999), calls),
        "p3": PlanWritten(replace(plan("p3"), expires_at=NOW - 1), ("supply " + "x" * 3000,)),
    }
    with Journal.open(served.service.journal_file) as journal:
        journal.append(*shown.values(), *(PlanMarked(name, PlanStatus.QUEUED, "queue") for name in shown))
    for number, text in enumerate(("/plan p1", "/plan@bot p2 now", "/plan p3", "/plan p4", f"/plan {LURE}"), 5):
        api.write(text, number=number, at=NOW)
    api.write("/plan p1", user=1000, number=10, at=NOW)
    rounds(chat(served, api, "https://bot.example/plans/{id}"))
    first, long, late, none, lured = said(api)
    key = served.key("read")
    row = served.client.get("/v1/plans/p1", headers=key).json()
    for words in (
        row["digest"],
        when(row["expires_at"]),
        "run has not ended",
        "in all -5 USDC",
        "risk: a: safety 71 (B)",
    ):
        assert words in first
    (call,) = [line for line in first.splitlines() if line.startswith("call 1")]
    assert "&lt;b&gt;supply&lt;/b&gt;" in call and "of 5 USDC" in call and "evil.example/x" not in call
    assert "\u202e" not in first and api.sent[0]["reply_markup"]["inline_keyboard"][0][0]["url"].endswith("/plans/p1")
    assert len(long) < 4096 and "call 1: " in long and "more: its page has the rest" in long
    assert "expired at" in late and "a line was cut: its page has the rest" in late and len(late) < 4096
    assert none == lured and "no plan has this id" in none
    api.write("/plan p2", number=11, at=NOW)
    rounds(chat(served, api, "http://127.0.0.1:8377/plans/{id}"))
    assert "approve p2" in said(api)[-1] and "reply_markup" not in api.sent[-1], "Telegram takes no such button"
    api.write("/plan p2", number=12, at=NOW)
    rounds(chat(served, api))
    assert "history --waiting has the rest, at the terminal" in said(api)[-1]


def test_a_halt_halts_the_signer_at_once_too(served: Served, api: BotApi) -> None:
    heard = list[str]()

    async def halt(reason: str) -> None:
        assert served.service.halted() is not None, "the server itself comes first: the signer may not answer"
        heard.append(reason)

    served.service.signer = SimpleNamespace(halt=halt, away=None, halted=None)  # type: ignore[assignment]
    api.write("/halt", number=5, at=NOW)
    rounds(chat(served, api))
    assert heard == ["Telegram's user 7"] and "halted" in said(api)[0]


def test_strangers_are_ignored_counted_and_never_quoted(served: Served, api: BotApi) -> None:
    for number in range(30):
        api.write(LURE, user=1000 + number % 2, number=number, at=NOW)
    api.write("/positions", user=7, chat=-5, number=30, at=NOW)  # in a group where others read
    api.write("/halt", user=7, number=31, at=NOW, sender_chat={"id": -5})  # as an anonymous administrator
    api.write("/positions", user=7, chat=-100, number=32, at=NOW)  # in the channel's own
    rounds(chat(served, api), 3)
    assert [one["chat_id"] for one in api.sent] == [-100] and served.service.halted() is None
    noted = {(one.by, one.outcome): one.times for one in served.service.admission.taken()}
    assert noted == {
        ("telegram 1000", "403 not answered"): 15, ("telegram 1001", "403 not answered"): 15,
        ("telegram 7", "403 not answered"): 1, ("telegram", "403 not answered"): 1, ("telegram 7", "positions"): 1,
    }  # fmt: skip
    lines = " ".join([*said(api), *served.service.context.lines])  # type: ignore[attr-defined]
    assert "evil" not in lines and "script" not in lines and TOKEN not in lines


def test_who_is_removed_from_a_new_configuration_is_not_answered_any_more(served: Served, api: BotApi) -> None:
    talk, context = chat(served, api), served.service.context
    (channel,) = context.settings.notices
    for number, users in enumerate(({7}, {8}, {7, 8}, None)):
        now = () if users is None else (replace(channel, allowed_users=frozenset(users)),)
        context._settings = replace(context.settings, notices=now)
        api.write("/status", user=7, number=number, at=NOW)
        rounds(talk)
    assert len(api.sent) == 2


def test_many_questions_are_slowed_and_a_halt_never(served: Served, api: BotApi) -> None:
    for number in range(40):
        api.write("/status", number=number, at=NOW)
    api.write("/halt", number=40, at=NOW)
    rounds(chat(served, api), 1)
    assert len(api.sent) == 10, "and as many as were taken at once"
    talk = chat(served, api)
    rounds(talk, 3)
    assert served.service.halted() is not None and len(api.sent) <= 21


def test_what_was_sent_long_ago_is_not_answered_but_halts(served: Served, api: BotApi) -> None:
    api.write("/positions", number=1, at=NOW - 3600)
    api.write("/halt", number=2, at=NOW - 3600)
    rounds(chat(served, api))
    late, halted = said(api)
    assert "send it again" in late and "USDC" not in late and "halted" in halted


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (409, b'{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request"}', "409"),
        (401, b'{"ok":false}', "HTTP 401"),
        (200, b"[1]", "none of Telegram's"),
        (200, b"{" * 10_000, "none of Telegram's"),
        (200, b'{"ok": true, "result": 5}', "none of Telegram's"),
        (500, b"\xff", "HTTP 500"),
    ],
)
def test_a_service_that_fails_is_one_line_and_no_update_is_lost(
    served: Served, api: BotApi, status: int, body: bytes, why: str
) -> None:
    talk = chat(served, api)
    api.broken = (status, body)
    with pytest.raises(NotSent, match=why) as refused:
        rounds(talk)
    for _ in range(3):
        talk._complain(refused.value)
    lines = [line for line in served.service.context.lines if "messages to the bot" in line]  # type: ignore[attr-defined]
    assert len(lines) == 1 and TOKEN not in lines[0] and "AAErandom" not in lines[0]
    api.broken = None
    api.write("/status", number=3, at=NOW)
    rounds(talk)
    assert len(api.sent) == 1


def test_a_number_that_is_a_week_old_hides_no_new_messages(served: Served, api: BotApi) -> None:
    """After a week without messages Telegram draws the next number at random: it may be a lower one."""
    file = served.service.context.settings.data_dir / "notices" / "telegram-1.json"
    _keep(file, 99, NOW)
    assert _offset(file, NOW + 60) == 99 and _offset(file, NOW + 8 * 86_400) is None
    file.write_text("{")
    assert _offset(file, NOW) is None


NUMBERS = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(-(2**70), 2**70)
TABLES = st.dictionaries(st.sampled_from(["id", "type", "is_bot"]), NUMBERS | st.just("private") | st.just(7)) | NUMBERS


@given(
    st.dictionaries(
        st.sampled_from(["update_id", "message"]),
        NUMBERS
        | st.dictionaries(
            st.sampled_from(["from", "chat", "text", "date", "sender_chat"]), TABLES | st.text() | st.just("/halt")
        ),
    )
)
def test_whatever_an_update_holds_only_the_named_user_is_heard(update: dict[str, Any]) -> None:
    channel = Channel(name="c", kind=Service.TELEGRAM, chat="-100", allowed_users=frozenset((7,)))
    one = asked(update)
    if one is not None and allowed(one, channel):
        message = update["message"]
        assert message["from"]["id"] == 7 and message["from"].get("is_bot") is not True
        assert message["chat"]["id"] in (7, -100) and "sender_chat" not in message
        assert json.dumps(one.command)


def test_only_channels_that_name_users_are_asked(served: Served, api: BotApi) -> None:
    talk = chat(served, api)
    assert [one.name for one in chats_of(served.service)] == ["chat phone"]
    settings = served.service.context.settings
    nobody = replace(talk.channel, allowed_users=frozenset())
    served.service.context._settings = replace(settings, notices=(nobody,))
    assert chats_of(served.service) == []


class Slow:
    """A double of the assistant: it answers once it is let."""

    def __init__(self, document: AnswerDocument) -> None:
        self.document, self.go, self.callers = document, asyncio.Event(), list[Any]()

    async def ask(self, question: str, caller: Any, history: Any = ()) -> Any:
        self.callers.append((question, caller))
        await self.go.wait()
        yield Ended(self.document)


def test_a_question_in_words_is_answered_and_nothing_waits_for_it(served: Served, api: BotApi) -> None:
    usage = UsagePart(requests=1, input_tokens=1, cached_tokens=0, output_tokens=1, nanodollars=1, seconds=1.0)
    proposed = ProposalPart(id="p1", kind="exit", lines=("take everything out",), command="yieldbot proposal accept p1")
    document = AnswerDocument(
        question="q",
        status="answered",
        answer="We hold <b>money</b>.",
        note=None,
        figures=(),
        sources=(),
        proposals=(proposed,),
        model="m",
        prompt="answer-1",
        repeated=False,
        usage=usage,
    )

    async def talk() -> None:
        made, slow = chat(served, api), Slow(document)
        served.service.assistant = slow  # type: ignore[assignment]
        for number, text in enumerate(("/ask what do we  hold?", "/status"), 5):
            api.write(text, number=number, at=NOW)
        api.write("/ask everything", user=1000, number=7, at=NOW)
        await made.round(0)
        assert len(api.sent) == 1 and "not halted" in said(api)[0], "the second message is answered first"
        slow.go.set()
        await asyncio.gather(*made._asking)
        ((question, caller),) = slow.callers
        assert question == "what do we hold?" and set(caller.scopes) == {"read", "plan"}

    asyncio.run(talk())
    assert "We hold &lt;b&gt;money" in said(api)[1] and "yieldbot proposal accept p1" in said(api)[1]
    served.service.assistant = None
    api.write("/ask x", number=8, at=NOW)
    rounds(chat(served, api))
    api.write("/status", number=9, at=NOW)
    rounds(chat(served, api))
    assert not any("money" in one for one in said(api)[2:])
