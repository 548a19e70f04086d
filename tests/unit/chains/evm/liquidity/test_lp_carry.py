"""Liquidity by a person's word on the double of a chain: rehearsed as a whole, made step by step as it was rehearsed,
and what is left allowed taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import ChainDouble, open_journal
from tests.kit.evm.leg import ITS, OURS, living
from tests.kit.evm.nonces import GONE, signed_under
from tests.kit.evm.pool_calls import MANAGER, POSITION, ROUTER, WETH
from tests.kit.evm.provide_run import ALLOW, BACK, GIVEN, MINT, ONE_SIDED, RAW, STEPS, Steps, done_by, lp_account
from tests.kit.wiring import BLOCK, CHAIN, EXPIRES, OWNER, USDC
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.build import Fees, allowance_call
from yieldbot.chains.evm.execution.leg import TAKE_BACK_GAS
from yieldbot.chains.evm.execution.nonces import leftovers
from yieldbot.chains.evm.execution.submit import stored
from yieldbot.chains.evm.liquidity.execute import execute_order
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall
from yieldbot.chains.evm.liquidity.rehearse import OrderRehearsal, rehearse_steps
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import NO_ROLLUP_FEE, Confirmed, Delta, Outcome, Replaced, Reverted, RollupFee

TOKENS = (USDC, WETH, POSITION)
PLACE = MarketId("uniswap_v3_lp/8453/0x")
GAS = 60_000 * 125 // 100


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def chain_of(journal: Journal) -> ChainDouble:
    chain = living(journal, done_by)
    chain.tokens[(OURS, ITS)] = 10_000
    return chain


async def rehearsed(
    journal: Journal, chain: ChainDouble, *steps: Any, back: Any = None, spenders: Any = (MANAGER,), **changes: Any
) -> OrderRehearsal | Declined:
    account = lp_account(chain, journal, **changes)
    return await rehearse_steps(account, Steps(*steps), TOKENS, spenders, BLOCK, back)


async def test_a_rehearsal_tells_each_call_and_what_all_did(journal: Journal) -> None:
    chain = chain_of(journal)
    found = await rehearsed(journal, chain, *STEPS)
    assert isinstance(found, OrderRehearsal) and found.block == BLOCK
    assert [(tx.call, tx.gas_used, tx.gas_limit) for tx in found.txs] == [(s.call, 50_000, GAS) for s in STEPS]
    assert found.gas_used == 100_000 and found.rollup == NO_ROLLUP_FEE
    assert found.deltas == (Delta(USDC, -RAW), Delta(WETH, 0), Delta(POSITION, 1))
    fee = RollupFee(3, 4)
    dear = replace(found, txs=tuple(replace(tx, rollup=fee) for tx in found.txs))
    assert dear.rollup == fee + fee
    assert not chain.sent and chain.tokens[(OURS, ITS)] == 10_000


async def test_a_rehearsal_says_what_is_wrong(journal: Journal) -> None:
    def code(found: OrderRehearsal | Declined) -> str | None:
        return found.code if isinstance(found, Declined) else None

    dear = chain_of(journal)
    dear.base_fee_wei = 10**12
    assert code(await rehearsed(journal, dear, *STEPS)) == "FEE_ABOVE_CEILING"
    assert code(await rehearsed(journal, chain_of(journal), STEPS[1])) == "WOULD_REVERT"
    more = replace(STEPS[0], call=allowance_call(USDC, MANAGER, RAW + 1, "the manager"))
    assert code(await rehearsed(journal, chain_of(journal), more, STEPS[1])) == "ALLOWANCE_LEFT"
    assert code(await rehearsed(journal, chain_of(journal), more, STEPS[1], spenders=(ROUTER,))) is None


async def test_the_way_back_is_tried_on_the_same_fork_and_its_word_counts(journal: Journal) -> None:
    seen: list[Any] = []

    async def back(node: Any, fees: Fees, deltas: Sequence[Delta]) -> Declined | None:
        seen.append((fees, tuple(deltas), (await fetch_balances(node, OWNER, (USDC,)))[USDC]))
        return answers.pop()

    stuck = Declined("NO_WAY_OUT", "it stays")
    answers: list[Declined | None] = [None, stuck]
    assert await rehearsed(journal, chain_of(journal), *STEPS, back=back) == stuck
    assert isinstance(await rehearsed(journal, chain_of(journal), *STEPS, back=back), OrderRehearsal)
    assert seen[0][1][0] == Delta(USDC, -RAW) and seen[0][2] == 10_000 - RAW and isinstance(seen[0][0], Fees)


async def carried(
    journal: Journal,
    chain: ChainDouble,
    *live: OrderCall,
    planned: Sequence[OrderCall] = STEPS,
    order: LiquidityOrder = ONE_SIDED,
    tokens: tuple[Token, ...] = TOKENS,
    **changes: Any,
) -> list[Outcome | Declined]:
    rehearsal = await rehearsed(journal, chain_of(journal), *planned)
    assert isinstance(rehearsal, OrderRehearsal)
    account = lp_account(chain, journal, **changes)
    return await execute_order(account, Steps(*live), rehearsal, tokens, PLACE, order)


def kinds(found: list[Outcome | Declined]) -> list[Any]:
    return [one.code if isinstance(one, Declined) else type(one) for one in found]


async def test_every_step_is_made_as_it_was_rehearsed_and_written_down(journal: Journal) -> None:
    chain = chain_of(journal)
    assert kinds(await carried(journal, chain, *STEPS)) == [Confirmed, Confirmed]
    rows = [tx.signed for tx in journal.transactions()]
    assert [(row.words, row.gas, row.leg, row.plan_id, row.market_id, row.chain, row.owner) for row in rows] == [
        (ALLOW.description, GAS, 0, ONE_SIDED.id, PLACE, CHAIN, OWNER),
        (MINT.description, GAS, 1, ONE_SIDED.id, PLACE, CHAIN, OWNER),
    ]
    assert [row.expires_at for row in rows] == [EXPIRES, EXPIRES]
    assert [{d.token: d.raw for d in row.predicted}[USDC] for row in rows] == [0, -RAW]
    assert chain.tokens[(OURS, ITS)] == 10_000 - RAW and not chain.allowed[GIVEN]


async def test_what_is_halted_or_beyond_limits_is_not_begun(journal: Journal) -> None:
    asked: list[Any] = []

    def limits(legs: Sequence[Leg]) -> Declined | None:
        asked.append(list(legs))
        return Declined("LIMIT", "too much")

    chain = chain_of(journal)
    assert kinds(await carried(journal, chain, *STEPS, halted=lambda: "stop")) == ["HALTED"]
    rehearsal, live = await rehearsed(journal, chain_of(journal), *STEPS), Steps(*STEPS)
    assert isinstance(rehearsal, OrderRehearsal)
    account = lp_account(chain, journal, halted=lambda: "stop")
    assert (
        kinds(await execute_order(account, live, rehearsal, TOKENS, PLACE, ONE_SIDED)) == ["HALTED"] and not live.runs
    )
    assert kinds(await carried(journal, chain, *STEPS, limits=limits)) == ["LIMIT"] and not chain.sent
    assert asked == [[Leg(LegKind.DEPOSIT, PLACE, Amount(USDC, RAW))]], "what nothing is put in of is none"


async def test_what_was_given_up_is_settled_before_anything_is_signed(journal: Journal) -> None:
    chain = chain_of(journal)
    gone = signed_under(lp_account(chain, journal), chain.nonce - 2, GONE)
    assert leftovers(journal.transactions()) == (gone,)
    assert kinds(await carried(journal, chain, *STEPS)) == [Confirmed, Confirmed]
    assert leftovers(journal.transactions()) == ()
    assert stored(lp_account(chain, journal), gone.signed.hash).outcome == Replaced(gone.signed.hash, None)


async def test_fees_above_the_ceiling_when_it_is_made_leave_it_undone(journal: Journal) -> None:
    chain = chain_of(journal)
    chain.base_fee_wei = 10**12
    assert kinds(await carried(journal, chain, *STEPS)) == ["FEE_ABOVE_CEILING"] and not chain.sent


@pytest.mark.parametrize(
    ("live", "made"),
    [
        ((STEPS[1],), []),
        ((STEPS[0], replace(STEPS[1], call=replace(MINT, to=ROUTER))), [Confirmed]),
        ((STEPS[0], replace(STEPS[1], call=replace(MINT, data=b"\0" + MINT.data[1:]))), [Confirmed]),
        ((*STEPS, STEPS[1]), [Confirmed, Confirmed]),
    ],
)
async def test_other_calls_than_the_rehearsed_ones_are_not_made(
    journal: Journal, live: tuple[OrderCall, ...], made: list[Any]
) -> None:
    chain = chain_of(journal)
    found = await carried(journal, chain, *live)
    taken = [Confirmed] if len(made) == 1 else []
    assert kinds(found) == [*made, "NOT_THE_CALL", *taken], "what was allowed is taken back"
    said = found[len(made)]
    assert isinstance(said, Declined) and said.reason.endswith(f"was not rehearsed as call {len(made) + 1}")
    assert not chain.allowed.get(GIVEN, 0)


async def test_it_ends_with_the_first_that_is_not_confirmed(journal: Journal) -> None:
    chain = chain_of(journal)
    mine = chain.on_send

    def fails(raw: str) -> None:
        if len(chain.sent) == 2:
            chain.allowed[GIVEN] -= 1
        mine(raw)
        if len(chain.sent) == 2:
            chain.allowed[GIVEN] += 1

    chain.on_send = fails
    more = (*STEPS, replace(STEPS[0], call=BACK))
    assert kinds(await carried(journal, chain, *more, planned=more)) == [Confirmed, Reverted, Confirmed]
    rows = [tx.signed for tx in journal.transactions()]
    assert (rows[2].gas, rows[2].leg, rows[2].words) == (
        TAKE_BACK_GAS,
        2,
        allowance_call(USDC, MANAGER, 0, MANAGER).description,
    )
    assert not chain.allowed[GIVEN]


async def test_what_is_left_allowed_of_either_token_to_either_spender_is_taken_back(journal: Journal) -> None:
    chain = chain_of(journal)
    order = replace(ONE_SIDED, router=ROUTER)
    left = [(token.address.lower(), ITS, spender.lower()) for token in (WETH, USDC) for spender in (MANAGER, ROUTER)]
    chain.allowed |= dict.fromkeys(left, 9)
    assert kinds(await carried(journal, chain, order=order)) == [Confirmed] * 4
    assert [chain.allowed[one] for one in left] == [0] * 4
    assert [tx.signed.leg for tx in journal.transactions()] == [0, 1, 2, 3]
    assert kinds(await carried(journal, chain, order=order)) == []


async def test_a_call_that_does_more_than_its_order_says_is_not_signed(journal: Journal) -> None:
    chain = chain_of(journal)
    small = replace(ONE_SIDED, most=(0, RAW - 1))
    found = await carried(journal, chain, *(replace(step, order=small) for step in STEPS))
    assert kinds(found) == ["ALLOWANCE_NOT_EXACT"] and not chain.sent
    late = await carried(journal, chain, *STEPS, now=lambda: EXPIRES)
    assert kinds(late) == ["EXPIRED"] and not chain.sent
    stray = (STEPS[0], replace(STEPS[1], moves=()))
    found = await carried(journal, chain_of(journal), *stray)
    assert kinds(found) == [Confirmed, "UNKNOWN_TOKEN_MOVED", Confirmed]


async def test_what_a_call_must_bring_at_least_is_written_down_with_it(journal: Journal) -> None:
    chain = chain_of(journal)
    least = (STEPS[0], replace(STEPS[1], least={USDC: -RAW - 5}))
    assert kinds(await carried(journal, chain, *least)) == [Confirmed, Confirmed]
    predicted = {d.token: d.least for d in journal.transactions()[1].signed.predicted}
    assert predicted[USDC] == -RAW - 5 and predicted[WETH] is None


async def test_a_call_that_brings_less_than_its_least_is_not_signed(journal: Journal) -> None:
    found = await carried(journal, chain_of(journal), STEPS[0], replace(STEPS[1], least={USDC: -RAW + 1}))
    assert kinds(found) == [Confirmed, "BELOW_LEAST", Confirmed]
