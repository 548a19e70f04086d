"""Makes several requests at once, none of which outlives the others: when one fails, the rest are cancelled and
awaited.

``asyncio.gather`` alone lets the rest run on. A request that ends after its node was closed would open a connection
again that nobody closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def together(asks: Sequence[Callable[[], Awaitable[T]]], at_once: int | None = None) -> list[T]:
    """The answers in the order of ``asks``. Raises the first error. at_once: how many may be under way; None: all."""
    turns = asyncio.Semaphore(at_once or max(1, len(asks)))

    async def one(ask: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await ask()

    tasks = [asyncio.ensure_future(one(ask)) for ask in asks]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def both(one: Awaitable[T], other: Awaitable[U]) -> tuple[T, U]:
    """Two answers of different types at once. Raises the first error, once the other request is cancelled."""
    tasks = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
