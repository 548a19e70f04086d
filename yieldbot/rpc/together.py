"""Several requests at once of which none outlives the others: where one fails, the rest are ended before it is told.

``asyncio.gather`` lets them go on, and one that ends after its node was closed opens the connection again, which then
nobody closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def together(asks: Sequence[Callable[[], Awaitable[T]]], at_once: int | None = None) -> list[T]:
    """The answers in order, or the first error. ``at_once``: how many may be under way, None for all."""
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
    """Two answers at once, of which neither outlives the other's error."""
    tasks = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
