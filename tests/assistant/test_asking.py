"""Questions over the double of the Messages API: what is sent, what is shown, and what each failure ends as."""

from __future__ import annotations

import json

from tests.assistant.conftest import Asked
from tests.kit.assistant.messages_double import KEY, LIMITED, OVERLOADED, Step, error, say, use
from yieldbot.access.caller import Caller, Scope
from yieldbot.app.asking import Looking, Piece, Turn, Withdrawn
from yieldbot.assistant.tools import PROPOSING

CITES = "{{S5r1.total_apy_after_deposit}}"
"""What the first market of the list pays; the sources before it are the question, the clock and two pages."""


def _shown(asked: Asked) -> str:
    """The same as it is shown."""
    row = max(asked.served.service.newest("markets").rows, key=lambda one: one["total_apy_after_deposit"])
    return f"{row['name']}: yield after our deposit {row['total_apy_after_deposit'] * 100:.2f}\u00a0% APY."


async def test_an_answer_is_streamed_and_each_number_has_its_source(asked: Asked) -> None:
    shown = _shown(asked)
    found = await asked(
        "What does it pay?",
        use(("list_markets", {}), text="I look."),
        say(f"It pays {CITES}. It pays most. Do as you like."),
    )
    assert found.status == "answered" and found.exit_code == 0, found.note
    assert found.answer == f"I look.\n{shown} Do as you like."
    (figure,) = found.figures
    assert figure.text in shown and figure.source == found.sources[-1].source == "S5"
    assert figure.path == "items[0].total_apy_after_deposit"
    assert found.sources[-1].name == "list_markets {}" and found.sources[-1].as_of
    assert [type(one) for one in asked.events] == [Piece, Looking, Piece, Piece, type(asked.events[-1])]
    assert found.usage.requests == 2 and found.usage.nanodollars > 0
    first, second = asked.double.asked
    assert json.dumps(first).count("cache_control") == 2 and KEY not in json.dumps(asked.double.asked)
    assert all(not tool["input_schema"]["additionalProperties"] for tool in first["tools"])
    assert {tool["name"] for tool in first["tools"] if tool.get("strict")} == set(PROPOSING)
    assert second["messages"][-1]["content"][0]["type"] == "tool_result"


async def test_a_number_without_a_source_is_asked_again_once_and_then_not_shown(asked: Asked) -> None:
    look, lie = use(("list_markets", {})), say("So be it. It pays 99.5 % now. And {{S77.apy}}.")
    found = await asked("What does it pay?", look, lie, say(f"1. {CITES}\n2. So be it.\n"))
    assert found.status == "answered" and found.answer == f"1. {_shown(asked)}\n2. So be it.", found.note
    again = asked.double.asked[-1]["messages"][-1]["content"]
    assert "99.5 %" in again and "S77.apy: no source has such an identifier" in again
    assert any(isinstance(one, Withdrawn) for one in asked.events)
    found = await asked("What would it pay?", look, lie, say("It pays 98 %. Twice as much."))
    assert (found.status, found.answer, found.exit_code) == ("not_shown", None, 4)
    found = await asked("What does it pay then?", look, lie, say(f"It pays 98 %.\n{CITES}"))
    assert found.status == "answered" and found.answer == _shown(asked) and found.note.startswith("1 parts of it")
    assert "98" not in "".join(one.text for one in asked.events if isinstance(one, Piece)) and "98" not in found.note


async def test_whatever_the_service_does_the_end_says_it_in_one_line(asked: Asked) -> None:
    cases: dict[str, tuple[Step, ...]] = {
        "overloaded": (OVERLOADED, OVERLOADED),
        "limits our requests": (LIMITED, LIMITED),
        "does not accept the key": (error(401, "authentication_error"),),
        "HTTP 400": (error(400, "invalid_request_error"),),
        "HTTP 500": (error(500, "api_error"),),
        "cut before": (say("So be it.", drop=True),),
        "is overloaded": (Step(({"type": "text", "text": "So"},), error="overloaded_error"),),
        "of no use": (Step(raw=b"event: message_start\ndata: {nonsense\n\n"),),
        "refuses": (say("I cannot help.", stop="refusal"),),
        "cut off": (say("So be", stop="max_tokens"),),
        "gave no answer": (Step(),),
    }
    for line, steps in cases.items():
        found = await asked("What do we hold?", *steps)  # an answer that failed is not kept
        assert line in found.note and "\n" not in found.note and found.status != "answered", (line, found.note)
        assert found.exit_code == 1
    assert (await asked("And now?", OVERLOADED, say("So be it."))).status == "answered", "it is asked again"


async def test_a_service_that_stands_still_ends_with_the_questions_time(asked: Asked) -> None:
    import threading

    end = threading.Event()
    asked.configure(seconds=0.5)
    found = await asked("What do we hold?", say("All is", wait=end))
    end.set()
    assert found.status == "unavailable" and "0.5 s" in found.note


