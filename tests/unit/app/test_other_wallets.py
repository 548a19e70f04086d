"""The order in which the jobs of one call are decided, and what each counts of the wallets beside it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.app.other_wallets import Turns
from yieldbot.decision.decide import decide
from yieldbot.decision.pending import counted_words, moves_of, waiting
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten, TxSettled, TxSigned
from yieldbot.math.curves import DilutedCurve
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.market import Snapshot
from yieldbot.model.pending import ALONE
from yieldbot.model.plan import Plan
from yieldbot.model.settings import Job
from yieldbot.model.tx import Confirmed, Delta

POLICY = loose(horizon_days=30.0)
SHARED = market("shared", DilutedCurve(1e6, 1e5))
SEEN = snapshot(100_000, SHARED)


def wallet(number: int) -> tuple[Job, Snapshot]:
    owner = Address(f"0x{number:040x}")
    return replace(JOB, wallet=replace(JOB.wallet, name=f"w{number}", address=owner)), replace(SEEN, owner=owner)


WALLETS = [wallet(number) for number in range(1, 4)]
JOBS = [job for job, _ in WALLETS]


def plan_of(seen: Snapshot) -> Plan:
    found = decide(seen, POLICY, JOB, NOW).outcome
    assert isinstance(found, Plan)
    return found


def turns(jobs: list[Job], records: tuple[Record, ...] = (), held: dict[Any, Any] | None = None) -> Turns:
    return Turns(jobs, JOBS, lambda job: records, lambda chain: held or {}, lambda: NOW)


async def test_jobs_are_decided_in_the_order_of_the_configuration_however_fast_they_read() -> None:
    """Also where a wallet has two jobs and one account is served at a time; and nobody waits for what has ended."""
    order, room = turns(JOBS), asyncio.Semaphore(2)
    decided = list[str]()
    seen = dict[str, int]()

    async def one(at: int) -> None:
        job, found = WALLETS[at]
        await order.may_begin(job)
        async with room:
            order.begin(job)
            for _ in range(5 * (3 - at)):  # the first reads the longest
                await asyncio.sleep(0)
            if at != 1:
                beside = await order.before(job, found)
                seen[job.wallet.name] = sum(move.puts.raw for move in beside.moves)
                decided.append(job.wallet.name)
                order.decided(job, found, plan_of(found))
        order.end(job)  # the second cannot be served

    await asyncio.gather(*(one(at) for at in (2, 1, 0)))
    assert decided == ["w1", "w3"] and seen["w1"] == 0 < seen["w3"]


def noted(*entries: Any) -> tuple[Record, ...]:
    return tuple(Record(at, NOW, entry) for at, entry in enumerate(entries, 1))


def test_a_waiting_plan_counts_for_the_wallets_after_its_own_until_it_is_done_or_dropped() -> None:
    plan = replace(plan_of(WALLETS[1][1]), expires_at=NOW + 60)
    queued = PlanWritten(plan, ()), PlanMarked(plan.id, PlanStatus.QUEUED, "policy")
    records = noted(*queued)
    first, last = WALLETS[0], WALLETS[2]
    assert turns([JOBS[2]], records).beside(*last).moves == moves_of("w2", plan)
    assert turns([JOBS[0]], records).beside(*first).moves == (), "it comes after"
    over = noted(*queued, PlanMarked(plan.id, PlanStatus.REJECTED, "a person"))
    assert turns([JOBS[2]], over).beside(*last).moves == ()
    assert waiting(records, NOW + 60) == {}, "it has expired"
    decided = turns(JOBS, records)
    decided.decided(*WALLETS[1], None)
    assert decided.beside(*last).moves == (), "this call has decided otherwise"
    signed = TxSigned(
        chain=plan.block.chain, owner=plan.owner, plan_id=plan.id, leg=0, market_id=plan.legs[0].market_id, hash="0xaa",
        raw=b"", nonce=1, gas=1, max_fee_wei=1, priority_fee_wei=1, words="", expires_at=NOW, simulated_at=plan.block,
        predicted=(),
    )  # fmt: skip
    amount = plan.legs[0].amount
    mined = BlockRef(plan.block.chain, plan.block.height + 5, "0x" + "34" * 32, plan.block.timestamp)
    done = noted(
        *queued,
        signed,
        TxSettled(plan.block.chain, plan.owner, Confirmed("0xaa", mined, 1, 1, (Delta(amount.token, -amount.raw),))),
    )
    assert len(moves_of("w2", plan, done, mined.height)) == len(plan.legs) - 1, "the chain has it already"
    assert moves_of("w2", plan, done, mined.height - 1) == moves_of("w2", plan), "what was read does not have it"


def test_what_others_hold_is_what_this_call_read_else_what_was_last_noted() -> None:
    key, owners = SHARED.market.id, [job.wallet.address for job in JOBS]
    found = turns(JOBS, held={owners[0]: {key: 5}, owners[1]: {key: 7}, owners[2]: {key: 11}})
    assert found.held(JOBS[2]) == {key: 12}
    richer = replace(WALLETS[0][1], states={key: replace(SHARED, held=usdc(1))})
    found.decided(JOBS[0], richer, None)
    assert found.held(JOBS[2]) == {key: usdc(1).raw + 7}
    elsewhere = replace(JOBS[0], chain=replace(JOB.chain, chain="eip155:10"))  # type: ignore[arg-type]
    alone = Turns([JOBS[0]], [elsewhere, JOBS[0]], lambda job: (), lambda chain: {}, lambda: NOW)
    assert alone.beside(*WALLETS[0]) is ALONE, "nobody else is on its chain"


def test_a_plan_names_the_money_that_it_counts() -> None:
    moves = [move for job, seen in WALLETS for move in moves_of(job.wallet.name, plan_of(seen))]
    (line,) = counted_words(moves, {SHARED.market.id: "Shared"})
    assert line == "300,000.00 USDC that w1, w2 and w3 would put into Shared first"
    assert counted_words(moves, {}) == (), "the markets of others are no matter"
