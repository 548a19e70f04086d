"""Settling what was sent, on a real node: lost replies, forgotten bytes, replacements, reorganisations."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.evm.execution import RAW, held, pending_allowance, send
from tests.kit.small_market import FUNDS_RAW, SmallMarket
from yieldbot.app.check_leftovers import left_over
from yieldbot.chains.evm.execution.balances import fetch_allowance
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.nonces import cancels, given_up, leftovers
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, PendingError, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxSettled
from yieldbot.model.tx import Confirmed, Expired, Replaced


async def test_a_lost_reply_after_sending_is_settled_by_looking_it_up(market: SmallMarket) -> None:
    class Deaf(Node):
        async def request(self, method: str, params: list[Any]) -> Any:
            answer = await super().request(method, params)
            if method == "eth_sendRawTransaction":
                raise TransientError("the reply was lost")
            return answer

    async with Deaf(market.settings.chain, market.url, multicall3=market.settings.multicall3) as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.done, result
            assert await held(market, node) == (FUNDS_RAW - RAW, RAW)
            assert [tx.attempts for tx in journal.transactions()] == [1, 1]
            assert all("the reply was lost" in tx.notes[0] for tx in journal.transactions())


async def test_why_a_node_does_not_take_the_bytes_is_told(market: SmallMarket) -> None:
    class Poor(Node):
        async def request(self, method: str, params: list[Any]) -> Any:
            if method == "eth_sendRawTransaction":
                raise NodeRefused(method, -32000, "insufficient funds for gas * price + value")
            return await super().request(method, params)

    async with Poor(market.settings.chain, market.url, multicall3=market.settings.multicall3) as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            hasty = replace(account, settings=replace(account.settings, confirm_timeout_seconds=0.5))
            plan = await market.plan(node, market.deposit_leg(RAW))
            said = r"not mined yet \(attempt \d: eth_sendRawTransaction: insufficient funds .*\); run again"
            with pytest.raises(PendingError, match=said):
                await execute_leg(hasty, market.approval(plan), market.deposit_work(RAW))
    async with market.node() as node:
        with market.journal() as journal:
            (outcome,) = await settle(market.account(node, journal))
            assert isinstance(outcome, Confirmed)


async def test_bytes_that_the_node_forgot_are_sent_again(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await pending_allowance(market, account, node, journal)
            (open_one,) = journal.open_transactions(account.settings.chain, account.owner)
            await node.request("anvil_dropTransaction", [open_one.signed.hash])
            await node.request("evm_setAutomine", [True])
            (outcome,) = await settle(account)
            assert isinstance(outcome, Confirmed) and outcome.hash == open_one.signed.hash
            found = journal.transaction(open_one.signed.hash)
            assert found is not None and found.attempts == 2
            assert (await execute_leg(account, market.approval(plan), market.deposit_work(RAW))).done


async def test_a_transaction_that_nobody_mines_is_replaced_at_higher_fees(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            account = replace(account, settings=replace(account.settings, replace_after_seconds=0.3))
            plan = await market.plan(node, market.deposit_leg(RAW))
            await node.request("evm_setAutomine", [False])
            running = asyncio.create_task(execute_leg(account, market.approval(plan), market.deposit_work(RAW)))
            while not journal.transactions():
                await asyncio.sleep(0.01)
            low = journal.transactions()[0].signed
            await node.request("anvil_setNextBlockBaseFeePerGas", [hex(4 * low.max_fee_wei)])
            while not running.done():
                await asyncio.sleep(0.15)
                await node.request("evm_mine", [])
            result = await running
            assert result.done, result
            attempts = [tx for tx in journal.transactions() if tx.signed.nonce == low.nonce]
            assert len(attempts) >= 2 and isinstance(attempts[0].outcome, Replaced)
            assert attempts[0].attempts <= 6  # a node that refuses it is not asked at each poll
            assert [isinstance(tx.outcome, Confirmed) for tx in attempts].count(True) == 1
            for older, newer in pairwise(attempts):
                assert newer.signed.replaces == older.signed.hash and newer.signed.words == older.signed.words
                assert newer.signed.max_fee_wei >= older.signed.max_fee_wei * 1.1
                assert newer.signed.priority_fee_wei >= older.signed.priority_fee_wei * 1.1
                assert newer.signed.max_fee_wei <= account.max_fee_wei
            assert await held(market, node) == (FUNDS_RAW - RAW, RAW)
            assert await fetch_allowance(node, market.usdc.address, account.owner, market.market.address) == 0
            journal.verify()


async def test_fees_above_the_ceiling_replace_nothing_and_are_noted(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            await pending_allowance(market, account, node, journal)
            (stuck,) = journal.open_transactions(account.settings.chain, account.owner)
            ceiling_gwei = stuck.signed.max_fee_wei / 10**9 * 1.05
            settings = replace(
                account.settings, replace_after_seconds=0.1, confirm_timeout_seconds=4.0, max_fee_gwei=ceiling_gwei
            )
            with pytest.raises(PendingError):
                await settle(replace(account, settings=settings))
            (tx,) = journal.transactions()
            assert [note for note in tx.notes if note.startswith("not replaced: FEE_ABOVE_CEILING")] == list(tx.notes)
            await node.request("evm_setAutomine", [True])
            await node.request("evm_mine", [])
            (outcome,) = await settle(account)
            assert isinstance(outcome, Confirmed)


async def test_after_the_approval_the_nonce_is_taken_back(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            await pending_allowance(market, account, node, journal)
            late = replace(account, now=lambda: int(time.time()) + 10_000)
            settling = asyncio.create_task(settle(late))
            async with asyncio.timeout(300):
                while len(journal.transactions()) < 2:
                    await asyncio.sleep(0.02)
                while not await node.request("eth_getTransactionByHash", [journal.transactions()[1].signed.hash]):
                    await asyncio.sleep(0.02)
            await node.request("evm_mine", [])
            first, second = await settling
            assert isinstance(first, Expired) and isinstance(second, Confirmed)
            assert "cancelled by " + second.hash in first.reason
            assert await fetch_allowance(node, market.usdc.address, account.owner, market.market.address) == 0
            assert await node.nonce(account.owner) == 1


async def test_a_nonce_that_another_took_is_replaced(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            await pending_allowance(market, account, node, journal)
            (open_one,) = journal.open_transactions(account.settings.chain, account.owner)
            await node.request("anvil_dropTransaction", [open_one.signed.hash])
            await node.request("anvil_setNonce", [account.owner, "0x1"])
            assert await settle(account) == (Replaced(open_one.signed.hash, None),)
            assert journal.open_transactions(account.settings.chain, account.owner) == ()


async def test_a_receipt_that_comes_late_is_not_taken_for_anothers_transaction(market: SmallMarket) -> None:
    """The node's nonces and blocks are there, its index of transactions and receipts is not yet."""

    class Late(Node):
        indexed = False

        async def request(self, method: str, params: list[Any]) -> Any:
            answer = await super().request(method, params)
            index = method in ("eth_getTransactionReceipt", "eth_getTransactionByHash")
            return None if index and not self.indexed else answer

    async with Late(market.settings.chain, market.url, multicall3=market.settings.multicall3) as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            hasty = replace(account, settings=replace(account.settings, confirm_timeout_seconds=2))
            with pytest.raises(PendingError, match=r"block \d+ names it, but the node gives no receipt of it"):
                await execute_leg(hasty, market.approval(plan), market.deposit_work(RAW))
            await node.request("anvil_mine", ["0x5"])
            with pytest.raises(PendingError, match=r"block \d+ names it"):
                await settle(hasty)
            node.indexed = True
            (outcome,) = await settle(account)
            assert isinstance(outcome, Confirmed)
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.done and await held(market, node) == (FUNDS_RAW - RAW, RAW)


