"""The liquidity commands run on the sandbox, and pools that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.program import Ended, yieldbot
from tests.kit.traded import Traded, traded
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.node import Sandbox

POOL = "USDC/WETH/500"
GIVE = ("--give", "USDC=3000", "--give", "WETH=1")


@pytest.fixture
def lp(pool_sandbox: Sandbox, tmp_path: Path) -> Callable[..., Ended]:
    def run(*words: object) -> Ended:
        return yieldbot("--config", pool_sandbox.config, *words, cwd=tmp_path)

    return run


def within(sandbox: Sandbox, work: Callable[[Traded], Any]) -> Any:
    async def run() -> Any:
        async with sandbox.node() as node:
            return await work(await traded(sandbox, node))

    return asyncio.run(run())


async def fund(made: Traded) -> None:
    """Give the wallet some WETH, and the pool a history of small trades in both directions."""
    weth = Contract(made.sandbox.addresses["weth"], packaged("@uniswap/v2-periphery/build/WETH9.json").abi)
    await made.d.send(weth, "transfer", made.sandbox.wallet, 10 * 10**18)
    await there_and_back(made, 12)


async def there_and_back(made: Traded, count: int = 4) -> None:
    """Trades in both directions, after which the price is as before."""
    for number in range(count):
        await made.swap(number % 2 == 0, 1_000)
        await made.d.warp(1800)


def balances(sandbox: Sandbox) -> dict[str, int]:
    found = {}
    for name in ("usdc", "weth", "uniswap_positions"):
        data = "0x70a08231" + sandbox.wallet[2:].lower().rjust(64, "0")
        found[name] = int(sandbox.rpc("eth_call", {"to": sandbox.addresses[name], "data": data}, "latest"), 16)
    return found


def without_decrease(sandbox: Sandbox) -> str:
    """Replace the position manager by a double: the real one without ``decreaseLiquidity``, so that liquidity goes in
    and never comes out. Returns the original code."""
    address = sandbox.addresses["uniswap_positions"]
    code = sandbox.rpc("eth_getCode", address, "latest")
    assert code.count("630c49ccbe14") == 1  # PUSH4 of its selector, EQ: where the code dispatches calls
    sandbox.rpc("anvil_setCode", address, code.replace("630c49ccbe14", "63ffffffff14"))
    return str(code)


def shut_from_now_on(sandbox: Sandbox) -> str:
    """Replace the position manager by a double: the real one behind a proxy that blocks withdrawals from half an hour
    from now on, so that only liquidity which is removed at once comes out. Returns the original code."""
    address, behind = sandbox.addresses["uniswap_positions"], "0x" + "5e" * 20
    code = sandbox.rpc("eth_getCode", address, "latest")
    until = int(sandbox.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 1_800
    later = "5f3560e01c630c49ccbe14" + f"4267{until:016x}1016" + "60..57"  # decreaseLiquidity, and the time is up: jump
    rest = f"365f5f375f5f365f73{behind[2:]}5af43d5f5f3e"  # every other call goes to the code behind
    ends = (len(later) + len(rest)) // 2
    body = later + rest + f"60{ends + 6:02x}573d5ffd5b3d5ff3" + "5b5f5ffd"
    body = body.replace("..", f"{ends + 10:02x}")
    sandbox.rpc("anvil_setCode", behind, code)
    sandbox.rpc("anvil_setCode", address, "0x" + body)
    return str(code)
