"""A node's events over many blocks, in parts that it serves: the newest first, for what a node keeps it keeps from the
head down. Parts are halved where a node has limits, and grow again after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yieldbot.errors import TransientError
from yieldbot.rpc.evm import EvmNode

LEAST_BLOCKS = 100
"""A range that is refused is halved down to this; a node that refuses even that does not serve logs so far back."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: the events of each filter, the newest part first. since: the height from which they are complete;
    cut: why not from the first one asked for, else None."""

    logs: tuple[tuple[Any, ...], ...]
    since: int
    cut: str | None = None


async def read_logs(
    node: EvmNode,
    filters: Sequence[Mapping[str, Any]],
    first: int,
    last: int,
    say: Callable[[str], None] = lambda line: None,
    most_parts: int | None = None,
) -> Read:
    """The events of each filter (``address``, ``topics`` as eth_getLogs takes them) in blocks ``first`` to ``last``.

    most_parts: stop after so many parts were asked for, served or not. Raises TransientError when the node serves no
    events at all.
    """
    found: list[list[Any]] = [[] for _ in filters]
    end, width, asked, tried = last, last - first + 1, 0, 0
    while end >= first:
        if most_parts is not None and tried >= most_parts:
            return _read(found, end + 1, f"{node.host} serves few blocks at a time: {tried} parts were read")
        start, tried = max(first, end - width + 1), tried + 1
        span = {"fromBlock": hex(start), "toBlock": hex(end)}
        try:
            parts = await asyncio.gather(*(node.request("eth_getLogs", [{**span, **one}]) for one in filters))
        except TransientError as refusal:
            if end - start >= LEAST_BLOCKS:
                width = (end - start + 1) // 2
                continue
            if not asked:
                raise TransientError(f"{node.host} serves no events: {refusal}: use another provider") from None
            why = f"{node.host} does not serve the events of blocks {start} to {end} ({refusal})"
            return _read(found, end + 1, why)
        for kept, part in zip(found, parts, strict=True):
            kept += part if isinstance(part, list) else ()
        end, width, asked = start - 1, width * 2, asked + 1
        if asked % 20 == 0:
            say(f"events read from block {last:,} down to {start:,}")
    return _read(found, first, None)


def _read(found: Sequence[Sequence[Any]], since: int, cut: str | None) -> Read:
    return Read(tuple(tuple(part) for part in found), since, cut)