async def test_a_reorganisation_before_finality_is_noticed_and_settled_again(market: SmallMarket) -> None:
    deep = replace(market, finality=3)
    async with market.node() as node:
        with market.journal() as journal:
            account = deep.account(node, journal)
            plan = await pending_allowance(market, account, node, journal)
            await node.request("evm_mine", [])
            before, settling = node.round_trips, asyncio.create_task(settle(account))
            while node.round_trips < before + 15:  # a few polls
                await asyncio.sleep(0.02)
            assert not settling.done()  # mined, but not three blocks deep
            await node.request("anvil_rollback", [1])
            while not settling.done():
                await asyncio.sleep(0.1)
                await node.request("evm_mine", [])
            (outcome,) = await settling
            assert isinstance(outcome, Confirmed)
            (tx,) = journal.transactions()
            assert any("reorganisation" in note for note in tx.notes)
            assert journal.open_transactions(account.settings.chain, account.owner) == ()
            assert plan.id == tx.signed.plan_id


@pytest.mark.parametrize("again", [False, True])
async def test_blocks_that_others_take_the_place_of_settle_nothing(market: SmallMarket, again: bool) -> None:
    """``anvil_reorg``: as many blocks, without our transaction, or with it in a later one."""
    deep = replace(market, finality=3)
    async with market.node() as node:
        with market.journal() as journal:
            account = deep.account(node, journal)
            await pending_allowance(market, account, node, journal)
            (open_one,) = journal.open_transactions(account.settings.chain, account.owner)
            await node.request("anvil_mine", ["0x2"])
            mined = await node.request("eth_getTransactionReceipt", [open_one.signed.hash])
            before, settling = node.round_trips, asyncio.create_task(settle(account))
            while node.round_trips < before + 15:  # a few polls
                await asyncio.sleep(0.02)
            assert not settling.done()  # mined, but not three blocks deep
            pairs = [["0x" + open_one.signed.raw.hex(), 1]] if again else []
            await node.request("anvil_reorg", [2, pairs])
            receipt = await node.request("eth_getTransactionReceipt", [open_one.signed.hash])
            assert (receipt is not None) == again and receipt != mined
            while not settling.done():
                await asyncio.sleep(0.1)
                await node.request("evm_mine", [])
            (outcome,) = await settling
            assert isinstance(outcome, Confirmed) and outcome.block.hash != mined["blockHash"]
            (tx,) = journal.transactions()
            assert tx.attempts == (1 if again else 2)
            assert f"its block {int(mined['blockNumber'], 16)} {mined['blockHash']} was taken back" in tx.notes[0]
            assert await node.nonce(account.owner) == 1 and journal.verify() > 0


