"""One leg from first look to mark: limits before anything, tokens that leave unplanned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.chain_double import (
    GWEI,
    SETTINGS,
    ChainDouble,
    KeySigner,
    account_of,
    transfer,
)
from tests.kit.evm.leg import SET, done_by, living
from tests.kit.evm.leg import journal as journal
from tests.kit.evm.provide import LEG as LP_LEG
from tests.kit.evm.provide import plan_of, work_of
from tests.kit.evm.submit import journalled, moving
from tests.kit.wiring import (
    APPROVAL,
    BLOCK,
    CHAIN,
    NOW,
    OWNER,
    POOL,
    RAW,
    RULES,
    SHARES,
    STRANGER,
    USDC,
    plan,
    supply_data,
    supply_tx,
    work,
)
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.judge import judge_batch
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.simulate import _with_least, simulate_tx
from yieldbot.chains.evm.liquidity.execute import execute_provided
from yieldbot.errors import ConfigError, PendingError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.gate import barred
from yieldbot.execution.results import LegResult
from yieldbot.journal.journal_entries import AccountStopped, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.native import native_token
from yieldbot.model.plan import Declined, Leg
from yieldbot.model.tx import Confirmed, Delta, EvmCall, Replaced, Reverted, SimulatedTx


async def test_a_leg_runs_from_its_allowance_to_the_plans_mark(journal: Journal) -> None:
    chain = living(journal)
    result = await execute_leg(account_of(chain, journal), APPROVAL, work())
    assert result.done and len(result.outcomes) == 2, result
    assert all(isinstance(outcome, Confirmed) for outcome in result.outcomes)
    assert [tx.signed.words for tx in journal.transactions()] == [
        "allow Aave v3 to take exactly 12,000 USDC",
        "supply 12,000 USDC to Aave v3",
    ]
    assert chain.allowed[SET] == 0
    stored = journal.plan("p1")
    assert stored is not None and stored.status is PlanStatus.EXECUTED


async def test_limits_are_asked_before_a_leg_begins_and_of_that_leg(journal: Journal) -> None:
    asked: list[tuple[Leg, ...]] = []

    def full(legs: Any) -> Declined:
        asked.append(tuple(legs))
        return Declined("DAY_LIMIT", "policy.limit_day leaves nothing now")

    for run, its in ((execute_leg, work()), (execute_provided, work_of(LP_LEG))):
        chain = living(journal)
        account = account_of(chain, journal, limits=full)
        approval = APPROVAL if its.provides is None else Approval(plan_of(LP_LEG), "test", APPROVAL.expires_at)
        result = await run(account, approval, its)
        assert result.declined is not None and result.declined.code == "DAY_LIMIT" and not result.outcomes
        assert asked.pop() == (its.leg,) and not asked
        assert not chain.sent and not chain.asked, "nothing is even rehearsed"
    stored = journal.plan("p1")
    assert stored is not None and stored.status is PlanStatus.FAILED and "limit_day leaves nothing" in stored.reason


async def test_a_halt_is_a_persons_no(journal: Journal) -> None:
    result = await execute_leg(account_of(living(journal), journal, halted=lambda: "stop"), APPROVAL, work())
    assert result.declined is not None and result.declined.code == "HALTED"
    stored = journal.plan("p1")
    assert stored is not None and stored.status is PlanStatus.REJECTED


def why_barred(account: Account) -> str | None:
    found = barred(account)
    return found.code if found else None


async def test_who_may_not_sign_is_told_before_anything(journal: Journal) -> None:
    chain = living(journal)
    account = account_of(chain, journal)
    assert why_barred(account) is None
    assert why_barred(replace(account, halted=lambda: "stop")) == "HALTED"
    lower, other, named = KeySigner(), KeySigner(), KeySigner()
    lower.address, other.address, named.address = Address(OWNER.lower()), STRANGER, Address(OWNER.lower()[2:])
    assert why_barred(replace(account, signer=lower)) is None, "checksums are spelling"
    assert why_barred(replace(account, signer=other)) == "WRONG_KEY"
    assert why_barred(replace(account, signer=named)) == "WRONG_KEY"
    base58 = Address("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin")
    of_solana = replace(account, owner=base58, signer=(solanas := KeySigner()))
    solanas.address = base58
    assert why_barred(of_solana) is None
    solanas.address = Address(base58.lower())
    assert why_barred(of_solana) == "WRONG_KEY", "there the case is no spelling"
    journal.append(AccountStopped(CHAIN, STRANGER, "another's", "0xaa"))
    assert why_barred(account) is None
    journal.append(AccountStopped(CHAIN, OWNER, "it lost something", "0xaa"))
    assert barred(account) == Declined("ACCOUNT_STOPPED", f"account {OWNER} is stopped: it lost something")
    assert (await execute_leg(account, APPROVAL, work())).declined == barred(account) and not chain.sent


def test_an_open_transaction_is_settled_first(journal: Journal) -> None:
    account = account_of(living(journal), journal)
    open_one = journalled(account)
    with pytest.raises(PendingError, match=rf"{open_one.signed.hash} \(supply 12,000 USDC to Aave v3\) is still open"):
        barred(account)


async def test_a_transaction_above_the_fee_ceiling_is_not_simulated(journal: Journal) -> None:
    chain = living(journal)
    chain.base_fee_wei = 11 * GWEI
    result = await execute_leg(account_of(chain, journal), APPROVAL, work())
    assert result.declined is not None and result.declined.code == "FEE_ABOVE_CEILING" and not chain.sent


async def test_another_chain_behind_the_node_signs_nothing(journal: Journal) -> None:
    chain = living(journal)
    chain.chain = 1
    signer = KeySigner()
    with pytest.raises(ConfigError, match="8453"):
        await execute_leg(account_of(chain, journal, signer=signer), APPROVAL, work())
    assert not signer.asked and not chain.sent


@pytest.mark.parametrize("failing", [1, 2])
async def test_a_leg_ends_with_the_first_transaction_that_fails_on_the_chain(journal: Journal, failing: int) -> None:
    chain = living(journal)
    mine = chain.on_send

    def fails(raw: str) -> None:
        before = dict(chain.tokens), dict(chain.allowed)
        mine(raw)
        if len(chain.sent) == failing:
            chain.receipts[journal.transactions()[-1].signed.hash] |= {"status": "0x0", "logs": []}
            chain.tokens, chain.allowed = before

    chain.on_send = fails
    result = await execute_leg(account_of(chain, journal), APPROVAL, work())
    assert result.declined is None and not result.done
    kinds = [type(one) for one in result.outcomes]
    assert kinds == ([Reverted] if failing == 1 else [Confirmed, Reverted, Confirmed]) and not chain.allowed.get(SET, 0)
    stored = journal.plan("p1")
    assert stored is not None and stored.status is PlanStatus.FAILED
    assert stored.reason == "leg 1: a transaction did not succeed"


async def test_what_the_gate_refuses_is_not_signed(journal: Journal) -> None:
    chain, signer = living(journal), KeySigner()
    smaller = replace(APPROVAL, plan=plan(replace(plan().legs[0], amount=USDC.parse("11999"))))
    result = await execute_leg(account_of(chain, journal, signer=signer), smaller, work())
    assert result.declined is not None and result.declined.code == "AMOUNT_ABOVE_PLAN"
    assert not signer.asked and not chain.sent


async def test_a_nonce_that_another_takes_is_waited_for(journal: Journal) -> None:
    chain, signer = living(journal), KeySigner()
    chain.nonce_at = lambda tag: 8 if tag == "pending" else 7
    result = await execute_leg(account_of(chain, journal, signer=signer), APPROVAL, work())
    assert result.declined is not None and result.declined.code == "NONCE_BUSY"
    assert not signer.asked and not chain.sent


async def test_gas_that_the_wallet_does_not_hold_is_said_before_anything(journal: Journal) -> None:
    """To the wei: gas limit times the most that is paid for it, and what is sent along."""
    for tx in (supply_tx(), supply_tx(value=5)):
        chain = living(journal)
        chain.allowed[SET] = RAW
        chain.native_wei = needed = tx.gas * tx.max_fee_wei + tx.value
        assert isinstance(await simulate_tx(account_of(chain, journal), tx, work()), SimulatedTx)
        chain.native_wei -= 1
        found = await simulate_tx(account_of(chain, journal), tx, work())
        assert isinstance(found, Declined) and found.code == "INSUFFICIENT_NATIVE"
        assert f"up to {Amount(native_token(SETTINGS), needed)}, the wallet" in found.reason and OWNER in found.reason


def test_what_a_swap_must_bring_is_of_that_very_call() -> None:
    least = Amount(SHARES, 7)
    bound = replace(work().calls[0], least=least)
    its, deltas = replace(work(), calls=(work().calls[0], bound)), (Delta(USDC, -9), Delta(SHARES, 8))
    wanted = (Delta(USDC, -9), Delta(SHARES, 8, least=7))
    assert _with_least(deltas, supply_tx(), its) == wanted
    assert _with_least(deltas, supply_tx(to=Address(POOL.lower())), its) == wanted
    for other in (supply_tx(to=STRANGER), supply_tx(data=b"\x01"), supply_tx(to=STRANGER, data=b"\x01")):
        assert _with_least(deltas, other, its) == deltas
    assert _with_least(deltas, supply_tx(), work()) == _with_least(deltas, supply_tx(), None) == deltas


async def test_a_halt_after_the_judgement_asks_no_device(journal: Journal) -> None:
    chain, signer = living(journal), KeySigner()
    said = iter([None])
    result = await execute_leg(
        account_of(chain, journal, signer=signer, halted=lambda: next(said, "stop")), APPROVAL, work()
    )
    assert result.declined is not None and result.declined.code == "HALTED"
    assert not signer.asked and not chain.sent


async def test_gas_of_a_call_is_bounded_to_the_wei(journal: Journal) -> None:
    """Base fee and tip together, of the whole limit."""
    chain = living(journal)
    most = chain.gas * 125 // 100 * (chain.base_fee_wei + chain.tip_wei)
    refused = await execute_leg(account_of(chain, journal, max_cost_wei=most - 1), APPROVAL, work())
    assert refused.declined is not None and refused.declined.code == "COST_ABOVE_GAIN" and not chain.sent
    assert (await execute_leg(account_of(chain, journal, max_cost_wei=most), APPROVAL, work())).done


def stealing(*events: dict[str, Any], of: str = "supply") -> ChainDouble:
    """A fork on which the supply (or the allowance) also tells of these events."""
    chain = moving()
    chain.allowed = {}

    def effect(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        data = bytes.fromhex(fields["data"][2:])
        done = done_by(fork, fields["to"], data)
        is_supply = data == supply_data()
        return done + list(events) if done is not None and is_supply == (of == "supply") else done

    chain.effect = effect
    return chain


NFT = transfer(USDC.address, OWNER, STRANGER, 1, "0x" + "00" * 31 + "07")


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (transfer(STRANGER, OWNER, POOL), STRANGER.lower()),
        (NFT, USDC.address.lower()),  # an ERC-721 token, though its contract is a token of the leg
        (transfer(STRANGER, POOL, OWNER), None),
        (transfer(SHARES.address, OWNER, STRANGER), None),  # judged by its balance
    ],
)
async def test_a_token_that_would_leave_unplanned_stops_rehearsal_and_simulation(
    journal: Journal, event: dict[str, Any], named: str | None
) -> None:
    account = account_of(stealing(event), journal)
    ran = await rehearse(account, (work(),), BLOCK)
    allowed = stealing(event)
    allowed.allowed[SET] = RAW
    simulated = await simulate_tx(account_of(allowed, journal), supply_tx(), work())
    for found in (ran, simulated):
        if named is None:
            assert not isinstance(found, Declined), found
            continue
        assert isinstance(found, Declined) and found.code == "UNKNOWN_TOKEN_MOVED" and named in found.reason
    early = await rehearse(account_of(stealing(event, of="allowance"), journal), (work(),), BLOCK)
    assert isinstance(early, Declined) is (named is not None)


async def test_a_transaction_without_a_leg_moves_what_it_may_and_nothing_else(journal: Journal) -> None:
    chain = stealing(transfer(STRANGER, OWNER, POOL))
    chain.allowed[SET] = RAW
    account = account_of(chain, journal)
    named = frozenset({STRANGER, USDC.address})
    assert isinstance(await simulate_tx(account, supply_tx(), None, may_move=named), SimulatedTx)
    for fewer in (frozenset({STRANGER}), frozenset({USDC.address}), frozenset[Any]()):
        found = await simulate_tx(account, supply_tx(), None, may_move=fewer)
        assert isinstance(found, Declined) and found.code == "UNKNOWN_TOKEN_MOVED"


def test_a_leg_is_done_when_nothing_was_declined_and_all_of_it_succeeded() -> None:
    good, bad = Confirmed("a", BLOCK, 1, 1, ()), Replaced("b", None)
    assert LegResult(()).done and LegResult((good,)).done
    assert not LegResult((good, bad)).done and not LegResult((good,), Declined("X", "why")).done


# A Safe's batch.

PAIRS = [(work(), allowance_call(USDC, POOL, RAW, "Aave v3")), (work(), work().calls[0])]
CALLS = [(call.to, call.data) for _, call in PAIRS]


def batch_code(now: int = NOW, **changes: Any) -> str | None:
    given: dict[str, Any] = {"rules": RULES, "approval": APPROVAL, "planned": PAIRS, "calls": CALLS} | changes
    found = judge_batch(given["rules"], given["approval"], given["planned"], given["calls"], now)
    return found.code if found else None


def with_call(call: EvmCall) -> dict[str, Any]:
    """A batch that was rehearsed and is proposed with another second call."""
    return {"planned": [PAIRS[0], (work(), call)], "calls": [CALLS[0], (call.to, call.data)]}


def test_a_batch_is_exactly_what_was_rehearsed_in_time_and_of_the_plan() -> None:
    good = work().calls[0]
    assert batch_code() is None
    assert batch_code(calls=[(to.upper().replace("X", "x"), data) for to, data in CALLS]) is None
    assert batch_code(now=APPROVAL.expires_at - 1) is None
    assert batch_code(now=APPROVAL.expires_at) == "EXPIRED"
    assert batch_code(calls=CALLS[::-1]) == "NOT_THE_CALL"
    assert batch_code(calls=CALLS[:1]) == "NOT_THE_CALL"
    assert batch_code(calls=[*CALLS, CALLS[1]]) == "NOT_THE_CALL"
    assert batch_code(calls=[CALLS[0], (STRANGER, CALLS[1][1])]) == "NOT_THE_CALL"
    assert batch_code(calls=[CALLS[0], (POOL, CALLS[1][1] + b"\0")]) == "NOT_THE_CALL"
    assert batch_code(**with_call(replace(good, value=1))) == "VALUE_NOT_ZERO"
    assert batch_code(**with_call(replace(good, to=STRANGER))) == "TARGET_NOT_ALLOWED"
    assert batch_code(**with_call(replace(good, data=supply_data(to=STRANGER)))) == "RECIPIENT_NOT_SELF"
    assert batch_code(**with_call(replace(good, data=supply_data(RAW + 1)))) == "AMOUNT_ABOVE_PLAN"
    assert batch_code(**with_call(allowance_call(USDC, STRANGER, RAW, "x"))) == "SPENDER_NOT_ALLOWED"
    assert batch_code(approval=replace(APPROVAL, plan=replace(plan(), owner=STRANGER))) == "NOT_IN_PLAN"
    assert batch_code(approval=replace(APPROVAL, plan=plan(replace(plan().legs[0], amount=USDC.parse("1"))))) == (
        "AMOUNT_ABOVE_PLAN"
    )
    other = [(replace(work(), index=1), call) for _, call in PAIRS]
    assert batch_code(planned=other) == "NOT_IN_PLAN"
