"""One fork for a chain and block, used by several accounts one after another.

Who uses it has it alone. Before the next one everything is put back to the block (``evm_revert``), and what a snapshot
does not hold besides: the clock, the next base fee, waiting transactions, impersonated accounts. A fork that cannot be
put back, or whose use ended with an error, is thrown away, and the next one starts its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import field
from typing import Any
from weakref import WeakKeyDictionary

from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.relay import Upstream
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.execution.slots import Slots
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass

MOST_USES = 16
"""A fork is used so many times in a row and then gives its slot back, so that other blocks and other runs have their
turn."""


class ForkNode(Node):
    """A fork's own node. It remembers which accounts it was asked to impersonate."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.impersonated: set[str] = set()

    async def request(self, method: str, params: list[Any]) -> Any:
        """As ``Node.request``."""
        if method == "anvil_impersonateAccount":
            self.impersonated.add(str(params[0]))
        return await super().request(method, params)


Starts = Callable[[Upstream, int], AbstractAsyncContextManager[ForkNode]]
"""Starts a fork that reads through an upstream, and whose next block has a time in unix seconds."""
Timestamp = Callable[[], Awaitable[int]]
"""Reads the time that a fork's next block should have, in unix seconds."""


async def position(node: Node, block: BlockRef, timestamp: int | None) -> None:
    """Check that the fork holds the requested block, and set the time of its next block."""
    head = await node.block("latest")
    if head.height != block.height or head.hash != block.hash:
        raise TransientError(f"the fork holds block {head.height} {head.hash[:10]}…, not {block.hash[:10]}…: a reorg")
    try:
        await node.request("evm_setTime", [hex(max(timestamp or 0, block.timestamp + 1))])
    except NodeRefused as refusal:
        raise TransientError(f"the fork's clock cannot be set: {refusal}") from None


@dataclass(slots=True, eq=False)
class _Running:
    """A fork that several may use."""

    node: ForkNode
    """The fork."""
    upstream: Upstream
    """What it reads through."""
    closes: AsyncExitStack
    """Ends it and gives its slot back."""
    base_fee: str | None
    """The next block's base fee as the fork started with it; None on a chain without."""
    snapshot: Any
    """The id of its state as it started."""
    uses: int = 0
    """How often it was used."""


@dataclass(slots=True, eq=False)
class _Queue:
    """Who wants a fork of one block."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who uses the fork."""
    wanted: int = 0
    """How many use it or wait for it."""
    fork: _Running | None = None
    """The fork that waits for the next user."""


_QUEUES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Queue]] = WeakKeyDictionary()


@asynccontextmanager
async def shared(
    key: Hashable,
    block: BlockRef,
    node: Node,
    starts: Starts,
    *,
    slots: Slots,
    timestamp: Timestamp,
    waits: Callable[[str], None] | None = None,
) -> AsyncIterator[Node]:
    """A fork of ``block``, alone for as long as the block takes.

    key: equal for those who may share one. node: the user's own connection, through which the fork reads. starts:
    makes a fork. waits: see ``Slots.take``.
    """
    queues = _QUEUES.setdefault(asyncio.get_running_loop(), {})
    queue = queues.setdefault(key, _Queue())
    queue.wanted += 1
    try:
        with slots.reported(waits):
            await queue.turn.acquire()
        try:
            fork, queue.fork = queue.fork, None
            if fork is None or not await _put_back(fork, block, node, timestamp):
                fork = await _started(block, node, starts, slots, timestamp, waits)
            async with AsyncExitStack() as ends:
                ends.push_async_callback(fork.closes.aclose)
                fork.uses += 1
                with slots.entered():
                    yield fork.node
                if queue.wanted > 1 and fork.uses < MOST_USES:
                    queue.fork = fork
                    ends.pop_all()
        finally:
            queue.turn.release()
    finally:
        queue.wanted -= 1
        if not queue.wanted:
            queues.pop(key, None)
            if queue.fork is not None:  # who waited for it was cancelled
                await queue.fork.closes.aclose()


async def _started(
    block: BlockRef,
    node: Node,
    starts: Starts,
    slots: Slots,
    timestamp: Timestamp,
    waits: Callable[[str], None] | None,
) -> _Running:
    """A new fork, once there is a slot for it."""
    async with AsyncExitStack() as stack:
        stack.callback(slots.give, await slots.take(waits))
        upstream = Upstream(node, block.height)
        forked = await stack.enter_async_context(starts(upstream, await timestamp()))
        pending = await forked.request("eth_getBlockByNumber", ["pending", False])
        base_fee = pending.get("baseFeePerGas") if isinstance(pending, Mapping) else None
        snapshot = await forked.request("evm_snapshot", [])
        return _Running(forked, upstream, stack.pop_all(), base_fee, snapshot)


async def _put_back(fork: _Running, block: BlockRef, node: Node, timestamp: Timestamp) -> bool:
    """Whether the fork is as it was when it started, for the user whose chain ``node`` reads. One that is not, is
    ended."""
    async with AsyncExitStack() as ends:
        ends.push_async_callback(fork.closes.aclose)
        fork.upstream.node = node
        coming = await timestamp()
        try:
            if await fork.node.request("evm_revert", [fork.snapshot]) is not True:
                return False
            await fork.node.request("anvil_dropAllTransactions", [])
            while fork.node.impersonated:
                await fork.node.request("anvil_stopImpersonatingAccount", [fork.node.impersonated.pop()])
            if fork.base_fee is not None:
                await fork.node.request("anvil_setNextBlockBaseFeePerGas", [fork.base_fee])
            fork.snapshot = await fork.node.request("evm_snapshot", [])
            await position(fork.node, block, coming)
        except (NodeRefused, TransientError):
            return False
        ends.pop_all()
    return True
