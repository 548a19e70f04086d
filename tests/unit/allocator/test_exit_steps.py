"""Markets that are left in two steps: what is asked for, collected and called back, and when that pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.market_builder import BLOCK, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.exit_steps import (
    ExitStep,
    _paying,
    collect_steps,
    per_year,
    request_steps,
    step_plan,
    step_refusal,
)
from yieldbot.app import market_documents
from yieldbot.app.formatting import leaving
from yieldbot.chains.exits import steps
from yieldbot.chains.leg_limits import shares_for
from yieldbot.decision.decide import decide
from yieldbot.decision.holds import still_holds
from yieldbot.journal.entry_codec import decode, encode
from yieldbot.journal.exit_entries import ExitAsked, ExitEnded
from yieldbot.journal.fold import Record, fold_leaving
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState, Snapshot, Status
from yieldbot.model.plan import Hold, Leg, LegKind, Plan
from yieldbot.model.policy import Policy

NOW = BLOCK.timestamp
WEEK = Exit(kind=ExitKind.COOLDOWN, seconds=7 * 86_400)
QUEUE = Exit(kind=ExitKind.REQUEST, seconds=None)
GOOD = market("good", ConstantCurve(0.10))


def held_there(rate: float, way: Exit = WEEK, held: float = 10_000.0, **parts: Any) -> MarketState:
    state = market("door", ConstantCurve(rate), held=held)
    return replace(state, exit=way, offered=usdc(0), opaque=True, liquidity=usdc(0), **parts)


def outward(asked: float = 0.0, ready: float = 0.0, back: float = 0.0, **parts: Any) -> Leaving:
    return Leaving(requested=usdc(asked), ready=usdc(ready), back=usdc(back), **parts)


def planned(state: MarketState, policy: Policy = loose(horizon_days=30.0), gwei: float = 1.0) -> Plan | Hold:  # noqa: B008
    return decide(snapshot(0, state, GOOD, gwei=gwei), policy, JOB, NOW).outcome


def legs(found: Plan | Hold) -> list[Leg]:
    return list(found.legs) if isinstance(found, Plan) else []


def test_a_way_out_is_begun_where_it_pays_and_not_where_it_does_not() -> None:
    assert legs(planned(held_there(0.02))) == [Leg(LegKind.REQUEST, held_there(0.02).market.id, usdc(10_000), all=True)]
    assert legs(planned(held_there(0.02, QUEUE)))[0].kind is LegKind.REQUEST
    assert isinstance(planned(held_there(0.12)), Hold), "it earns more where it is"
    assert isinstance(planned(held_there(0.02, held=30.0)), Hold), "not worth the gas of both steps"
    assert isinstance(planned(held_there(0.02), gwei=200.0), Hold), "above the ceiling of gas"


def test_what_is_not_earned_while_it_cools_down_is_counted() -> None:
    """9.9 and 10 %: 100 days of waiting lose 27 times what 30 days bring; a queue of no known end takes nothing off."""
    near = loose(horizon_days=30.0, break_even_days=1e9, max_gas_share_of_gain=1.0)
    long = replace(WEEK, seconds=100 * 86_400)
    assert isinstance(planned(held_there(0.099, long, 1e6), near), Hold)
    assert legs(planned(held_there(0.099, QUEUE, 1e6), near))
    plan = planned(held_there(0.02, WEEK, 1e6), near)
    assert isinstance(plan, Plan)
    years = near.horizon_days / 365
    assert plan.gain_per_year == pytest.approx(0.08e6 - 0.02e6 * 7 / 365 / years, rel=1e-3)
    assert plan.cost == pytest.approx(2 * 200_000 * 1e-9 * 3000)
    assert isinstance(planned(held_there(0.02), loose(horizon_days=30.0, break_even_days=0.5)), Hold), (
        "0.38 are lost in a day of a week"
    )


def test_a_way_out_pays_within_the_horizon_of_moves_once_its_money_is_out() -> None:
    """A week of waiting and the seven days of moves after it: what the wait loses is earned back by a rate that is more
    than twice as high. The ninety days of idle money would leave for a third of a point."""
    default = loose()
    assert (default.move_days, default.enter_days) == (7.0, 90.0)
    assert legs(planned(held_there(0.048, held=1e6), default))[0].kind is LegKind.REQUEST
    for rate in (0.052, 0.09):
        assert isinstance(planned(held_there(rate, held=1e6), default), Hold)
    assert legs(planned(held_there(0.09, held=1e6), loose(horizon_days=90.0)))[0].kind is LegKind.REQUEST
    fortnight = replace(WEEK, seconds=14 * 86_400)
    assert legs(planned(held_there(0.032, fortnight, 1e6), default)), "counted from when the money is out"
    assert isinstance(planned(held_there(0.035, fortnight, 1e6), default), Hold)


def test_what_is_ready_is_collected_first_and_nothing_else_is_asked_for() -> None:
    both = held_there(0.02, leaving=outward(ready=4_000, asked=1_000))
    plan = planned(both)
    assert isinstance(plan, Plan) and legs(plan) == [Leg(LegKind.COLLECT, both.market.id, usdc(4_000))]
    whole = held_there(0.02, leaving=outward(ready=10_000))
    assert legs(planned(whole)) == [Leg(LegKind.COLLECT, whole.market.id, usdc(10_000), all=True)]
    assert isinstance(planned(held_there(0.02, leaving=outward(asked=4_000))), Hold), "one at a time"
    assert isinstance(planned(held_there(0.02, leaving=outward(ready=0.5))), Hold), "it costs 0.6 of gas"
    instant = replace(whole, exit=Exit())  # the cooldown was given up meanwhile
    assert [leg.kind for leg in legs(planned(instant))] == [LegKind.COLLECT]


def test_what_would_stay_is_called_back_where_it_can_be() -> None:
    gone = outward(asked=10_000, cancels=True)
    assert isinstance(planned(held_there(0.02, QUEUE, leaving=gone)), Hold), "it is better off elsewhere"
    stays = held_there(0.30, QUEUE, leaving=gone)
    assert legs(planned(stays)) == [Leg(LegKind.CANCEL, stays.market.id, usdc(10_000))]
    plan = planned(stays)
    assert isinstance(plan, Plan) and plan.gain_per_year == pytest.approx(0.20 * 10_000, rel=0.01)
    assert isinstance(planned(held_there(0.30, QUEUE, leaving=replace(gone, cancels=False))), Hold)
    back = held_there(0.30, QUEUE, leaving=outward(back=10_000))
    assert legs(planned(back)) == [Leg(LegKind.CANCEL, back.market.id, usdc(10_000))]


def test_no_new_money_goes_where_some_is_on_its_way_out() -> None:
    state = replace(market("door", ConstantCurve(0.2), held=10.0), leaving=outward(asked=10.0))
    vetoes = {one.market_id: one.vetoes for one in assess(snapshot(1000, state), loose(horizon_days=30.0))}[
        state.market.id
    ]
    assert vetoes == ("10 USDC of ours are on their way out",)


def test_a_step_that_is_not_due_any_more_is_not_made() -> None:
    state = held_there(0.02)
    view = snapshot(0, state, GOOD)
    plan = decide(view, loose(horizon_days=30.0), JOB, NOW).outcome
    assert isinstance(plan, Plan) and still_holds(plan, 0, view, loose(horizon_days=30.0), JOB) is None

    def refused(found: Plan, now: MarketState, **parts: Any) -> str | None:
        why = still_holds(found, 0, snapshot(0, now, GOOD, **parts), loose(horizon_days=30.0), JOB)
        return None if why is None else why.code

    assert refused(plan, held_there(0.02, leaving=outward(asked=1.0))) == "STEP_NOT_DUE"
    assert refused(plan, held_there(0.02, held=0.0)) == "STEP_NOT_DUE"
    assert refused(plan, state, gwei=1e5) == "GAIN_GONE"
    ready = held_there(0.02, leaving=outward(ready=4_000))
    collect = planned(ready)
    assert isinstance(collect, Plan) and refused(collect, ready) is None
    assert refused(collect, held_there(0.02, leaving=outward(ready=3_999))) == "STEP_NOT_DUE"
    assert refused(collect, held_there(0.02)) == "STEP_NOT_DUE"
    called = held_there(0.30, QUEUE, leaving=outward(asked=10_000, cancels=True))
    cancel = planned(called)
    assert isinstance(cancel, Plan) and refused(cancel, called) is None
    assert refused(cancel, held_there(0.30, QUEUE, leaving=outward(ready=10_000))) == "STEP_NOT_DUE"


def test_a_step_names_no_more_shares_than_are_its() -> None:
    state = replace(held_there(0.02, leaving=outward(asked=2_500)), shares=usdc(7_500).raw)
    assert state.inside == usdc(7_500)
    half = shares_for(state, Leg(LegKind.REQUEST, state.market.id, usdc(3_750)))
    assert usdc(3_750).raw <= half <= usdc(3_750).raw * 1.00001
    assert shares_for(state, Leg(LegKind.REQUEST, state.market.id, usdc(7_500), all=True)) == state.shares
    ready = replace(state, leaving=outward(ready=2_500, ready_shares=77))
    assert shares_for(ready, Leg(LegKind.COLLECT, state.market.id, usdc(2_500))) == 77
    assert shares_for(state, Leg(LegKind.CANCEL, state.market.id, usdc(2_500))) == 0


def test_the_journal_follows_the_chain() -> None:
    def said(state: MarketState, *rows: ExitAsked | ExitEnded) -> list[ExitAsked | ExitEnded]:
        return steps([Record(n, NOW, row) for n, row in enumerate(rows)], snapshot(0, state, GOOD))

    first = held_there(0.02, leaving=outward(asked=10, until=NOW + 5))
    assert said(held_there(0.02)) == []
    (asked,) = said(first)
    assert isinstance(asked, ExitAsked) and (asked.asked, asked.until) == (usdc(10), NOW + 5)
    assert decode(*encode(asked)) == asked
    assert said(first, asked) == said(held_there(0.02, leaving=outward(asked=11, until=NOW + 5)), asked) == []
    (later,) = said(held_there(0.02, leaving=outward(ready=10)), asked)
    assert isinstance(later, ExitAsked) and later.ready == usdc(10)
    (ended,) = said(held_there(0.02), asked, later)
    assert isinstance(ended, ExitEnded) and decode(*encode(ended)) == ended
    assert said(held_there(0.02), asked, ended) == []
    account = (BLOCK.chain, asked.owner)
    assert fold_leaving([Record(1, NOW, asked)], *account) == {asked.market_id: asked}
    assert fold_leaving([Record(1, NOW, asked), Record(2, NOW, ended)], *account) == {}
    unread = Snapshot(
        block=BLOCK, owner=asked.owner, states={}, quarantined=(), fees=snapshot(0).fees, native_balance_raw=0
    )
    assert steps([Record(1, NOW, asked)], unread) == [], "a market that cannot be read has not ended anything"


def test_what_is_shown() -> None:
    assert leaving(usdc(5), usdc(0), usdc(0), NOW).startswith("5 USDC in exit until 2023-11-14")
    assert leaving(usdc(5), usdc(1), usdc(0), None) == (
        "5 USDC in exit until somebody serves the request, 1 USDC to be collected"
    )
    assert market_documents.Leaving.of(held_there(0.02)) is None
    doc = market_documents.Leaving.of(held_there(0.02, leaving=outward(asked=5, until=NOW, cancels=True)))
    assert doc is not None and (doc.asked.text, doc.until, doc.cancels) == ("5.000000", NOW, True)


# Each step by itself.


def begin(view: Snapshot, policy: Policy) -> list[ExitStep]:
    assessed = assess(view, policy)
    return request_steps(view, assessed, allocate(view, assessed, policy), policy)


EASY = loose(horizon_days=30.0, break_even_days=1e9, max_gas_share_of_gain=1.0, idle_buffer="0")
COST = 200_000 * 1e-9 * 3000
GAS = COST * 365 / 30
"""What a leg's gas takes of an allocation, as a rate a year. A step's gain is after that of entering elsewhere, and
before that of its own two legs, which is its cost."""


def test_a_part_is_asked_for_where_a_part_alone_is_better_elsewhere() -> None:
    small = market("good", ConstantCurve(0.10), capacity=4_000)
    view = snapshot(0, held_there(0.02), small)
    (step,) = begin(view, EASY)
    assert step.leg == Leg(LegKind.REQUEST, held_there(0.02).market.id, usdc(4_000))
    assert step.cost == pytest.approx(2 * COST)
    years = EASY.horizon_days / 365
    assert step.gain == pytest.approx(4_000 * (0.08 - 0.02 * 7 / 365 / years) - GAS, rel=1e-6)
    queue = begin(snapshot(0, held_there(0.02, QUEUE), small), EASY)
    assert queue[0].gain == pytest.approx(4_000 * 0.08 - GAS, rel=1e-6)
    for least, found in (("4000", 1), ("4000.000001", 0)):
        assert len(begin(view, replace(EASY, min_move=least))) == found, least


def test_two_markets_share_what_both_bring() -> None:
    first, second = held_there(0.02), market("gate", ConstantCurve(0.03), held=20_000.0)
    second = replace(second, exit=QUEUE, offered=usdc(0), opaque=True, liquidity=usdc(0), gas_withdraw=400_000)
    steps_ = begin(snapshot(0, first, second, GOOD), EASY)
    assert [step.leg.market_id for step in steps_] == [first.market.id, second.market.id]
    assert [step.cost for step in steps_] == pytest.approx([2 * COST, 4 * COST])
    years = EASY.horizon_days / 365
    whole = 10_000 * 0.08 + 20_000 * 0.07 - 10_000 * 0.02 * 7 / 365 / years - GAS
    assert [step.gain for step in steps_] == pytest.approx([whole / 2] * 2, rel=1e-6)
    assert begin(snapshot(0, GOOD), EASY) == [] == begin(snapshot(0, replace(first, exit=Exit()), GOOD), EASY)
    for closed in (replace(first, status=Status.PAUSED), replace(first, stuck="locked")):
        assert [s.leg.market_id for s in begin(snapshot(0, closed, second, GOOD), EASY)] == [second.market.id]
    again = replace(first, stuck="locked", again=True)
    assert len(begin(snapshot(0, again, second, GOOD), EASY)) == 2
    frozen = replace(first, status=Status.FROZEN)
    assert len(begin(snapshot(0, frozen, second, GOOD), EASY)) == 2, "what is there may leave"


def test_what_is_called_back_is_compared_with_what_it_would_earn_elsewhere() -> None:
    stays = held_there(0.30, QUEUE, leaving=outward(asked=4_000, cancels=True))
    (step,) = begin(snapshot(0, stays, GOOD), EASY)
    assert step.leg == Leg(LegKind.CANCEL, stays.market.id, usdc(4_000)) and step.cost == pytest.approx(2 * COST)
    assert step.gain == pytest.approx(10_000 * 0.20 + GAS, rel=1e-6)
    for gone in (
        outward(asked=4_000),
        outward(ready=4_000, cancels=True),
        outward(back=4_000, cancels=True),
    ):
        assert begin(snapshot(0, held_there(0.30, QUEUE, leaving=gone), GOOD), EASY) == []
    part = begin(snapshot(0, held_there(0.05, QUEUE, leaving=outward(asked=4_000, cancels=True)), GOOD), EASY)
    assert part == [], "of what is better off elsewhere nothing"


@pytest.mark.parametrize(
    ("more", "lost", "policy", "pays"),
    [
        (100.0, 0.0, EASY, True),
        (0.0, 0.0, EASY, False),
        (-1.0, 0.0, EASY, False),
        (100.0, 100.0 * 30 / 365, EASY, False),
        (100.0, 99.0 * 30 / 365, replace(EASY, max_gas_share_of_gain=1e9), False),
        (365.0, 0.0, replace(EASY, max_gas_share_of_gain=0.1), True),
        (364.9, 0.0, replace(EASY, max_gas_share_of_gain=0.1), False),
        (365.0, 0.0, replace(EASY, break_even_days=3.0), True),
        (365.0, 0.0, replace(EASY, break_even_days=2.999), False),
        (365.0, 2.0, replace(EASY, break_even_days=5.0), True),
        (365.0, 2.0, replace(EASY, break_even_days=4.999), False),
    ],
)
def test_steps_pay_together_or_are_not_made(more: float, lost: float, policy: Policy, pays: bool) -> None:
    """Two legs of 1 and 2 in gas; over 30 days."""
    legs_ = [Leg(LegKind.REQUEST, GOOD.market.id, usdc(1)), Leg(LegKind.CANCEL, GOOD.market.id, usdc(2))]
    found = _paying(legs_, [1.0, 2.0], more, lost, policy)
    assert bool(found) is pays
    if pays:
        gain = (more - lost / (policy.horizon_days / 365)) / 2
        assert [(s.leg, s.cost) for s in found] == [(legs_[0], 1.0), (legs_[1], 2.0)]
        assert [s.gain for s in found] == pytest.approx([gain, gain])
    assert _paying([], [], 100.0, 0.0, EASY) == []


def test_what_is_ready_is_collected_where_it_is_worth_its_gas() -> None:
    def found(policy: Policy = EASY, **parts: Any) -> list[ExitStep]:
        state = held_there(0.02, leaving=outward(ready=4, back=3, asked=2))
        return collect_steps(snapshot(0, replace(state, **parts), GOOD), policy)

    collect, cancel = found()
    where = held_there(0.02).market.id
    assert collect == ExitStep(Leg(LegKind.COLLECT, where, usdc(4)), per_year(snapshot(0, GOOD), usdc(4), EASY), COST)
    assert cancel == ExitStep(Leg(LegKind.CANCEL, where, usdc(3)), per_year(snapshot(0, GOOD), usdc(3), EASY), COST)
    assert per_year(snapshot(0, GOOD), usdc(4), EASY) == pytest.approx(4 * 365 / 30)
    assert [s.leg.kind for s in found(replace(EASY, max_gas_share_of_gain=0.15))] == [LegKind.COLLECT]
    assert found(replace(EASY, max_gas_share_of_gain=0.149)) == []
    assert found(leaving=None) == [] == found(stuck="locked") and len(found(stuck="locked", again=True)) == 2
    alone = found(leaving=outward(ready=4), held=usdc(4))
    assert [s.leg for s in alone] == [Leg(LegKind.COLLECT, where, usdc(4), all=True)]
    called = found(leaving=outward(back=4), held=usdc(4))
    assert [s.leg for s in called] == [Leg(LegKind.CANCEL, where, usdc(4))], "what is taken in again is not all of it"


def test_neither_what_is_ready_nor_a_move_waits_for_the_other_for_ever() -> None:
    """Moves may be due in each run for months, and a queue may pay a little in each."""
    policy = loose(horizon_days=30.0)
    state = held_there(0.02, leaving=outward(ready=10_000))

    def does(idle: float, *states: MarketState) -> list[LegKind]:
        return [leg.kind for leg in legs(decide(snapshot(idle, GOOD, *states), policy, JOB, NOW).outcome)]

    assert does(5_000, held_there(0.02)) == [LegKind.DEPOSIT]
    assert does(5_000, state) == [LegKind.COLLECT] and does(15_000, state) == [LegKind.DEPOSIT]
    poor = market("poor", ConstantCurve(0.01), held=50_000.0)
    assert does(0, poor) == [LegKind.WITHDRAW, LegKind.DEPOSIT] and does(0, state, poor) == [LegKind.COLLECT]
    stuck = replace(state, stuck="it reverts")
    assert does(5_000, stuck) == [LegKind.DEPOSIT], "what fails keeps nothing else"


def test_a_plan_of_steps_is_the_sum_of_them_and_waits_for_cheap_gas() -> None:
    view = snapshot(0, held_there(0.02, leaving=outward(ready=4, back=3)), GOOD)
    assessed = assess(view, EASY)
    allocation = allocate(view, assessed, EASY)

    def made(most: int | None = None, shown: Snapshot = view) -> Plan | None:
        return step_plan(shown, assessed, allocation, EASY, NOW, max_fee_wei=most)

    plan = made()
    assert plan is not None and plan.moves == () and plan.expires_at == NOW + EASY.plan_ttl_seconds
    assert plan.gain_per_year == pytest.approx(7 * 365 / 30) and plan.cost == pytest.approx(2 * COST)
    assert [leg.kind for leg in plan.legs] == [LegKind.COLLECT, LegKind.CANCEL] and plan.id
    assert made(10**9) == plan and made(10**9 - 1) is None
    tipped = replace(view, fees=replace(view.fees, priority_fee_wei=1))  # type: ignore[type-var]
    assert made(10**9, tipped) is None and made(10**9 + 1, tipped) is not None
    assert made(shown=snapshot(0, GOOD)) is None


@pytest.mark.parametrize(
    ("kind", "amount", "everything", "state", "said"),
    [
        (LegKind.REQUEST, 10_000, False, held_there(0.02), None),
        (LegKind.REQUEST, 10_001, False, held_there(0.02), "only 10,000 USDC are inside"),
        (LegKind.REQUEST, 10_001, True, held_there(0.02), None),
        (LegKind.REQUEST, 1, True, held_there(0.02, held=0.0), "only 0 USDC are inside"),
        (LegKind.REQUEST, 1, False, held_there(0.02, leaving=outward(1, 2, 3)), "6 USDC are on their way out already"),
        (LegKind.COLLECT, 1, False, held_there(0.02), "nothing is on its way out"),
        (LegKind.CANCEL, 1, False, held_there(0.02), "nothing is on its way out"),
        (LegKind.COLLECT, 4, False, held_there(0.02, leaving=outward(9, 4)), None),
        (LegKind.COLLECT, 5, False, held_there(0.02, leaving=outward(9, 4)), "only 4 USDC can be collected now"),
        (LegKind.CANCEL, 4, False, held_there(0.02, leaving=outward(9, 0, 4)), None),
        (LegKind.CANCEL, 4, False, held_there(0.02, leaving=outward(9, cancels=True)), None),
        (
            LegKind.CANCEL,
            4,
            False,
            held_there(0.02, leaving=outward(9, 4, 3)),
            "nothing of 4 USDC can be called back now",
        ),
    ],
)
def test_why_a_step_is_not_due_any_more(
    kind: LegKind, amount: float, everything: bool, state: MarketState, said: str | None
) -> None:
    leg = Leg(kind, state.market.id, usdc(amount), all=everything)
    assert step_refusal(snapshot(0, state), leg, state.market.asset) == said
