"""Execution on a real node: rehearsal, one leg, refusals, settlement. Contracts: OpenZeppelin's ERC-20 and ERC-4626."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.kit.evm.execution import RAW, allow, held
from tests.kit.small_market import DEPOSIT, FUNDS_RAW, SmallMarket
from yieldbot.chains.evm.execution import leg
from yieldbot.chains.evm.execution.balances import APPROVAL_TOPIC, fetch_allowance
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import InvariantError, PendingError, SafetyError
from yieldbot.execution.deltas import change_of
from yieldbot.journal.journal_entries import AccountCleared, PlanStatus, PlanWritten
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Confirmed, Delta


async def test_rehearsal_runs_every_leg_and_leaves_the_chain_alone(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            withdraw = Leg(LegKind.WITHDRAW, market.market.id, Amount(market.usdc, RAW), all=True)
            works = [market.deposit_work(RAW), market.redeem_work(withdraw, RAW, index=1)]
            head = await node.block()
            seen = await rehearse(account, works, head)
            assert isinstance(seen, Rehearsal), seen
            assert [len(leg.txs) for leg in seen.legs] == [2, 1]
            assert seen.lines[0] == "allow Drip Vault to take exactly 12,000 USDC"
            assert change_of(seen.legs[0].deltas, market.usdc) == -RAW
            assert change_of(seen.legs[0].deltas, market.shares) == RAW
            assert change_of(seen.deltas, market.usdc) == 0
            assert change_of(seen.deltas, account.native) < 0
            assert all(tx.gas_used <= tx.gas_limit for leg in seen.legs for tx in leg.txs)
            assert await node.block() == head
            assert await held(market, node) == (FUNDS_RAW, 0)


async def test_a_leg_is_executed_and_journalled(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            journal.append(PlanWritten(plan))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.done and len(result.outcomes) == 2, result
            assert await held(market, node) == (FUNDS_RAW - RAW, RAW)
            assert await fetch_allowance(node, market.usdc.address, account.owner, market.market.address) == 0
            last = result.outcomes[-1]
            assert isinstance(last, Confirmed)
            assert last.deltas[:2] == (Delta(market.usdc, -RAW), Delta(market.shares, RAW))
            assert [tx.outcome for tx in journal.transactions()] == list(result.outcomes)
            stored = journal.plan(plan.id)
            assert stored is not None and stored.status is PlanStatus.EXECUTED
            assert await settle(account) == ()
            journal.verify()


async def test_a_leftover_allowance_is_reset_before_the_exact_one(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            await allow(market, node, 7)
            plan = await market.plan(node, market.deposit_leg(RAW))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.done and len(result.outcomes) == 3, result
            assert await fetch_allowance(node, market.usdc.address, account.owner, market.market.address) == 0


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("FEE_ABOVE_CEILING", {"max_fee_gwei": 0.000001}),
        ("INSUFFICIENT_NATIVE", {"balance": 10**9}),
        ("EXPIRED", {"now": 2**61}),
        ("CALLDATA_UNKNOWN", {"abi": {}}),
        ("COST_ABOVE_GAIN", {"max_cost_wei": 1}),
        ("GAS_ABOVE_LIMIT", {"max_gas": 30_000}),
    ],
)
async def test_a_refusal_is_a_value_and_signs_nothing(market: SmallMarket, code: str, changes: dict[str, Any]) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            changes = dict(changes)
            if "balance" in changes:
                await node.request("anvil_setBalance", [market.owner, hex(changes.pop("balance"))])
            if "max_fee_gwei" in changes:
                changes["settings"] = replace(market.settings, max_fee_gwei=changes.pop("max_fee_gwei"))
            if "now" in changes:
                changes["now"] = partial(int, changes["now"])
            account = market.account(node, journal, **changes)
            plan = await market.plan(node, market.deposit_leg(RAW))
            journal.append(PlanWritten(plan))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.declined is not None and result.declined.code == code, result
            assert not any(tx.signed.words.startswith("deposit") for tx in journal.transactions())
            assert await held(market, node) == (FUNDS_RAW, 0)
            assert await fetch_allowance(node, market.usdc.address, account.owner, market.market.address) == 0
            stored = journal.plan(plan.id)
            assert stored is not None and stored.status is PlanStatus.FAILED


async def test_money_for_another_is_refused_and_the_allowance_taken_back(market: SmallMarket) -> None:
    stranger = "0x" + "ab" * 20
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            seen = await rehearse(account, [market.deposit_work(RAW, receiver=stranger)], await node.block())
            assert isinstance(seen, Declined) and seen.code == "NO_SHARES", seen
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW, receiver=stranger))
            assert result.declined is not None and not result.outcomes
            assert journal.transactions() == ()


async def test_an_allowance_is_taken_back_when_the_approval_ends_on_the_way(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            plan = await market.plan(node, market.deposit_leg(RAW))
            # time passes the plan's end as soon as the first transaction is mined
            account = market.account(node, journal)
            late = replace(account, now=lambda: plan.expires_at if len(journal.transactions()) else 0)
            result = await execute_leg(late, market.approval(plan), market.deposit_work(RAW))
            assert result.declined is not None and result.declined.code == "EXPIRED"
            assert [type(outcome) for outcome in result.outcomes] == [Confirmed, Confirmed]
            assert journal.transactions()[-1].signed.words == "take back Drip Vault's allowance of USDC"
            assert await fetch_allowance(node, market.usdc.address, account.owner, market.market.address) == 0
            assert await held(market, node) == (FUNDS_RAW, 0)


async def test_an_allowance_that_is_left_on_the_real_chain_is_taken_back(
    market: SmallMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the fork nothing was left over; when the deposit is mined something is (here: given by hand meanwhile)."""
    really = leg._execute
    async with market.node() as node:

        async def execute(*of: Any) -> Any:
            outcome = await really(*of)
            if of[3].data[:4] == DEPOSIT:
                await allow(market, node, 77)
            return outcome

        monkeypatch.setattr(leg, "_execute", execute)
        with market.journal() as journal:
            plan = await market.plan(node, market.deposit_leg(RAW))
            journal.append(PlanWritten(plan, ()))
            result = await execute_leg(market.account(node, journal), market.approval(plan), market.deposit_work(RAW))
            assert result.declined is not None and result.declined.code == "ALLOWANCE_LEFT"
            assert len(result.outcomes) == 3 and all(isinstance(outcome, Confirmed) for outcome in result.outcomes)
            stored = journal.plan(plan.id)
            assert stored is not None and stored.status is PlanStatus.FAILED
        assert await fetch_allowance(node, market.usdc.address, Address(market.owner), market.market.address) == 0