async def test_a_node_behind_the_journal_is_not_signed_for(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            start = await node.request("evm_snapshot", [])
            plan = await market.plan(node, market.deposit_leg(RAW))
            assert (await execute_leg(account, market.approval(plan), market.deposit_work(RAW))).done
            await node.request("evm_revert", [start])
            with pytest.raises(TransientError, match="behind"):
                await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert len(journal.transactions()) == 2


class Inflates(Node):
    """A node double that adds to what the real one says of our nonce. more: by tag; "block" for a block's hash,
    "height" for its number (what a fork asks for)."""

    more: dict[str, int]

    async def request(self, method: str, params: list[Any]) -> Any:
        answer = await super().request(method, params)
        if method == "eth_getAccountInfo":
            return answer | {"nonce": hex(int(answer["nonce"], 16) + self.more.get("height", 0))}
        if method == "eth_getTransactionCount":
            tag = params[1] if isinstance(params[1], str) else "block"
            tag = "height" if tag.startswith("0x") else tag
            return hex(int(answer, 16) + self.more.get(tag, 0))
        return answer


def inflating(market: SmallMarket, **more: int) -> Inflates:
    node = Inflates(market.settings.chain, market.url, multicall3=market.settings.multicall3)
    node.more = more
    return node


@pytest.mark.parametrize("tag", ["block", "latest", "pending"])
async def test_a_nonce_that_one_answer_inflates_is_not_signed(market: SmallMarket, tag: str) -> None:
    async with inflating(market, **{tag: 7}) as node:
        with market.journal() as journal:
            plan = await market.plan(node, market.deposit_leg(RAW))
            account = market.account(node, journal)
            if tag == "pending":
                result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
                assert result.declined is not None and result.declined.code == "NONCE_BUSY"
            else:
                with pytest.raises(TransientError, match="contradicts itself about the nonce"):
                    await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert journal.transactions() == ()


async def beyond(market: SmallMarket, by: int) -> StoredTx:
    """A transaction of ours that a node had us sign ``by`` nonces too far, in the journal and in the real node."""
    async with inflating(market, block=by, height=by, latest=by, pending=by) as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            hasty = replace(account, settings=replace(account.settings, confirm_timeout_seconds=0.3))
            plan = await market.plan(node, market.deposit_leg(RAW))
            with pytest.raises(PendingError):
                await execute_leg(hasty, market.approval(plan), market.deposit_work(RAW))
            (open_one,) = journal.open_transactions(account.settings.chain, account.owner)
            return open_one


def checked(market: SmallMarket) -> Any:
    """What ``check`` is given, as far as it looks at what was left over."""
    job = SimpleNamespace(chain=market.settings, wallet=SimpleNamespace(address=market.owner))
    return SimpleNamespace(settings=SimpleNamespace(data_dir=Path(market.folder), jobs=[job]))


async def test_a_nonce_that_all_inflated_once_jams_nothing(market: SmallMarket) -> None:
    """The gap is noticed and said, the account goes on, and the bytes are cancelled when their nonce has come."""
    stuck = await beyond(market, 2)
    async with market.node() as node:
        await send(node, {"from": (await node.request("eth_accounts", []))[0], "to": market.owner, "value": "0x0"})
        with market.journal() as journal:
            account = market.account(node, journal)
            outcomes = await settle(account)
            assert [type(one) for one in outcomes] == [Expired, Expired]
            reason = outcomes[0].reason if isinstance(outcomes[0], Expired) else ""
            assert f"its nonce {stuck.signed.nonce} was never the account's next" in reason
            assert journal.open_transactions(account.settings.chain, account.owner) == ()
            bid = journal.transactions()[-1]
            assert cancels(bid) and bid.signed.nonce == stuck.signed.nonce and bid.attempts == 1
            assert bid.signed.max_fee_wei > stuck.signed.max_fee_wei * 1.1, "whoever holds both prefers it"
            assert {tx.signed.hash for tx in leftovers(journal.transactions())} == {stuck.signed.hash, bid.signed.hash}
            (finding,) = await left_over(checked(market))
            assert f"{stuck.signed.hash} (nonce {stuck.signed.nonce}) was given up" in finding.result
            assert f"once 2 more transactions are sent; it would {stuck.signed.words}" in finding.result
            assert finding.code == 0 and "a cancellation at higher fees was sent" in finding.remedy
            # Two transactions later the nonce is theirs: the cancellation takes it, and the third takes the next.
            for _ in range(2):
                plan = await market.plan(node, market.deposit_leg(RAW))
                result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
                assert result.done, result
            await settle(account)
            assert leftovers(journal.transactions()) == () and await left_over(checked(market)) == []
            found = {tx.signed.hash: tx.outcome for tx in journal.transactions()}
            assert isinstance(found[bid.signed.hash], Confirmed) and isinstance(found[stuck.signed.hash], Expired)
            assert await held(market, node) == (FUNDS_RAW - 2 * RAW, 2 * RAW)
            journal.verify()


async def test_a_transaction_is_not_given_up_while_the_node_may_be_behind_or_others_wait(market: SmallMarket) -> None:
    stuck = await beyond(market, 2)
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            group = journal.open_transactions(account.settings.chain, account.owner)
            await node.request("evm_setAutomine", [False])
            await node.request("evm_mine", [])
            await node.request("anvil_impersonateAccount", [market.owner])
            await node.request("eth_sendTransaction", [{"from": market.owner, "to": market.owner, "value": "0x0"}])
            assert await given_up(account, group) is None, "what waits in the pool may fill the gap"
            assert journal.transaction(stuck.signed.hash).outcome is None  # type: ignore[union-attr]


async def test_a_leftover_that_is_mined_after_all_is_settled_as_what_it_is(market: SmallMarket) -> None:
    stuck = await beyond(market, 1)
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            gone = [Expired(stuck.signed.hash, "given up")]
            journal.append(*(TxSettled(account.settings.chain, account.owner, one) for one in gone))
            await node.request("anvil_impersonateAccount", [market.owner])
            await send(node, {"from": market.owner, "to": market.owner, "value": "0x0"})
            while await node.nonce(market.owner) <= stuck.signed.nonce:
                await node.request("evm_mine", [])
            (outcome,) = await settle(account)
            assert isinstance(outcome, Confirmed) and outcome.hash == stuck.signed.hash
