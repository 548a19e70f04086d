"""Requests are counted by what became of them, over a labelled double of a provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from yieldbot.errors import TransientError
from yieldbot.rpc import counting
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.rpc.provider import HttpStatus


class Provider:
    """Gives one answer, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def make_request(self, method: str, params: list[Any]) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        return self.answer


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"result": "0x1"}, "ok"),
        ({"error": {"code": -32000, "message": "no"}}, "refused"),
        (HttpStatus(429, {}, b""), "http_429"),
        (HttpStatus(403, {}, b""), "http_4xx"),
        (HttpStatus(502, {}, b""), "http_5xx"),
        (OSError("down"), "unreachable"),
        (None, "unreachable"),
    ],
)
async def test_each_outcome_is_counted_once_a_try(answer: Any, outcome: str) -> None:
    counting.taken()
    node = Endpoint("http://x/key", timeout_seconds=0.01, name="base-2", provider=lambda url, s: Provider(answer))
    try:
        await node.request("eth_sendRawTransaction", [])  # sent once, whatever comes
    except TransientError:
        assert outcome != "ok"
    ((provider, found, classes, seconds),) = counting.taken()
    assert (provider, found, sum(classes)) == ("base-2", outcome, 1) and seconds >= 0
    assert counting.taken() == []


@pytest.mark.parametrize("method", ["eth_chainId", "eth_sendRawTransaction"])
async def test_ctrl_c_is_not_lost_where_an_answer_comes_in_the_same_moment(method: str) -> None:
    class Interrupted(Provider):
        async def make_request(self, method: str, params: list[Any]) -> Any:
            await asyncio.sleep(0)
            asking.cancel()
            return self.answer

    async def ask() -> None:
        await node.request(method, [])
        await asyncio.sleep(0)  # what follows

    node = Endpoint("http://x/key", timeout_seconds=60.0, provider=lambda url, s: Interrupted({"result": "0x1"}))
    asking = asyncio.create_task(ask())
    with pytest.raises(asyncio.CancelledError):
        await asking


def test_each_class_of_latency_has_its_own_bound() -> None:
    counting.taken()
    for seconds in (0.0, 0.01, 0.011, 30.0, 31.0):
        counting.note("base-1", "ok", seconds)
    ((_, _, classes, _),) = counting.taken()
    assert (classes[0], classes[1], classes[-2], classes[-1]) == (2, 1, 1, 1)


def test_sessions_and_answers_share_one_class() -> None:
    """A process that stays opens sessions all the time; a class for each is freed by the garbage collector alone."""
    from yieldbot.chains.solana.node.transport import _bounded
    from yieldbot.rpc.provider import Provider

    async def kinds() -> set[type]:
        both = [Provider(f"http://127.0.0.1:{port}", 1.0) for port in (9, 10)]
        for one in both:
            await one.disconnect()
        return {one._session._response_class for one in both}

    assert len(asyncio.run(kinds())) == 1 and type(_bounded(b"")) is type(_bounded(b""))