async def test_a_revert_is_said_in_words(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal, explain=lambda data: f"the token said {data[:4].hex()}")
            seen = await rehearse(account, [market.deposit_work(FUNDS_RAW + 1)], await node.block())
            assert isinstance(seen, Declined) and seen.code == "WOULD_REVERT"
            assert "the token said e450d38c" in seen.reason  # ERC20InsufficientBalance(address,uint256,uint256)


async def test_balances_that_change_otherwise_stop_the_account(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            await node.request("evm_setAutomine", [False])
            sent = replace(account, settings=replace(market.settings, confirm_timeout_seconds=0.2))
            with pytest.raises(PendingError):
                await execute_leg(sent, market.approval(plan), market.deposit_work(RAW))
            await node.request("evm_mine", [])
            await settle(account)
            with pytest.raises(PendingError):
                await execute_leg(sent, market.approval(plan), market.deposit_work(RAW))
            await mint(market, node, 10**9)  # in the same block as our deposit
            await node.request("evm_mine", [])
            with pytest.raises(InvariantError, match="is stopped"):
                await settle(account)
            assert set(journal.stopped_accounts()) == {(account.settings.chain, account.owner)}
            assert journal.open_transactions(account.settings.chain, account.owner) == ()
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.declined is not None and result.declined.code == "ACCOUNT_STOPPED"
            journal.append(AccountCleared(account.settings.chain, account.owner, "test"))
            assert journal.stopped_accounts() == {}


@pytest.mark.parametrize(("topic", "said"), [(TRANSFER_TOPIC, "transfer 0x"), (APPROVAL_TOPIC, "approval 0x")])
async def test_more_given_away_than_in_the_simulation_stops_the_account(
    market: SmallMarket, topic: str, said: str
) -> None:
    """The real receipts tell of a token that the simulation did not touch (a node's answer stands in for the token)."""
    stranger, thief = "0x" + "ab" * 20, "0x" + "00" * 12 + "fe" * 20

    class More(Node):
        async def request(self, method: str, params: list[Any]) -> Any:
            answer = await super().request(method, params)
            if method == "eth_getTransactionReceipt" and answer:
                topics = [topic, "0x" + "00" * 12 + market.owner[2:].lower(), thief]
                answer["logs"] = [*answer["logs"], {"address": stranger, "topics": topics, "data": "0x" + "00" * 32}]
            return answer

    async with More(market.settings.chain, market.url, multicall3=market.settings.multicall3) as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            with pytest.raises(InvariantError, match=f"events that the simulation did not have: {said}abab"):
                await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert set(journal.stopped_accounts()) == {(account.settings.chain, account.owner)}
            (tx,) = journal.transactions()
            usdc, vault = market.usdc_address.lower(), market.vault_address.lower()
            assert isinstance(tx.outcome, Confirmed) and tx.signed.given == (f"approval {usdc} {vault}",)


async def test_a_halt_is_honoured_within_a_leg_and_nothing_is_settled_until_it_is_lifted(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = replace(market.account(node, journal), halted=lambda: "test" if journal.transactions() else None)
            plan = await market.plan(node, market.deposit_leg(RAW))
            journal.append(PlanWritten(plan))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.declined is not None and result.declined.code == "HALTED"
            stored = journal.plan(plan.id)
            assert stored is not None and stored.status is PlanStatus.REJECTED  # a person's halt is no failure
            assert [tx.signed.words for tx in journal.transactions()] == [
                "allow Drip Vault to take exactly 12,000 USDC"
            ]
            assert await held(market, node) == (FUNDS_RAW, 0)
            with pytest.raises(SafetyError, match="nothing is signed or sent until `yieldbot resume`"):
                await settle(account)
            lifted = replace(account, halted=lambda: None)
            assert (await execute_leg(lifted, market.approval(plan), market.deposit_work(RAW))).done


async def mint(market: SmallMarket, node: Node, raw: int) -> None:
    data = "0x40c10f19" + "00" * 12 + market.owner[2:] + f"{raw:064x}"
    (sender, *_) = await node.request("eth_accounts", [])
    await node.request("eth_sendTransaction", [{"from": sender, "to": market.usdc_address, "data": data}])
