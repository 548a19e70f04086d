"""Reads event logs over many blocks in parts that the node accepts, newest first, since pruning nodes keep the newest
blocks.

A refused part is requested again in smaller parts, down to one block; the size that worked is remembered
(``rpc/sizes.py``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import HttpRefused, NodeRefused, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.rpc.together import together

MOST_REQUESTS = 20_000
"""Most requests of one reading if the caller sets no limit: more than an hour. A node that serves five blocks at a time
would need millions for a whole chain."""
UNBOUNDED = 2**63
"""Blocks requested at once while a node has refused nothing: all of them."""
NO_USE_TO_HALVE = (401, 429)
"""HTTP statuses for which a smaller request would not help: no key (401), too many requests (429)."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """The events of one part."""

    start: int
    """The part's first block."""
    end: int
    """The part's last block."""
    logs: tuple[tuple[Any, ...], ...] | None
    """The events of each filter; None: they were not served, or not requested."""
    why: str = ""
    """Why events are missing."""
    bound: bool = False
    """Whether they were not requested because the limit of requests was reached."""


@dataclass(frozen=True, slots=True)
class LogRead:
    """The events of several parts together."""

    logs: tuple[tuple[Any, ...], ...]
    """The events of each filter, the newest part first."""
    since: int
    """Height from which they are complete."""
    cut: str | None = None
    """Why they are not complete from the first requested block on; None: they are."""


async def parts_of(
    node: Node, filters: Sequence[Mapping[str, Any]], first: int, last: int, most_parts: int | None = None
) -> AsyncIterator[LogPart]:
    """The events of each filter, part by part, newest first. A part without logs is the last one: the node serves no
    older blocks, or ``most_parts`` requests were made."""
    size = node.size("eth_getLogs", UNBOUNDED)
    end, tried, most = last, 0, most_parts or MOST_REQUESTS
    while end >= first:
        width = min(size.now, end - first + 1)
        start, tried = max(first, end - width + 1), tried + 1
        if tried > most:
            many = f"{node.host} serves few blocks at a time ({size.works}): {most} parts were read"
            yield LogPart(first, end, None, many, bound=True)
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
            yield LogPart(start, end, None, str(refusal))
            return
        size.worked(width)
        yield LogPart(start, end, tuple(tuple(one) if isinstance(one, list) else () for one in found))
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
) -> LogRead:
    """The events of each filter (``address``, ``topics`` as eth_getLogs takes them) in blocks ``first`` to ``last``.

    most_parts: most requests, served or not. Raises TransientError when the node serves no events at all.
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


def _read(found: Sequence[Sequence[Any]], since: int, cut: str | None) -> LogRead:
    return LogRead(tuple(tuple(part) for part in found), since, cut)
