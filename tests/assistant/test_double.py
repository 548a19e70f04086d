"""The double of the Messages API has the form that the real SDK's own types ask for."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from anthropic.types.messages import MessageBatch
from pydantic import TypeAdapter

from tests.assistant.conftest import Asked
from tests.kit.assistant.messages_double import KEY, Double, Step, events, message, say, use

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
STEPS = (
    say("We hold money."),
    use(("list_markets", {"limit": 5}), text="I look."),
    say("No.", stop="refusal"),
    Step(({"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes."})),
)


@pytest.mark.parametrize("step", STEPS)
def test_every_event_is_one_of_the_sdk_and_has_no_field_beside(step: Step) -> None:
    for event in events(step, "claude-sonnet-5-5", 1):
        if event["type"] == "ping":  # the SDK drops them before it looks at types
            continue
        made = EVENT.validate_python(event)
        assert made.model_dump(mode="json", exclude_unset=True, by_alias=True, warnings="error") == event
        assert not _beside(made), f"fields that no type of the SDK has: {_beside(made)}"
    assert not _beside(Message.model_validate(message("m", "msg_1") | {"stop_reason": "end_turn"}))


def _beside(value: Any) -> list[str]:
    """Fields of a parsed value, and of those in it, that its type does not declare."""
    if isinstance(value, list):
        return [name for part in value for name in _beside(part)]
    if not hasattr(value, "model_fields_set"):
        return []
    inner = [name for field in type(value).model_fields for name in _beside(getattr(value, field))]
    return [*(value.model_extra or {}), *inner]


async def test_requests_have_the_form_that_the_sdk_declares(asked: Asked) -> None:
    await asked("What do we hold?", use(("list_positions", {})), say("I do not know."))
    form: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
    assert len(asked.double.asked) == 2
    for body in asked.double.asked:
        made = form.validate_python(body)
        assert set(body) <= set(MessageCreateParamsStreaming.__annotations__) | set(made), "no parameter is ours"


def test_the_sdk_reads_errors_and_batches_of_the_double() -> None:
    with Double([say("Quiet night.")]) as double:
        client = anthropic.Anthropic(api_key="wrong", base_url=double.url, max_retries=0)
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "a"}])
        client = anthropic.Anthropic(api_key=KEY, base_url=double.url, max_retries=0, _strict_response_validation=True)
        params: Any = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}
        batch = client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
        assert isinstance(batch, MessageBatch) and not _beside(batch) and batch.processing_status == "in_progress"
        double.batches[batch.id]["done"] = True
        assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
        (result,) = client.messages.batches.results(batch.id)
        assert result.result.type == "succeeded" and result.result.message.content[0].text == "Quiet night."


async def test_the_double_takes_no_request_that_the_real_service_refuses() -> None:
    with Double([say("a")] * 3) as double:
        client = anthropic.AsyncAnthropic(api_key=KEY, base_url=double.url, max_retries=0)
        wrong: tuple[list[Any], ...] = (
            [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "b"}]}],
        )
        for messages in wrong:
            with pytest.raises(anthropic.BadRequestError):
                async with client.messages.stream(model="m", max_tokens=9, messages=messages) as stream:
                    await stream.get_final_message()
        await asyncio.wait_for(client.close(), 5)
