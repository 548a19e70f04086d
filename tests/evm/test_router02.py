"""SwapRouter02 where it is the only router: a job's swap and a new range's go through its multicall."""

from __future__ import annotations

import re

import pytest_asyncio

from tests.kit.evm.liquidity import fund
from tests.kit.evm.router02 import ROUTER02
from tests.kit.evm.world import world
from tests.kit.program import yieldbot
from tests.kit.traded import traded
from yieldbot.app import cycle
from yieldbot.model.address import checksummed
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.protocols.evm.abi import abi
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Deployer
from yieldbot.sandbox.evm.node import Sandbox

BY_DEADLINE = abi("uniswap_router02").selector("multicall")


@pytest_asyncio.fixture
async def by_router02(sandbox: Sandbox) -> Sandbox:
    """The sandbox, where SwapRouter02 stands in the chain's file in SwapRouter's place."""
    async with sandbox.node() as node:
        d = Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])
        at = [sandbox.addresses[name] for name in ("uniswap_factory", "uniswap_positions", "weth")]
        router = await d.deploy(packaged(ROUTER02), at[0], *at)
    file, old = sandbox.directory / "chains" / "sandbox.toml", sandbox.addresses["uniswap_router"]
    text = file.read_text()
    assert text.count(f'router = "{old}"') == 1
    file.write_text(text.replace(f'router = "{old}"', f'router02 = "{router.address}"'))
    return sandbox


def sent_to_router(sandbox: Sandbox, router: str, since: int) -> list[bytes]:
    """The data of our transactions to it, oldest first."""
    newest, found = int(sandbox.rpc("eth_blockNumber"), 16), []
    for height in range(since + 1, newest + 1):
        for tx in sandbox.rpc("eth_getBlockByNumber", hex(height), True)["transactions"]:
            if tx["from"] == sandbox.wallet.lower() and (tx["to"] or "").lower() == router.lower():
                found.append(bytes.fromhex(tx["input"][2:]))
    return found


async def test_a_job_swaps_through_it_to_the_unit(by_router02: Sandbox) -> None:
    text = by_router02.config.read_text().replace('asset = "USDC"', 'base = "USD"')
    bases = '\n[policy.bases.USD]\nunit = "USD"\nassets = { USDC = 1.0, DAI = 0.6 }\n'
    by_router02.config.write_text(text + bases)
    start = int(by_router02.rpc("eth_blockNumber"), 16)
    with world(by_router02) as w:
        (job,) = w.settings.jobs
        router = job.chain.exchanges[0].params["router02"]
        report = await cycle.run_job(w, job)
        assert report.declined is None and report.decision is not None
        plan = report.decision.outcome
        assert isinstance(plan, Plan)
        (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
        (expected,) = plan.allocation.swaps
        swapped = report.outcomes[1][1]
        assert isinstance(swapped, Confirmed)
        changed = {delta.token.symbol: delta.raw for delta in swapped.deltas}
        assert changed["USDC"] == -swap.amount.raw and changed["DAI"] == expected.gets.raw, "to the unit"
    (data,) = sent_to_router(by_router02, router, start)
    assert data[:4] == BY_DEADLINE
    assert yieldbot("--json", "allowances", cwd=by_router02.directory).document["accounts"][0]["allowances"] == []
    said = yieldbot("decode", "0x" + data.hex(), "--to", router, "--chain", "sandbox", cwd=by_router02.directory)
    assert said.code == 0 and said.out.startswith("multicall: multicall(uint256,bytes[]) of Uniswap v3 [abis]\n")
    assert f"amountIn: {swap.amount}\n" in said.out and "amountOutMinimum: " in said.out and " UTC\n" in said.out
    assert f"recipient: {by_router02.wallet}\n" in said.out


async def test_a_range_is_laid_anew_with_it(by_router02: Sandbox) -> None:
    async with by_router02.node() as node:
        await fund(await traded(by_router02, node))

    def lp(*words: str):
        return yieldbot("--json", "lp", *words, "--anyway", "--yes", cwd=by_router02.directory)

    gives = ("--give", "USDC=3000", "--give", "WETH=1")
    added = lp("add", "USDC/WETH/500", *gives, "--range", "2800:3200")
    assert added.code == 0, added.err
    (row,) = yieldbot("--json", "positions", cwd=by_router02.directory).document["liquidity"][0]["positions"]
    start = int(by_router02.rpc("eth_blockNumber"), 16)
    anew = lp("rerange", row["token_id"], "--range", "2990:3400", "--slippage-bps", "200")
    assert anew.code == 0, anew.err
    with world(by_router02) as w:
        router = w.settings.jobs[0].chain.exchanges[0].params["router02"]
    (data,) = sent_to_router(by_router02, router, start)
    assert data[:4] == BY_DEADLINE
    assert yieldbot("--json", "allowances", cwd=by_router02.directory).document["accounts"][0]["allowances"] == []


def test_check_sees_a_router_of_another_factory(by_router02: Sandbox) -> None:
    def said() -> dict[str, str]:
        rows = yieldbot("--json", "check", cwd=by_router02.directory).document["checks"]
        assert next(row for row in rows if row["what"] == "sandbox Uniswap v4")["ok"], rows
        (row,) = (row for row in rows if row["what"] == "sandbox Uniswap v3")
        return row

    file = by_router02.directory / "chains" / "sandbox.toml"
    good = file.read_text()
    (router,) = re.findall(r'router02 = "(\w+)"', good)
    assert said() == {
        "what": "sandbox Uniswap v3",
        "ok": True,
        "warning": False,
        "said": "factory, manager, router02",
        "remedy": None,
    }
    usdc, stable = by_router02.addresses["usdc"], checksummed(by_router02.addresses["uniswap_stable_pool"])
    for wrong, why in (
        ("0x" + "11" * 20, f"no contract at 0x{'11' * 20}"),
        (usdc, f"{usdc} names no factory: it is no router02"),
    ):
        file.write_text(good.replace(router, wrong))
        row = said()
        assert not row["ok"] and row["said"] == why and "correct router02" in row["remedy"]
    factory = by_router02.addresses["uniswap_factory"]
    file.write_text(good.replace(f'factory = "{factory}"', f'factory = "{stable}"'))
    row = said()
    assert not row["ok"] and f"{router} is of the factory {factory.lower()}" == row["said"]