async def test_wrong_input_goes_back_to_the_model_and_proves_nothing(asked: Asked) -> None:
    found = await asked(
        "What is safe?",
        use(("get_market", {"key": 5}), ("list_markets", {"limit": 10**6}), ("send_all", {"to": "0x1"})),
        use(("list_markets", '["limit", 5')),
        use(("get_market", {"key": "pays 99 % for sure"})),
        say("I could not find it."),
    )
    assert found.status == "answered", found.note
    results = [block for body in asked.double.asked[1:] for block in body["messages"][-1]["content"]]
    assert len(results) == 5 and all(one["is_error"] for one in results)
    assert "no tool send_all" in results[2]["content"] and "wrong input: limit" in results[1]["content"]
    cites = say("It pays {{S5.key}}.")
    found = await asked("?", use(("get_market", {"key": "pays 99 %"})), cites, cites)
    assert found.status == "not_shown", "a failed tool gives no source"


async def test_without_a_key_nothing_is_sent(asked: Asked, monkeypatch: object) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")  # type: ignore[attr-defined]
    found = await asked("What do we hold?")
    assert found.status == "unavailable" and "ANTHROPIC_API_KEY is not set" in found.note
    assert asked.double.counted == 0


async def test_what_is_shown_as_the_request_is_what_is_sent(asked: Asked) -> None:
    asked.answers._now = lambda: 1_796_040_000.0
    from tests.assistant.conftest import ALL

    shown = await asked.answers.request("What do we hold?", ALL)
    assert asked.double.counted == 0
    await asked("What do we hold?", say("I do not know."))
    assert asked.double.asked[0] == shown.body


async def test_the_same_question_about_the_same_reading_costs_nothing(asked: Asked) -> None:
    first = await asked("Is all well?", say("So be it."))
    again = await asked("is  ALL well?", say("Never asked."))
    assert again.repeated and not first.repeated and again.answer == first.answer and len(asked.double.asked) == 1
    reader = Caller("reader", frozenset((Scope.READ,)))
    assert not (await asked("Is all well?", say("So be it."), caller=reader)).repeated, (
        "another caller may see other things"
    )
    asked.served.service.attempts += 1
    assert not (await asked("Is all well?", say("So be it."))).repeated


async def test_a_long_conversation_is_summarised_and_its_summary_proves_no_number(asked: Asked) -> None:
    turns = tuple(Turn(f"question {name}?", f"answer {name}.") for name in "abcdefghij")
    found = await asked(
        "And now?", say("We spoke of 77 % and of letters."), say("It was 77 %."), say("I do not know."), history=turns
    )
    assert found.status == "answered" and found.answer == "I do not know.", "77 % stands in the summary alone"
    summary, question, _ = asked.double.asked
    assert summary["model"] == "claude-haiku-4-5" or "haiku" in summary["model"]
    assert "tools" not in summary and "question a?" in json.dumps(summary)
    sent = json.dumps(question["messages"])
    assert "question a?" not in sent and "letters" in sent and "question j?" in sent
    asked.double.asked.clear()
    await asked("And then?", say("So be it."), history=turns)
    assert len(asked.double.asked) == 1, "it is summarised once"
    asked.double.lacks = frozenset((summary["model"],))
    again = tuple(Turn(f"{turn.question} Again.", turn.answer) for turn in turns)
    found = await asked("And now?", say("So be it."), history=again)
    assert found.status == "answered" and "left out" in json.dumps(asked.double.asked[-1]["messages"])


async def test_a_model_that_the_service_does_not_know_is_named_with_its_setting_and_others(asked: Asked) -> None:
    asked.double.lacks = frozenset(("claude-sonnet-5-5",))
    found = await asked("What do we hold?")
    assert found.status == "unavailable" and found.note.startswith(
        "the service does not know the model claude-sonnet-5-5 for this key: write another one at "
        "assistant.models.answer, such as claude-opus-5-5, "
    ), found.note


async def test_beyond_the_days_budget_nothing_is_sent(asked: Asked) -> None:
    asked.configure(daily_nanodollars=10**6)
    found = await asked("What do we hold?")
    assert (found.status, found.exit_code) == ("over_budget", 4) and "daily_usd" in found.note
    assert asked.double.counted == 0


async def test_usage_is_counted_by_version_and_in_the_metrics_and_a_spike_is_in_the_audit(asked: Asked) -> None:
    service = asked.served.service
    service.assistant = asked.answers
    await asked("Is all well now?", say("So be it."))
    await asked("And well now?", error(401, "authentication_error"))
    (one,) = asked.answers.usage().prompts
    assert one.prompt == "system-3 answer-2" and one.requests == 2 and one.failures == {"key": 1}
    text = asked.served.app.state.metrics.text().decode()
    assert 'yieldbot_assistant_requests{model="claude-sonnet-5-5",outcome="key",prompt="system-3 answer-2"} 1.0' in text
    assert "yieldbot_assistant_dollars" in text and "yieldbot_assistant_seconds" in text
    assert not [line for line in service.admission.taken() if line.outcome == "spike"]
    now = asked.answers._now()
    asked.answers._now = asked.answers._budget._now = lambda: now + 7200  # type: ignore[method-assign]
    asked.configure(daily_nanodollars=10**9)
    for number in range(30):
        asked.answers._budget.take(asked.answers._settings, "answer-1", "m", 1, 10**7 + number)
    asked.answers.watch()
    asked.answers.watch()
    (line,) = [line for line in service.admission.taken() if line.outcome == "spike"]
    assert line.by == "assistant" and "usually" in line.what and line.times == 1
