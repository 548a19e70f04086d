"""Allowances of a leg: what would stay is told, what is left is taken back, Permit2's too."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.chain_double import (
    ChainDouble,
    KeySigner,
    account_of,
    settings,
)
from tests.kit.evm.leg import ITS, OURS, PERMITTED, POOLS, SET, living
from tests.kit.evm.leg import journal as journal
from tests.kit.evm.pool_calls import RULES as LP_RULES
from tests.kit.evm.provide import LEG as LP_LEG
from tests.kit.evm.provide import plan_of, work_of
from tests.kit.wiring import (
    APPROVAL,
    BLOCK,
    EXPIRES,
    NOW,
    POOL,
    RAW,
    STRANGER,
    USDC,
    supply_data,
    supply_tx,
    work,
)
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.permit2 import permit_call
from yieldbot.chains.evm.execution.rehearse import rehearse, still_allowed
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.liquidity.execute import _take_back, move_of
from yieldbot.chains.evm.signing.sign import unsigned_of
from yieldbot.execution.approvals import Approval
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Allowance, Onward, SimulatedTx

NEED = Allowance(USDC, POOL, RAW, Onward(STRANGER, EXPIRES))
THROUGH = replace(work(), calls=(replace(work().calls[0], allowance=NEED),), spenders=(POOL, STRANGER))
"""The supply, as if its pool were Permit2 and let a stranger take the money."""


async def test_a_call_that_would_fail_now_is_not_signed_and_its_allowance_taken_back(journal: Journal) -> None:
    """The chain has moved on since the rehearsal: another has used up the pool's room, say."""
    chain, signer = living(journal), KeySigner()
    mine, effect = chain.on_send, chain.effect

    def then(raw: str) -> None:
        mine(raw)
        supply = "0x" + supply_data().hex()
        chain.effect = lambda fork, fields: None if fields["data"] == supply else effect(fork, fields)

    chain.on_send = then
    result = await execute_leg(account_of(chain, journal, signer=signer), APPROVAL, work())
    assert result.declined is not None and result.declined.code == "WOULD_REVERT"
    assert signer.asked == len(result.outcomes) == 2 and chain.allowed[SET] == 0


async def test_an_allowance_that_would_stay_is_told_of_the_one_that_must_settle(journal: Journal) -> None:
    chain = living(journal)
    chain.allowed = {SET: RAW, (OURS, ITS, STRANGER.lower()): 3}
    account = account_of(chain, journal)
    assert isinstance(await simulate_tx(account, supply_tx(), work(), [(USDC, POOL)]), SimulatedTx)
    found = await simulate_tx(account, supply_tx(), work(), [(USDC, POOL), (USDC, STRANGER)])
    assert isinstance(found, Declined) and found.code == "ALLOWANCE_LEFT"
    assert found.reason == f"supply 12,000 USDC to Aave v3: 0.000003 USDC would stay allowed to {STRANGER}"


async def test_permit2s_allowance_must_be_used_up_by_the_last_of_a_legs_calls(journal: Journal) -> None:
    chain = living(journal)
    chain.allowed[SET] = RAW
    chain.permits = {PERMITTED: 4}
    account = account_of(chain, journal)
    assert isinstance(await simulate_tx(account, supply_tx(), THROUGH), SimulatedTx), "not the last: it may be used yet"
    found = await simulate_tx(account, supply_tx(), THROUGH, [(USDC, POOL)])
    assert isinstance(found, Declined) and found.code == "ALLOWANCE_LEFT" and "by Permit2" in found.reason
    assert found.reason.startswith("supply 12,000 USDC to Aave v3: ")
    less = replace(THROUGH, calls=(replace(THROUGH.calls[0], allowance=replace(NEED, raw=RAW - 1)),))
    whole = await rehearse(account, (less,), BLOCK)
    assert isinstance(whole, Declined) and whole.code == "WOULD_REVERT"
    more = replace(THROUGH, calls=(replace(THROUGH.calls[0], allowance=replace(NEED, raw=RAW + 1)),))
    whole = await rehearse(account, (more,), BLOCK)
    assert isinstance(whole, Declined) and whole.code == "ALLOWANCE_LEFT"
    assert whole.reason == f"leg 1: Aave v3: 12,000.000001 USDC stay allowed to {STRANGER} by Permit2"


