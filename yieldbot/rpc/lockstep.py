"""Runs adapters' flows in lockstep: the reads that all of them yield in one round are answered by one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from yieldbot.errors import MarketError, ReadReverted
from yieldbot.model.reads import Flow, Read

T = TypeVar("T")

Answer = bytes | ReadReverted
"""A read's bytes; or the revert, which is thrown into the flow that yielded the read."""


async def run(
    flows: Sequence[Flow[T]], answer: Callable[[Sequence[Read]], Awaitable[Sequence[Answer]]]
) -> list[T | MarketError]:
    """Each flow's return value, or the MarketError that ended it, in the flows' order.

    answer: fetches the answers to one round's reads, as many and in the same order. What it raises ends the whole run:
    then no flow has a result.
    """
    results: list[T | MarketError | None] = [None] * len(flows)
    waiting: dict[int, Sequence[Read]] = {}
    for index, flow in enumerate(flows):
        _advance(flow, index, None, results, waiting)
    while waiting:
        requested, waiting = waiting, {}
        answers = await answer([read for reads in requested.values() for read in reads])
        position = 0
        for index, reads in requested.items():
            mine = answers[position : position + len(reads)]
            position += len(reads)
            _advance(flows[index], index, mine, results, waiting)
    return cast("list[T | MarketError]", results)


def _advance(
    flow: Flow[T],
    index: int,
    answers: Sequence[Answer] | None,
    results: list[T | MarketError | None],
    waiting: dict[int, Sequence[Read]],
) -> None:
    """Send a flow its answers, or throw the first revert into it. Its next reads go into ``waiting``, its end into
    ``results``."""
    try:
        failed = next((a for a in answers or () if isinstance(a, ReadReverted)), None)
        if answers is None:
            waiting[index] = next(flow)
        elif failed is not None:
            waiting[index] = flow.throw(failed)
        else:
            waiting[index] = flow.send([a for a in answers if isinstance(a, bytes)])
    except StopIteration as done:
        results[index] = done.value
    except MarketError as failure:
        results[index] = failure
    except Exception as failure:  # an answer of the wrong shape: this market's fault, never the whole chain's
        results[index] = MarketError(f"answer cannot be read: {type(failure).__name__}: {failure}"[:300])
