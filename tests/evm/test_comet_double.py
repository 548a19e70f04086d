"""The double of Comet against an independent model of Comet's integer arithmetic, step by step and to the last unit.

Source of the rules: Compound III documentation and the published Comet contracts (accruedInterestIndices, presentValue,
principalValue, getSupplyRate, getBorrowRate).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from eth_abi import decode
from eth_utils import to_checksum_address

from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox
WAD, INDEX, YEAR = 10**18, 10**15, 31_536_000
SUPPLY = (8 * WAD // 10, WAD // 200, 32 * WAD // 1000, 27 * WAD // 100)  # kink, base, low, high: a year
BORROW = (85 * WAD // 100, WAD // 70, 41 * WAD // 1000, 43 * WAD // 100)


def rate(utilisation: int, curve: tuple[int, int, int, int]) -> int:
    """Per second, in 1e18ths."""
    kink, base, low, high = curve[0], *(figure // YEAR for figure in curve[1:])
    if utilisation <= kink:
        return base + low * utilisation // WAD
    return base + low * kink // WAD + high * (utilisation - kink) // WAD


@dataclass
class CometModel:
    """Comet's base-asset book: principals by account, indices of 1e15."""

    time: int
    supply_index: int = INDEX
    borrow_index: int = INDEX
    principal: dict[str, int] = field(default_factory=dict)

    @property
    def total_supply(self) -> int:
        return sum(p for p in self.principal.values() if p > 0)

    @property
    def total_borrow(self) -> int:
        return -sum(p for p in self.principal.values() if p < 0)

    def utilisation(self) -> int:
        supplied = self.total_supply * self.supply_index // INDEX
        return self.total_borrow * self.borrow_index // INDEX * WAD // supplied if supplied else 0

    def accrue(self, to: int) -> None:
        used, elapsed = self.utilisation(), to - self.time
        self.supply_index += self.supply_index * (rate(used, SUPPLY) * elapsed) // WAD
        self.borrow_index += self.borrow_index * (rate(used, BORROW) * elapsed) // WAD
        self.time = to

    def balance(self, account: str) -> int:
        """Positive where supplied, negative where owed."""
        principal = self.principal.get(account, 0)
        index = self.supply_index if principal > 0 else self.borrow_index
        return abs(principal) * index // INDEX * (1 if principal > 0 else -1)

    def change(self, account: str, amount: int, at: int) -> None:
        self.accrue(at)
        present = self.balance(account) + amount
        if present >= 0:
            self.principal[account] = present * INDEX // self.supply_index
        else:
            self.principal[account] = (
                present * INDEX
            ) // self.borrow_index  # floor of a negative: owes more, never less


@dataclass
class Bench:
    deployer: Deployer
    comet: Contract
    usdc: Contract
    born: int


@pytest_asyncio.fixture
async def bench(sandbox: Sandbox) -> AsyncIterator[Bench]:
    ours = own()
    async with sandbox.node() as node:
        accounts = [Address(to_checksum_address(a)) for a in await node.request("eth_accounts", [])]
        deployer = Deployer(node, accounts)
        usdc = Contract(sandbox.addresses["usdc"], ours["TestToken"].abi)
        comet = await deployer.deploy(ours["CometDouble"], usdc.address, list(SUPPLY), list(BORROW))
        born = (await node.block()).timestamp
        for account in accounts[:4]:
            await deployer.send(usdc, "mint", account, 10**14)
            await deployer.send(usdc, "approve", comet.address, MAX_UINT256, sender=account)
        yield Bench(deployer, comet, usdc, born)


def views(comet: Contract, calls: list[tuple[str, tuple[object, ...]]]) -> Flow[list[int]]:
    answers = yield [EthCall(comet.address, bytes.fromhex(comet.data(name, *args)[2:])) for name, args in calls]
    return [decode(["int256"], answer)[0] for answer in answers]


async def test_rates_at_any_utilisation(bench: Bench) -> None:
    draw = random.Random(31337)
    kinks = [k + step for k in (SUPPLY[0], BORROW[0]) for step in (-1, 0, 1)]
    used = [0, 1, WAD, 2 * WAD, *kinks, *(draw.randrange(3 * WAD // 2) for _ in range(400))]
    calls: list[tuple[str, tuple[object, ...]]] = [
        (name, (u,)) for u in used for name in ("getSupplyRate", "getBorrowRate")
    ]
    node = bench.deployer.node
    (found,) = await node.run([views(bench.comet, calls)], await node.block())
    assert found == [figure for u in used for figure in (rate(u, SUPPLY), rate(u, BORROW))]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_sequence_of_supplies_withdrawals_borrowings_and_time(bench: Bench, seed: int) -> None:
    d, comet, draw = bench.deployer, bench.comet, random.Random(seed)
    people, model = d.accounts[:4], CometModel(bench.born)
    for step in range(24):
        account = draw.choice(people)
        if step < 4 or draw.random() < 0.5:
            amount = draw.randrange(1, 10**13) if step < 4 else draw.randrange(1, 10**12)
            receipt = await d.send(comet, "supply", bench.usdc.address, amount, sender=account)
        else:
            (cash,) = decode(["uint256"], await d.read(bench.usdc, "balanceOf", comet.address))
            amount = -draw.randrange(1, max(2, cash // 2))
            receipt = await d.send(comet, "withdraw", bench.usdc.address, -amount, sender=account)
        block = await d.node.block(int(receipt["blockNumber"], 16))
        model.change(account, amount, block.timestamp)
        await compare(bench, model, people)
        await d.warp(draw.randrange(1, 20 * 86_400))
    model_now = CometModel(model.time, model.supply_index, model.borrow_index, dict(model.principal))
    head = await d.node.block()
    utilisation = model.utilisation()
    model_now.accrue(head.timestamp)
    (found,) = await d.node.run(
        [views(comet, [("getUtilization", ()), ("totalSupply", ()), ("totalBorrow", ())])], head
    )
    assert found == [
        utilisation,
        model_now.total_supply * model_now.supply_index // INDEX,
        model_now.total_borrow * model_now.borrow_index // INDEX,
    ], "views include what has accrued since the last transaction; utilisation does not"


async def compare(bench: Bench, model: CometModel, people: list[Address]) -> None:
    d, comet = bench.deployer, bench.comet
    types = ["uint64"] * 4 + ["uint104", "uint104", "uint40", "uint8"]
    assert decode(types, await d.read(comet, "totalsBasic")) == (
        *(model.supply_index, model.borrow_index, 0, 0, model.total_supply, model.total_borrow, model.time, 0),
    )
    calls: list[tuple[str, tuple[object, ...]]] = [
        (name, (person,)) for person in people for name in ("balanceOf", "borrowBalanceOf")
    ]
    (cash,) = decode(["uint256"], await d.read(bench.usdc, "balanceOf", comet.address))
    (found,) = await d.node.run([views(comet, [*calls, ("getReserves", ())])], await d.node.block())
    expected = [f for p in people for f in (max(0, model.balance(p)), max(0, -model.balance(p)))]
    reserves = (
        cash - model.total_supply * model.supply_index // INDEX + model.total_borrow * model.borrow_index // INDEX
    )
    assert found == [*expected, reserves]
