"""One fork a chain and block: whoever comes next finds it as a new one, and what cannot be put back is thrown away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_utils import to_checksum_address

from tests.kit.evm.many_chains import more_chains, settings_of
from tests.kit.small_market import SmallMarket
from yieldbot.app.context import Context
from yieldbot.app.run import DryRunRequest, dry_run
from yieldbot.chains.evm.execution.on_fork import impersonate
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.node import fork as fork_module
from yieldbot.chains.evm.node import shared_forks
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import forks
from yieldbot.chains.evm.node.relay import Upstream
from yieldbot.config.load import load
from yieldbot.errors import NodeRefused
from yieldbot.execution.slots import fork_slots
from yieldbot.journal.journal_entries import AlarmRaised
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.plan import Leg, LegKind
from yieldbot.sandbox.evm.node import Sandbox

RICH = Address("0x00000000000000000000000000000000DeaDBeef")
RAW = 12_000 * 10**6


class Counts:
    """How many forks were started, and how many ran at once, by chain."""

    def __init__(self) -> None:
        self.started: Counter[str] = Counter()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_together = 0


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    found, real = Counts(), fork_module.fork_of

    @asynccontextmanager
    async def counted(url: str, block: BlockRef, **options: Any) -> AsyncIterator[Any]:
        found.started[block.chain] += 1
        found.now[block.chain] += 1
        found.most[block.chain] = max(found.most[block.chain], found.now[block.chain])
        found.most_together = max(found.most_together, found.now.total())
        try:
            async with real(url, block, **options) as fork:
                yield fork
        finally:
            found.now[block.chain] -= 1

    monkeypatch.setattr(fork_module, "fork_of", counted)
    return found


async def pending_fee(fork: Node) -> Any:
    return (await fork.request("eth_getBlockByNumber", ["pending", False]))["baseFeePerGas"]


async def test_a_rehearsal_on_a_shared_fork_is_that_of_an_own_one(market: SmallMarket, counts: Counts) -> None:
    async with market.node() as node, market.node() as other:
        with market.journal() as journal:
            withdraw = Leg(LegKind.WITHDRAW, market.market.id, Amount(market.usdc, RAW), all=True)
            both = [market.deposit_work(RAW), market.redeem_work(withdraw, RAW, index=1)]
            plans = [both, [market.deposit_work(RAW // 2)], [market.deposit_work(RAW)], both]
            accounts = [market.account(one, journal) for one in (node, other, node, other)]
            head = await node.block()
            together = [rehearse(who, what, head) for who, what in zip(accounts, plans, strict=True)]
            shared = await asyncio.gather(*together)
            assert (counts.started.total(), counts.most_together) == (1, 1)
            async with fork_slots().held():  # each has a fork of its own
                own = [await rehearse(who, what, head) for who, what in zip(accounts, plans, strict=True)]
            assert counts.started.total() == 1 + len(plans)
            assert all(isinstance(one, Rehearsal) for one in own)
            assert shared == own  # calls, gas, fees and every change of a balance, that of the chain's coin too


async def test_the_next_user_finds_the_block_and_nothing_of_the_one_before(market: SmallMarket, counts: Counts) -> None:
    async with market.node() as node:
        head, seen = await node.block(), list[tuple[object, ...]]()
        fork = forks(node)

        async def use() -> None:
            async with fork(head) as mine:
                pool = await mine.request("txpool_status", [])
                late = int((await mine.request("eth_getBlockByNumber", ["pending", False]))["timestamp"], 16)
                nonce, wei = await mine.nonce(RICH), await mine.balance_wei(RICH)
                seen.append((await mine.block(), await pending_fee(mine), nonce, wei, str(pool)))
                assert 0 < late - head.timestamp < 3600
                await mine.request("anvil_setBalance", [RICH, hex(10**20)])
                with pytest.raises(NodeRefused, match=r"(?i)signer"):
                    await mine.request("eth_sendTransaction", [{"from": RICH, "to": RICH, "gas": hex(21_000)}])
                await impersonate(mine, RICH)
                await mine.request("anvil_setCode", [market.market.address, "0x00"])
                await mine.request("evm_increaseTime", [hex(3 * 86_400)])
                await mine.request("evm_snapshot", [])  # which nobody reverts
                await mine.request("eth_sendTransaction", [{"from": RICH, "to": RICH, "gas": hex(21_000)}])
                for _ in range(3):
                    await mine.request("evm_mine", [])
                waits = {"from": RICH, "to": RICH, "gas": hex(21_000), "nonce": "0x9"}
                await mine.request("eth_sendTransaction", [waits])
                await mine.request("anvil_setNextBlockBaseFeePerGas", [hex(77 * 10**9)])

        await asyncio.gather(*(use() for _ in range(3)))
        async with fork(head) as mine:
            assert await mine.code(market.market.address) == await node.code(market.market.address)
        assert len(set(seen)) == 1 and seen[0][0] == head and seen[0][2:4] == (0, 0)
        assert counts.started.total() == 2  # the last one came when nobody else was there


async def raised(fork: Node) -> None:
    raise ValueError("on purpose")


async def reverted(fork: Node) -> None:
    await fork.request("evm_revert", ["0x0"])  # the snapshot that it is to be put back to


async def killed(fork: Node) -> None:
    port = int(fork.endpoint.url.rpartition(":")[2])
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    anvils = [int(one) for one in mine if Path(f"/proc/{one}/comm").read_text().startswith("anvil")]
    listening = f":{port:04X} "
    sockets = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if listening in line and " 0A " in line
    }
    for pid in anvils:
        held = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
        if any(f"socket:[{one}]" in held for one in sockets):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("spoil", [raised, reverted, killed])
async def test_a_fork_that_cannot_be_put_back_is_thrown_away(
    market: SmallMarket, counts: Counts, spoil: Callable[[Node], Any]
) -> None:
    async with market.node() as node:
        head = await node.block()

        async def use(what: Callable[[Node], Any] | None = None) -> BlockRef:
            async with forks(node)(head) as fork:
                await fork.request("anvil_setBalance", [RICH, hex(int(await fork.balance_wei(RICH)) + 5)])
                assert await fork.balance_wei(RICH) == 5
                found = await fork.block()
                if what is not None:
                    await what(fork)
                return found

        ended = await asyncio.gather(use(spoil), use(), use(), return_exceptions=True)
        assert ended[1:] == [head, head]
        assert isinstance(ended[0], ValueError) if spoil is raised else ended[0] == head
        assert (counts.started.total(), counts.most_together, counts.now.total()) == (2, 1, 0)


async def test_a_fork_gives_its_slot_back_after_some_uses_and_a_wait_that_is_cancelled_leaves_none(
    market: SmallMarket, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_forks, "MOST_USES", 2)
    async with market.node() as node:
        head, order = await node.block(), list[int]()

        async def use(index: int, until: asyncio.Event | None = None) -> None:
            async with forks(node)(head):
                order.append(index)
                if until is not None:
                    await until.wait()

        await asyncio.gather(*(use(index) for index in range(5)))
        assert order == list(range(5)) and (counts.started.total(), counts.most_together) == (3, 1)
        leaves = asyncio.Event()
        first = asyncio.create_task(use(5, leaves))
        while 5 not in order:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(use(6))
        await asyncio.sleep(0)
        leaves.set()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert counts.now.total() == 0 and not [one for one in shared_forks._QUEUES.values() if one]


async def test_what_was_read_of_the_forks_block_is_not_read_again() -> None:
    asked = list[tuple[str, list[Any]]]()

    class Counting:
        async def request(self, method: str, params: list[Any]) -> Any:
            asked.append((method, params))
            return "0x" + "0" * 64

    upstream = Upstream(Counting(), 7)  # type: ignore[arg-type]
    for _ in range(2):
        for height, method in (("0x7", "eth_getBalance"), ("0x6", "eth_getBalance"), ("0x7", "eth_call")):
            await upstream.request(method, [RICH, height])
    assert len(asked) == 1 + 2 * 2
    upstream.characters = 8 * 2**20
    for _ in range(2):
        await upstream.request("eth_getCode", [RICH, "0x7"])  # no more is kept
    assert len(asked) == 7 and len(upstream.kept) == 1


def test_jobs_on_two_chains_share_two_forks_and_every_plan_is_rehearsed(sandbox: Sandbox, counts: Counts) -> None:
    wallets = [sandbox.wallet, *(to_checksum_address(f"0x{at:040x}") for at in (0xA11CE, 0xB0B, 0xCAFE))]
    usdc, rich = load(sandbox.config).jobs[0].asset.address, sandbox.rpc("eth_accounts")[0]
    for wallet in wallets[1:]:
        data = f"0x40c10f19{wallet[2:]:0>64}{50_000 * 10**6:064x}"  # mint(address,uint256)
        sandbox.rpc("eth_sendTransaction", {"from": rich, "to": usdc, "data": data, "gas": hex(200_000)})
        sandbox.rpc("anvil_setBalance", wallet, hex(10**19))
    with more_chains(sandbox.directory, sandbox.rpc_url, 1) as chains:
        sandbox.config.write_text(settings_of(sandbox.config.read_text(), wallets, chains))
        answer = dry_run(DryRunRequest(), Context(sandbox.config))
    with Journal.read(load(sandbox.config).data_dir / "journal.sqlite") as journal:
        raised = [one.entry for one in journal.history() if isinstance(one.entry, AlarmRaised)]
    about = [(one.chain, one.market_id, one.code, one.act, one.owner) for one in raised]
    assert raised and len(set(about)) == len(about), "four accounts saw the same alarm at once: it is one entry"
    rows = answer.document.jobs
    assert len(rows) == 8 and {row.exit_code for row in rows} == {0}
    assert all(row.rehearsal for row in rows)
    assert len(counts.started) == 2 and counts.started.total() < len(rows)
    assert counts.most_together <= 2 and set(counts.most.values()) == {1}
