"""Forks: pinned at one block, clock from there, always stopped, clear when they cannot start."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit import ROOT
from yieldbot.chains.evm.node.anvil import Anvil, spawn, stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import fork_of, forks
from yieldbot.errors import TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, evm_chain

CHAIN = evm_chain(31337)
MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
STARTED = int(time.time()) - 90 * 86_400
RICH = Address("0x00000000000000000000000000000000DeaDBeef")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Anvil]:
    options = ["--chain-id", "31337", "--timestamp", str(STARTED)]
    anvil = spawn(options, log=tmp_path / "anvil.log", temporary=True)
    try:
        yield anvil
    finally:
        stop(anvil.pid)


async def head_of(url: str, seconds: float = 2.0) -> BlockRef:
    """What a node says is its newest block. Raises TransientError where none answers."""
    async with Node(CHAIN, url, multicall3=MULTICALL3, timeout_seconds=seconds) as node:
        return await node.block()


async def test_no_web_page_of_a_browser_on_this_machine_can_ask_a_fork_or_a_node_of_ours(upstream: Anvil) -> None:
    """A page elsewhere may POST JSON to the loopback only where a preflight lets it; without one, as text, it must not
    be understood."""
    from aiohttp import ClientSession

    page = {"Origin": "https://page.example"}
    asks = page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    body = f'{{"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance", "params": ["{RICH}", "0x5"]}}'
    async with (
        Node(CHAIN, upstream.url, multicall3=MULTICALL3) as node,
        fork_of(upstream.url, await node.block(), chain=CHAIN, multicall3=MULTICALL3) as fork,
        ClientSession() as browser,
    ):
        for one in (fork, node):
            async with browser.options(one.endpoint.url, headers=asks) as preflight:
                assert not preflight.ok and not [name for name in preflight.headers if "Access-Control" in name]
            async with browser.post(one.endpoint.url, data=body, headers=page | {"Content-Type": "text/plain"}) as said:
                assert "result" not in await said.json()
            assert await one.balance_wei(RICH) == 0


async def test_a_fork_holds_its_block_and_leaves_the_upstream_alone(upstream: Anvil) -> None:
    async with Node(CHAIN, upstream.url, multicall3=MULTICALL3) as node:
        await node.request("anvil_setBalance", [RICH, "0x5"])
        await node.request("evm_mine", [])
        pinned = await node.block()
        await node.request("evm_mine", [])  # anvil's own setters change the newest block's state, not the next one's
        await node.request("anvil_setBalance", [RICH, "0x7"])
        await node.request("evm_mine", [])
        async with fork_of(upstream.url, pinned, chain=CHAIN, multicall3=MULTICALL3) as fork:
            assert await fork.block() == pinned
            assert await fork.balance_wei(RICH) == 5
            await fork.request("anvil_setBalance", [RICH, "0x9"])
            await fork.request("evm_mine", [])
            mined = await fork.block()
            assert mined.height == pinned.height + 1
            assert pinned.timestamp < mined.timestamp <= pinned.timestamp + 3600  # the chain's clock, not ours
            assert await node.balance_wei(RICH) == 7
            url = fork.endpoint.url
        with pytest.raises(TransientError):
            await head_of(url)


async def test_the_clock_goes_on_where_the_chain_would(upstream: Anvil) -> None:
    async with Node(CHAIN, upstream.url, multicall3=MULTICALL3) as node:
        await node.request("evm_mine", [])
        await node.request("evm_increaseTime", [hex(3 * 86_400)])
        head = await node.block()
        async with forks(node)(head) as fork:
            await fork.request("evm_mine", [])
            late = (await fork.block()).timestamp - head.timestamp
            assert 3 * 86_400 <= late <= 3 * 86_400 + 3600


async def test_a_fork_is_stopped_when_what_it_is_used_for_fails(upstream: Anvil) -> None:
    async with Node(CHAIN, upstream.url, multicall3=MULTICALL3) as node:
        head = await node.block()
    url = ""
    with pytest.raises(ValueError, match="on purpose"):
        async with fork_of(upstream.url, head, chain=CHAIN, multicall3=MULTICALL3) as fork:
            url = fork.endpoint.url
            raise ValueError("on purpose")
    with pytest.raises(TransientError):
        await head_of(url)


async def test_a_fork_that_cannot_start_says_so_without_the_url(upstream: Anvil) -> None:
    async with Node(CHAIN, upstream.url, multicall3=MULTICALL3) as node:
        head = await node.block()
    absent = BlockRef(CHAIN, 10_000, "0x00", STARTED)
    for url, block in ((upstream.url, absent), ("http://127.0.0.1:9/secret-key", head)):
        with pytest.raises(TransientError, match=r"anvil ended with 1 while it forked eip155:31337") as failure:
            async with fork_of(url, block, chain=CHAIN, multicall3=MULTICALL3):
                pass
        assert "secret" not in str(failure.value) and "127.0.0.1" not in str(failure.value)
    with pytest.raises(TransientError, match="a reorg"):
        async with fork_of(upstream.url, replace(head, hash="0xdead"), chain=CHAIN, multicall3=MULTICALL3):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
async def test_a_fork_dies_with_a_killed_process(upstream: Anvil, tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(
        "import asyncio, sys\n"
        "from yieldbot.chains.evm.node.client import Node\n"
        "from yieldbot.chains.evm.node.fork import fork_of\n"
        "async def main():\n"
        f"    async with Node({CHAIN!r}, sys.argv[1], multicall3={MULTICALL3!r}) as node:\n"
        "        head = await node.block()\n"
        f"        async with fork_of(sys.argv[1], head, chain={CHAIN!r}, multicall3={MULTICALL3!r}) as fork:\n"
        "            print(fork.endpoint.url, flush=True)\n"
        "            await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    root = ROOT
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), upstream.url),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert holder.stdout is not None
    url = (await holder.stdout.readline()).decode().strip()
    assert (await head_of(url, 60)).chain == CHAIN
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    for _ in range(100):
        try:
            await head_of(url)
        except TransientError:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the fork outlived the process that was killed")
