"""A fork of a chain: an ``anvil`` process on the loopback that starts from one upstream block. It sends nothing
back."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.node.anvil import find_anvil, surroundings
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.relay import Upstream, relay
from yieldbot.chains.evm.node.shared_forks import ForkNode, position, shared
from yieldbot.errors import TransientError
from yieldbot.execution.slots import fork_slots
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, evm_number

START_SECONDS = 30.0
AGAIN_SECONDS = 0.5
SCARCE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""Errors of a system that lacks something for a moment."""
_LISTENING = re.compile(rb"Listening on 127\.0\.0\.1:(\d+)")
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9


@asynccontextmanager
async def fork_of(
    upstream_url: str,
    block: BlockRef,
    *,
    chain: ChainId,
    multicall3: Address,
    anvil: Path | None = None,
    timestamp: int | None = None,
    timeout_seconds: float = 30.0,
) -> AsyncIterator[ForkNode]:
    """A node with the upstream's state at ``block``. It mines each transaction at once, and ends with the context.

    timestamp: the time of its next block in unix seconds; by default one second after ``block``. anvil: the program;
    None: ``find_anvil``. Raises ConfigError when there is no anvil, TransientError when the fork does not start or
    holds another block than the one requested (a reorg).
    """
    program = str(find_anvil(anvil))
    number = str(evm_number(chain))
    options = [
        *("--fork-url", upstream_url, "--fork-block-number", str(block.height), "--fork-chain-id", number),
        *("--chain-id", number, "--host", "127.0.0.1", "--port", "0", "--no-cors", "--no-storage-caching"),
        *("--max-persisted-states", "0", "--accounts", "0", "--no-rate-limit", "--retries", "1"),
    ]
    process = await _started(program, options)
    try:
        port = await _port(process, block)
        drain = asyncio.create_task(_drain(process))
        try:
            url = f"http://127.0.0.1:{port}"
            async with ForkNode(chain, url, multicall3=multicall3, timeout_seconds=timeout_seconds) as node:
                await position(node, block, timestamp)
                yield node
        finally:
            drain.cancel()
    finally:
        await _stopped(process)


def forks(
    node: Node, anvil: Path | None = None, waits: Callable[[str], None] | None = None
) -> Callable[[BlockRef], AbstractAsyncContextManager[Node]]:
    """A function that forks the chain at a block. The forks read through ``node`` (node/relay.py), so they start from a
    quorum's answers. Their next block has the time of the chain's own next block, so a simulation accrues as many
    seconds of interest as the transaction that is then mined. A fork waits while as many run on this machine as there
    are cores and memory for (execution/slots.py); accounts of this process at the same block share one, in turn
    (node/shared_forks.py). waits: is called with a line that says so if that takes long."""

    @asynccontextmanager
    async def started(upstream: Upstream, timestamp: int, block: BlockRef) -> AsyncIterator[ForkNode]:
        async with (
            relay(upstream) as url,
            fork_of(
                url, block, chain=node.chain, multicall3=node.multicall3, anvil=anvil, timestamp=timestamp
            ) as forked,
        ):
            yield forked

    @asynccontextmanager
    async def fork(block: BlockRef) -> AsyncIterator[Node]:
        async def coming() -> int:
            try:
                return (await node.block("pending")).timestamp
            except TransientError:  # a node without pending blocks: assume one second after the block
                return block.timestamp + 1

        if fork_slots().inside:  # its own, in the slot that the caller has
            async with started(Upstream(node, block.height), await coming(), block) as own:
                yield own
            return
        key = (node.urls, node.multicall3, anvil, block)
        starts = partial(started, block=block)
        async with shared(key, block, node, starts, slots=fork_slots(), timestamp=coming, waits=waits) as forked:
            yield forked

    return fork


@asynccontextmanager
async def fork_of_newest(
    node: Node, fork: Callable[[BlockRef], AbstractAsyncContextManager[Node]]
) -> AsyncIterator[tuple[BlockRef, Node]]:
    """The newest block and a fork of it, shared with nobody. The block is read once a fork may run, so that a wait does
    not make it older."""
    async with fork_slots().held():
        block = await node.block()
        async with fork(block) as forked:
            yield block, forked


async def _started(program: str, options: list[str]) -> asyncio.subprocess.Process:
    """The process. Where the system lacks memory, processes or files at this moment, it is tried again until
    START_SECONDS have passed."""
    began = time.monotonic()
    while True:
        try:
            return await asyncio.create_subprocess_exec(
                program,
                *options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=surroundings(),
                preexec_fn=_dies_with_us() if sys.platform == "linux" else None,
            )
        except OSError as failure:
            if failure.errno not in SCARCE or time.monotonic() - began > START_SECONDS:
                raise TransientError(f"{program} cannot be started: {failure.strerror}") from None
        await asyncio.sleep(AGAIN_SECONDS)


def _dies_with_us() -> Any:
    """A function for the child process to call before exec: the kernel then ends it when this process ends, even by
    SIGKILL, so that no fork is left behind (Linux, prctl(2))."""
    import ctypes

    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


async def _port(process: asyncio.subprocess.Process, block: BlockRef) -> int:
    """The port in anvil's output. The output is never quoted, since it can contain the upstream's URL."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while line := await process.stdout.readline():
                if found := _LISTENING.search(line):
                    return int(found[1])
    except TimeoutError:
        raise TransientError(f"no fork of {block.chain} block {block.height} after {START_SECONDS:g} s") from None
    except ValueError:  # a line longer than the reader's limit, which anvil does not print at start
        pass
    code = await process.wait()
    raise TransientError(
        f"anvil ended with {code} while it forked {block.chain} at block {block.height}: "
        "the RPC does not answer, or has no state of that block"
    )


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read anvil's output and drop it, so that a full pipe does not block anvil."""
    assert process.stdout is not None
    while await process.stdout.read(1 << 16):
        pass


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(3.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
