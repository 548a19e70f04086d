"""Fees outside the EVM, on real nodes: anvil's OP mode with OP's real predeploys, and a double of Arbitrum's node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.rollup import ArbitrumNode, OpNode, serving
from tests.kit import op_fees
from tests.kit.evm.execution import allow, pending_allowance
from tests.kit.evm.rollups import DEAR, RAW, bytes_of, oracle
from tests.kit.small_market import SmallMarket, running
from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.build import BASE_FEE_HEADROOM
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearsal import Rehearsal, RehearsedTx
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.revoke import rehearse_revocations, revoke
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.signing.sign import unsigned_of
from yieldbot.errors import PendingError, TransientError
from yieldbot.model.amounts import Amount
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.settings import FeeKind
from yieldbot.model.tx import Confirmed, EvmCall, Expired, RollupFee
from yieldbot.sandbox.evm.rollup import Era, L1Fees, put_arbitrum, put_op_stack

ZERO = "0x" + "00" * 20


@asynccontextmanager
async def op_chain(
    folder: Path, fees: L1Fees = DEAR, era: Era = Era.ISTHMUS
) -> AsyncIterator[tuple[SmallMarket, OpNode]]:
    async with running(folder, more=("--network", "optimism")) as market:
        async with market.node() as node:
            await node.request("anvil_setBalance", [ZERO, hex(10**30)])  # anvil's OP mode charges calls of nobody too
            await put_op_stack(node, era, fees)
        with serving(OpNode(market.url, fees)) as double:
            assert isinstance(double, OpNode)
            yield replace(market, url=double.url, fee_kind="op-stack"), double


@asynccontextmanager
async def arbitrum_chain(folder: Path) -> AsyncIterator[tuple[SmallMarket, ArbitrumNode]]:
    async with running(folder) as market:
        async with market.node() as node:
            await put_arbitrum(node)
        with serving(ArbitrumNode(market.url)) as double:
            assert isinstance(double, ArbitrumNode)
            yield replace(market, url=double.url, fee_kind="arbitrum"), double


def withdrawal(market: SmallMarket) -> Leg:
    return Leg(LegKind.WITHDRAW, market.market.id, Amount(market.usdc, RAW), all=True)


async def rehearsed(account: Account, works: list[LegWork]) -> Rehearsal:
    seen = await rehearse(account, works, await account.node.block())
    assert isinstance(seen, Rehearsal), seen
    return seen


async def paid(node: Node, owner: str, height: int) -> int:
    before, after = [int(await node.request("eth_getBalance", [owner, hex(at)]), 16) for at in (height - 1, height)]
    return before - after


async def test_every_transaction_of_a_leg_is_asked_for_and_what_it_paid_is_in_the_journal(tmp_path: Path) -> None:
    async with op_chain(tmp_path) as (market, double), market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW), withdrawal(market))
            works = [market.deposit_work(RAW), market.redeem_work(plan.legs[1], RAW, index=1)]
            seen = await rehearse(account, works, await node.block())
            assert isinstance(seen, Rehearsal), seen
            assert seen.rollup.l1_wei > 3 * 10**14 and seen.rollup.operator_wei > 10**8 and not seen.rollup.l1_gas
            for work in works:
                done = await execute_leg(account, market.approval(plan), work)
                assert done.done, done
            assert len(journal.transactions()) == 3
            for tx in journal.transactions():
                assert bytes_of(tx.signed) in double.fee_asks, "its fee was asked for other bytes"
                assert isinstance(tx.outcome, Confirmed)
                lost = await paid(node, account.owner, tx.outcome.block.height)
                assert tx.outcome.fee_raw == lost, "the books leave out what the balance lost"
                beside = lost - tx.outcome.gas_used * tx.outcome.gas_price_wei
                operator = tx.outcome.gas_used * DEAR.operator_scalar // 10**6 + DEAR.operator_constant_wei
                assert beside - operator == op_fees.taken(DEAR, tx.signed.raw)  # op-revm's own count
                word = await oracle(node, "getL1Fee", "bytes", bytes_of(tx.signed))
                assert beside - operator == pytest.approx(word, rel=0.05)


@pytest.mark.parametrize("kind", ["op-stack", "ethereum"])
async def test_a_wallet_with_the_gas_but_not_the_fee_for_data_gets_its_one_line(tmp_path: Path, kind: str) -> None:
    """With the kind named wrong the chain refuses what was signed: that is what the reading is for."""
    fees = replace(DEAR, base_fee_wei=10**15)
    async with op_chain(tmp_path, fees) as (market, _), market.node() as node:
        market = replace(market, fee_kind=kind, confirm_timeout_seconds=0.5 if kind == "ethereum" else 120)
        with market.journal() as journal:
            account = market.account(node, journal)
            plan, works = await market.plan(node, market.deposit_leg(RAW)), [market.deposit_work(RAW)]
            blind = replace(account, settings=replace(account.settings, fee_kind=FeeKind.ETHEREUM))
            seen = await rehearse(blind, works, await node.block())
            assert isinstance(seen, Rehearsal), seen
            gas = sum(tx.gas_limit for tx in seen.legs[0].txs)
            txs = (await rehearsed(account, works)).legs[0].txs if kind == "op-stack" else ()
            await node.request("anvil_setBalance", [account.owner, hex(gas * seen.fees.max_fee_wei)])
            if kind == "ethereum":
                with pytest.raises((PendingError, TransientError)):
                    await execute_leg(account, market.approval(plan), works[0])
                assert len(journal.transactions()) == 1, "signed, and refused by the chain"
                return
            done = await execute_leg(account, market.approval(plan), works[0])
            assert isinstance(done.declined, Declined) and done.declined.code == "INSUFFICIENT_NATIVE"
            said = done.declined.reason
            assert "its data on L1" in said and f"send ETH to {account.owner}" in said and "\n" not in said
            assert not journal.transactions(), "nothing was signed"
            refused = await rehearse(account, works, await node.block())
            assert isinstance(refused, Declined) and refused.code == "INSUFFICIENT_NATIVE"
            allowing, deposit = [tx.rollup.wei for tx in txs]
            last = txs[-1].gas_limit * seen.fees.max_fee_wei + BASE_FEE_HEADROOM * deposit
            await node.request("anvil_setBalance", [account.owner, hex(last + allowing - 1)])
            refused = await rehearse(account, works, await node.block())
            assert isinstance(refused, Declined) and refused.code == "INSUFFICIENT_NATIVE", (
                "enough for either, not both"
            )
            enough = gas * seen.fees.max_fee_wei + BASE_FEE_HEADROOM * (allowing + deposit)
            await node.request("anvil_setBalance", [account.owner, hex(enough)])
            done = await execute_leg(account, market.approval(plan), works[0])
            assert done.done, "who has just enough is served"


async def test_a_fee_for_data_above_the_gain_is_not_paid(tmp_path: Path) -> None:
    async with op_chain(tmp_path) as (market, _), market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            seen = await rehearse(account, [market.deposit_work(RAW)], await node.block())
            assert isinstance(seen, Rehearsal)
            first = seen.legs[0].txs[0]
            _, base_fee_wei = await node.block_and_base_fee()
            gas_wei = first.gas_limit * (base_fee_wei + seen.fees.priority_fee_wei)
            mean = replace(account, max_cost_wei=gas_wei + first.rollup.wei // 2)
            done = await execute_leg(mean, market.approval(plan), market.deposit_work(RAW))
            assert isinstance(done.declined, Declined) and done.declined.code == "COST_ABOVE_GAIN", done
            assert "with its data on L1" in done.declined.reason and not journal.transactions()


async def test_replacements_ask_for_their_bytes(tmp_path: Path) -> None:
    async with op_chain(tmp_path) as (market, double), market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            account = replace(account, settings=replace(account.settings, replace_after_seconds=0.3))
            plan = await market.plan(node, market.deposit_leg(RAW))
            await node.request("evm_setAutomine", [False])
            leg = asyncio.create_task(execute_leg(account, market.approval(plan), market.deposit_work(RAW)))
            while not journal.transactions():
                await asyncio.sleep(0.01)
            low = journal.transactions()[0].signed
            await node.request("anvil_setNextBlockBaseFeePerGas", [hex(4 * low.max_fee_wei)])
            while not leg.done():
                await asyncio.sleep(0.15)
                await node.request("evm_mine", [])
            assert (await leg).done
            assert any(tx.signed.replaces for tx in journal.transactions())
            await node.request("evm_setAutomine", [True])
            assert {bytes_of(tx.signed) for tx in journal.transactions()} <= set(double.fee_asks)


@pytest.mark.parametrize("kind", ["op-stack", "arbitrum"])
async def test_take_backs_revocations_and_cancellations_ask_for_their_bytes(tmp_path: Path, kind: str) -> None:
    on_chain = op_chain if kind == "op-stack" else arbitrum_chain
    async with on_chain(tmp_path) as (market, double), market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            late = replace(account, now=lambda: plan.expires_at if journal.transactions() else 0)
            ended = await execute_leg(late, market.approval(plan), market.deposit_work(RAW))
            assert ended.declined is not None and ended.declined.code == "EXPIRED"
            assert [type(outcome) for outcome in ended.outcomes] == [Confirmed, Confirmed], "given, and taken back"

            await allow(market, node, 77)
            given = GrantedAllowance(market.usdc, market.market.address, 77, True, None, None)
            (tried,) = await rehearse_revocations(account, [given], await node.block())
            assert isinstance(tried, RehearsedTx) and (tried.rollup.wei > 0) is (kind == "op-stack")
            assert isinstance(await revoke(account, given, 0, tried), Confirmed)

            await pending_allowance(market, account, node, journal)
            open_for = len(journal.transactions())
            hours_later = replace(account, now=lambda: int(time.time()) + 10_000)
            settling = asyncio.create_task(settle(hours_later))
            async with asyncio.timeout(300):
                while len(journal.transactions()) == open_for:
                    await asyncio.sleep(0.02)
                while not await node.request("eth_getTransactionByHash", [journal.transactions()[-1].signed.hash]):
                    await asyncio.sleep(0.02)
            await node.request("evm_mine", [])
            expired, cancelled = await settling
            assert isinstance(expired, Expired) and isinstance(cancelled, Confirmed)
            await node.request("evm_setAutomine", [True])
            assert len(journal.transactions()) == 5
            for tx in journal.transactions():
                if isinstance(double, ArbitrumNode):
                    data = unsigned_of(tx.signed, 0, 0).data
                    assert data in double.fee_asks and tx.signed.gas > 21_000 + double.l1_gas(data)
                    assert not double.intrinsic
                    continue
                assert bytes_of(tx.signed) in double.fee_asks
                if isinstance(tx.outcome, Confirmed):
                    assert tx.outcome.fee_raw == await paid(node, account.owner, tx.outcome.block.height)


async def test_arbitrums_gas_limit_comes_from_its_own_node(tmp_path: Path) -> None:
    async with arbitrum_chain(tmp_path) as (market, double), market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW), withdrawal(market))
            works = [market.deposit_work(RAW), market.redeem_work(plan.legs[1], RAW, index=1)]
            seen = await rehearse(account, works, await node.block())
            assert isinstance(seen, Rehearsal), seen
            assert seen.rollup == RollupFee(l1_gas=sum(double.l1_gas(call.data) for call in seen_calls(seen)))
            unasked = replace(account.settings, fee_kind=FeeKind.ETHEREUM, confirm_timeout_seconds=0.5)
            blind = replace(account, settings=unasked)
            with pytest.raises((PendingError, TransientError)):  # a limit of the fork's alone is refused for ever
                await execute_leg(blind, market.approval(plan), works[0])
            assert double.intrinsic > 0
    (tmp_path / "again").mkdir()
    async with arbitrum_chain(tmp_path / "again") as (market, double), market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW), withdrawal(market))
            for work in (market.deposit_work(RAW), market.redeem_work(plan.legs[1], RAW, index=1)):
                done = await execute_leg(account, market.approval(plan), work)
                assert done.done, done
            assert not double.intrinsic and len(journal.transactions()) == 3
            for tx in journal.transactions():
                assert isinstance(tx.outcome, Confirmed)
                l1_gas = double.l1_gas(unsigned_of(tx.signed, 0, 0).data)
                assert l1_gas < tx.outcome.gas_used < tx.signed.gas
                assert tx.outcome.fee_raw == tx.outcome.gas_used * tx.outcome.gas_price_wei
                assert unsigned_of(tx.signed, 0, 0).data in double.fee_asks


def seen_calls(rehearsal: Rehearsal) -> list[EvmCall]:
    return [tx.call for leg in rehearsal.legs for tx in leg.txs]