async def test_what_permit2_was_left_to_give_is_taken_back(journal: Journal) -> None:
    chain = living(journal)
    mine = chain.on_send

    def leaves(raw: str) -> None:
        mine(raw)
        if len(chain.sent) == 3:
            chain.permits[PERMITTED] = 5

    chain.on_send = leaves
    result = await execute_leg(account_of(chain, journal), APPROVAL, THROUGH)
    assert result.declined is not None and result.declined.code == "ALLOWANCE_LEFT", result
    assert [tx.signed.words.split(" ")[0] for tx in journal.transactions()] == ["allow", "let", "supply", "take"]
    last = journal.transactions()[-1].signed
    assert (unsigned_of(last, 0, 0).to, unsigned_of(last, 0, 0).data) == (POOL, permit_call(NEED, 0, "x").data)
    assert len(result.outcomes) == 4 and not chain.permits[PERMITTED] and last.gas == 120_000


async def test_a_leg_through_permit2_leaves_nothing_there(journal: Journal) -> None:
    chain = living(journal)
    result = await execute_leg(account_of(chain, journal), APPROVAL, THROUGH)
    assert result.done and len(result.outcomes) == 3 and not chain.permits[PERMITTED]


async def test_a_leg_that_stops_takes_its_allowance_back(journal: Journal) -> None:
    """The approval ends after the allowance: taking it back needs none."""
    chain = living(journal)
    times = iter([NOW] * 3)
    account = account_of(chain, journal, now=lambda: next(times, APPROVAL.expires_at))
    result = await execute_leg(account, APPROVAL, work())
    assert result.declined is not None and result.declined.code == "EXPIRED" and len(result.outcomes) == 2
    assert [tx.signed.words.split()[0] for tx in journal.transactions()] == ["allow", "take"]
    assert chain.allowed[SET] == 0


async def test_the_leg_is_not_done_while_some_of_what_it_allowed_is_left(journal: Journal) -> None:
    chain = living(journal)
    mine = chain.on_send

    def half(raw: str) -> None:
        mine(raw)
        if len(chain.sent) == 2:
            chain.allowed[SET] = 5

    chain.on_send = half
    result = await execute_leg(account_of(chain, journal), APPROVAL, work())
    assert result.declined is not None and result.declined.code == "ALLOWANCE_LEFT"
    assert "0.000005 USDC stayed allowed to Aave v3" in result.declined.reason
    assert len(result.outcomes) == 3 and chain.allowed[SET] == 0


async def test_what_would_stay_allowed_is_named(journal: Journal) -> None:
    chain = living(journal)
    account = account_of(chain, journal)
    chain.allowed = {(OURS, ITS, POOLS): 5, (OURS, POOLS, ITS): 7}
    found = await still_allowed(account, account.node, (USDC,), (POOL,))
    assert found is not None and found.code == "ALLOWANCE_LEFT" and found.reason.startswith("0.000005 USDC would")
    chain.allowed = {(OURS, POOLS, ITS): 7}
    assert await still_allowed(account, account.node, (USDC,), (POOL,)) is None


def lp_account(chain: ChainDouble, journal: Journal) -> Account:
    return account_of(chain, journal, abi=LP_RULES.abi, settings=settings(confirm_timeout_seconds=60.0))


async def test_a_leg_of_liquidity_takes_back_what_it_left_allowed_and_nothing_else(journal: Journal) -> None:
    its = work_of(LP_LEG)
    assert its.provides is not None
    spender = its.provides.spenders[0].lower()
    approval = Approval(plan_of(LP_LEG), "test", APPROVAL.expires_at)
    for left, sent in (
        ({}, 0),
        ({(OURS, spender, ITS): 5}, 0),  # what somebody lets us take
        ({(OURS, ITS, STRANGER.lower()): 5}, 0),  # not the leg's
        ({(OURS, ITS, spender): 5}, 1),
    ):
        chain = living(journal)
        chain.allowed = dict(left)
        account = lp_account(chain, journal)
        outcomes = await _take_back(account, move_of(account, approval, its, ()), [], 0)
        assert len(outcomes) == len(chain.sent) == sent, (left, outcomes)
        assert chain.allowed.get((OURS, ITS, spender), 0) == 0
    call = allowance_call(USDC, its.provides.spenders[0], 0, "a pool")
    assert journal.transactions()[-1].signed.words == call.description
