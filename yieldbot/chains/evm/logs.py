"""A node's events over many blocks, in parts that it serves: the newest first, for what a node keeps it keeps from the
head down. A part that is refused is asked for again in smaller ones, down to a block; what worked is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import HttpRefused, NodeRefused, TransientError
from yieldbot.rpc.together import together

MOST_REQUESTS = 20_000
"""Of one reading, where the caller names no bound: an hour and more. A node that gives five blocks at a time would need
millions for the whole of a chain."""
UNBOUNDED = 2**63
"""Blocks asked for at once while a node has refused nothing: all."""
NO_USE_TO_HALVE = (401, 429)
"""Statuses of servers that refuse whatever is asked: no key, or too many requests."""


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks start to end. logs: the events of each filter; None where they were not got, and ``why``; bound: they were
    not asked for, since so many requests had been made."""

    start: int
    end: int
    logs: tuple[tuple[Any, ...], ...] | None
    why: str = ""
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: the events of each filter, the newest part first. since: the height from which they are complete;
    cut: why not from the first one asked for, else None."""

    logs: tuple[tuple[Any, ...], ...]
    since: int
    cut: str | None = None


async def parts_of(
    node: Node, filters: Sequence[Mapping[str, Any]], first: int, last: int, most_parts: int | None = None
) -> AsyncIterator[Part]:
    """The events of each filter, part by part, the newest first. One without logs is the last: the node gives no more,
    or so many parts were asked for, served or not."""
    size = node.size("eth_getLogs", UNBOUNDED)
    end, tried, most = last, 0, most_parts or MOST_REQUESTS
    while end >= first:
        width = min(size.now, end - first + 1)
        start, tried = max(first, end - width + 1), tried + 1
        if tried > most:
            many = f"{node.host} serves few blocks at a time ({size.works}): {most} parts were read"
            yield Part(first, end, None, many, bound=True)
            return
        span = {"fromBlock": hex(start), "toBlock": hex(end)}
        try:
            found = await together([partial(node.request, "eth_getLogs", [{**span, **one}]) for one in filters])
        except TransientError as refusal:
            if width > 1 and not _stays(refusal):
                size.refuse(width)
                continue
            if width == 1:
                size.not_for_its_size()
            yield Part(start, end, None, str(refusal))
            return
        size.worked(width)
        yield Part(start, end, tuple(tuple(one) if isinstance(one, list) else () for one in found))
        end = start - 1


def _stays(refusal: TransientError) -> bool:
    """Whether smaller parts would be refused as well."""
    return isinstance(refusal, HttpRefused | NodeRefused) and refusal.status in NO_USE_TO_HALVE


async def read_logs(
    node: Node,
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
    since, served = last + 1, 0
    async for part in parts_of(node, filters, first, last, most_parts):
        if part.logs is None:
            if part.bound:
                return _read(found, since, part.why)
            if not served:
                raise TransientError(f"{node.host} serves no events: {part.why}: use another provider")
            why = f"{node.host} does not serve the events of blocks {part.start} to {part.end} ({part.why})"
            return _read(found, since, why)
        for kept, logs in zip(found, part.logs, strict=True):
            kept += logs
        since, served = part.start, served + 1
        if served % 20 == 0:
            say(f"events read from block {last:,} down to {since:,}")
    return _read(found, first, None)


def _read(found: Sequence[Sequence[Any]], since: int, cut: str | None) -> Read:
    return Read(tuple(tuple(part) for part in found), since, cut)
