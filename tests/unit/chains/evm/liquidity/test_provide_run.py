"""A leg of liquidity from its rehearsal to the plan's mark: in its order, as rehearsed, with nothing left allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.chain_double import ChainDouble, KeySigner, settings
from tests.kit.evm.leg import ITS, OURS, living
from tests.kit.evm.pool_calls import MANAGER, POSITION, ROUTER, WETH
from tests.kit.evm.provide import plan_of, work_of
from tests.kit.evm.provide_run import ALLOW, BACK, GIVEN, MINT, ONE_SIDED, PUT, RAW, STEPS, Steps, done_by, lp_account
from tests.kit.evm.provide_run import journal as journal
from tests.kit.wiring import EXPIRES, NOW, USDC
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.liquidity.execute import execute_provided
from yieldbot.chains.evm.liquidity.order import OrderCall
from yieldbot.errors import MarketError, PendingError, SafetyError
from yieldbot.execution.approvals import Approval
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Confirmed, Reverted

APPROVAL = Approval(plan_of(PUT), "a person", EXPIRES)


def leg_of(steps: Steps, leg: Leg = PUT) -> LegWork:
    made = work_of(leg)
    assert made.provides is not None
    return replace(made, provides=replace(made.provides, steps=steps, tally=steps.tally))


def marked(journal: Journal) -> tuple[PlanStatus, str]:
    stored = journal.plan("p1")
    assert stored is not None
    return stored.status, stored.reason


async def test_every_step_is_made_in_order_and_the_plan_executed(journal: Journal) -> None:
    chain, steps = living(journal, done_by), Steps(*STEPS)
    chain.tokens[(OURS, ITS)] = 10_000
    result = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(steps))
    assert result.done and len(result.outcomes) == 2, result
    assert all(isinstance(one, Confirmed) for one in result.outcomes)
    assert [tx.signed.words for tx in journal.transactions()] == [ALLOW.description, MINT.description]
    assert all(tx.signed.leg == 0 and tx.signed.plan_id == "p1" for tx in journal.transactions())
    assert [tx.signed.expires_at for tx in journal.transactions()] == [NOW + 60] * 2
    assert marked(journal) == (PlanStatus.EXECUTED, "") and not chain.allowed[GIVEN]
    assert steps.tallies == [50, 50, 0] * 2, "the tally begins anew for the real thing, and counts what it moved"


async def test_what_is_halted_or_beyond_limits_is_not_rehearsed(journal: Journal) -> None:
    chain, steps = living(journal, done_by), Steps(*STEPS)
    result = await execute_provided(lp_account(chain, journal, halted=lambda: "stop"), APPROVAL, leg_of(steps))
    assert result.declined is not None and result.declined.code == "HALTED" and not result.outcomes
    assert steps.runs == 0 and marked(journal)[0] is PlanStatus.REJECTED


@pytest.mark.parametrize(
    ("live", "made"),
    [
        ((STEPS[1],), 0),  # another first call than the rehearsed one
        ((STEPS[0], replace(STEPS[1], call=replace(MINT, to=ROUTER))), 1),
        ((STEPS[0], replace(STEPS[1], call=replace(MINT, data=b"\0" + MINT.data[1:]))), 1),
        ((*STEPS, STEPS[1]), 2),  # one call more
        ((STEPS[0],), 1),  # one less
    ],
)
async def test_other_calls_than_the_rehearsed_ones_are_not_made(
    journal: Journal, live: tuple[OrderCall, ...], made: int
) -> None:
    chain = living(journal, done_by)
    chain.tokens[(OURS, ITS)] = 10_000
    result = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(Steps(*STEPS, live=live)))
    assert result.declined is not None and result.declined.code == "NOT_THE_CALL", result
    kept = [tx.signed.words for tx in journal.transactions()][:made]
    assert kept == [ALLOW.description, MINT.description][:made] and not chain.allowed.get(GIVEN, 0)
    assert marked(journal)[0] is PlanStatus.FAILED
    assert len(result.outcomes) == made + (made == 1), "what was allowed is taken back"


async def test_a_zero_allowance_needs_no_rehearsal_and_never_ends(journal: Journal) -> None:
    chain = living(journal, done_by)
    chain.tokens[(OURS, ITS)] = 10_000
    live = (replace(STEPS[0], call=BACK), *STEPS)
    result = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(Steps(*STEPS, live=live)))
    assert result.done and len(result.outcomes) == 3
    first = journal.transactions()[0].signed
    assert first.words == BACK.description and first.gas == 120_000 and first.expires_at > EXPIRES
    more = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(Steps(*live, live=STEPS)))
    assert more.done, "one that was rehearsed need not be made"


async def test_a_step_that_reverts_on_the_chain_ends_the_leg(journal: Journal) -> None:
    chain = living(journal, done_by)
    chain.tokens[(OURS, ITS)] = 10_000
    mine = chain.on_send

    def fails(raw: str) -> None:
        if len(chain.sent) == 2:
            chain.allowed[GIVEN] -= 1
        mine(raw)
        if len(chain.sent) == 2:
            chain.allowed[GIVEN] += 1

    chain.on_send = fails
    result = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(Steps(*STEPS)))
    assert result.declined is None and not result.done
    assert [type(one) for one in result.outcomes] == [Confirmed, Reverted, Confirmed]
    assert marked(journal) == (PlanStatus.FAILED, "leg 1: a transaction did not succeed")
    assert not chain.allowed[GIVEN]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (SafetyError("PRICE_MOVED", "the price is far away"), "PRICE_MOVED"),
        (MarketError("the pool does not answer"), "MARKET_UNREADABLE"),
    ],
)
async def test_what_a_step_finds_out_declines_the_leg(journal: Journal, raised: Exception, code: str) -> None:
    chain = living(journal, done_by)
    live = (STEPS[0], raised)
    chain.tokens[(OURS, ITS)] = 10_000
    result = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(Steps(*STEPS, live=live)))
    assert result.declined is not None and result.declined.code == code
    assert len(result.outcomes) == 2 and not chain.allowed[GIVEN], "the allowance, and its taking back"
    found = await execute_provided(lp_account(chain, journal), APPROVAL, leg_of(Steps(*live)))
    assert found.declined is not None and found.declined.code == code and not found.outcomes, "in the rehearsal too"


async def test_a_step_that_the_policy_refuses_ends_the_leg(journal: Journal) -> None:
    chain, signer = living(journal, done_by), KeySigner()
    chain.tokens[(OURS, ITS)] = 10_000
    small = Approval(plan_of(replace(PUT, amount=Amount(USDC, RAW - 1))), "a person", EXPIRES)
    result = await execute_provided(lp_account(chain, journal, signer=signer), small, leg_of(Steps(*STEPS)))
    assert result.declined is not None and result.declined.code == "AMOUNT_ABOVE_PLAN"
    assert not result.outcomes and not signer.asked


async def test_an_open_transaction_is_left_to_be_settled(journal: Journal) -> None:
    chain = living(journal, done_by)
    chain.tokens[(OURS, ITS)] = 10_000
    chain.on_send = lambda raw: None
    account = lp_account(chain, journal, settings=settings(confirm_timeout_seconds=0.05))
    with pytest.raises(PendingError):
        await execute_provided(account, APPROVAL, leg_of(Steps(*STEPS)))
    assert marked(journal)[0] is not PlanStatus.EXECUTED


# The rehearsal of such a leg.

AT = BlockRef(USDC.chain, 100, "0x64", NOW)


async def rehearsed(journal: Journal, chain: ChainDouble, *steps: Any, leg: Leg = PUT, **changes: Any) -> str | None:
    found = await rehearse(lp_account(chain, journal, **changes), (leg_of(Steps(*steps), leg),), AT)
    return found.code if isinstance(found, Declined) else None


async def test_a_rehearsal_tells_what_each_step_took_and_asked(journal: Journal) -> None:
    chain = living(journal, done_by)
    chain.tokens[(OURS, ITS)] = 10_000
    found = await rehearse(lp_account(chain, journal), (leg_of(Steps(*STEPS)),), AT)
    assert isinstance(found, Rehearsal) and found.lines == (ALLOW.description, MINT.description)
    (leg,) = found.legs
    assert [(tx.gas_used, tx.gas_limit, tx.to) for tx in leg.txs] == [
        (50_000, chain.gas * 125 // 100, USDC.address),
        (50_000, chain.gas * 125 // 100, MANAGER),
    ]
    moved = {d.token: d.raw for d in found.deltas}
    assert (moved[USDC], moved[WETH], moved[POSITION]) == (-RAW, 0, 1) and found.gas_used == 100_000


async def test_a_rehearsal_declines_what_the_chain_would_refuse(journal: Journal) -> None:
    def chain_of(**changes: Any) -> ChainDouble:
        chain = living(journal, done_by)
        chain.tokens[(OURS, ITS)] = 10_000
        return replace(chain, **changes)

    assert await rehearsed(journal, chain_of(), *STEPS) is None
    assert await rehearsed(journal, chain_of(), STEPS[1]) == "WOULD_REVERT"
    assert await rehearsed(journal, chain_of(refuses={"eth_estimateGas": "reverted"}), *STEPS) == "WOULD_REVERT"
    limit = chain_of().gas * 125 // 100
    assert await rehearsed(journal, chain_of(), *STEPS, max_gas=limit) is None
    assert await rehearsed(journal, chain_of(), *STEPS, max_gas=limit - 1) == "GAS_ABOVE_LIMIT"
    needed = limit * (2 * chain_of().base_fee_wei + chain_of().tip_wei)
    assert await rehearsed(journal, chain_of(native_wei=needed), *STEPS) is None
    assert await rehearsed(journal, chain_of(native_wei=needed - 1), *STEPS) == "INSUFFICIENT_NATIVE"
    assert await rehearsed(journal, chain_of(native_wei=0), *STEPS, pays_gas=False) is None, "who executes pays"
    assert await rehearsed(journal, chain_of(), STEPS[0], replace(STEPS[1], moves=())) == "UNKNOWN_TOKEN_MOVED"
    more = replace(STEPS[0], call=allowance_call(USDC, MANAGER, RAW + 1, "the manager"))
    assert await rehearsed(journal, chain_of(), more, STEPS[1]) == "ALLOWANCE_LEFT"
    router = OrderCall(call=allowance_call(USDC, ROUTER, 1, "the router"), order=ONE_SIDED)
    assert await rehearsed(journal, chain_of(), *STEPS, router) == "ALLOWANCE_LEFT"
    for leg in (replace(PUT, amount=Amount(USDC, RAW + 100)), replace(PUT, kind=LegKind.WITHDRAW)):
        assert await rehearsed(journal, chain_of(), *STEPS, leg=leg) == "DELTA_NOT_PLANNED"
