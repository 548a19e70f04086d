"""Markets that are left in two steps: what is asked for, collected and called back, and when that pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.allocator.market_builder import BLOCK, market, snapshot, usdc
from tests.unit.test_protections import JOB
from yieldbot.allocator.assess import assess
from yieldbot.app.cycle import decide, still_holds
from yieldbot.chains.exits import steps
from yieldbot.chains.leg_limits import shares_for
from yieldbot.cli import documents
from yieldbot.cli.render import leaving
from yieldbot.journal.events import ExitAsked, ExitEnded, decode, encode
from yieldbot.journal.fold import Record, fold_leaving
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState, Snapshot
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
    return Leaving(asked=usdc(asked), ready=usdc(ready), back=usdc(back), **parts)


def planned(state: MarketState, policy: Policy = Policy(), gwei: float = 1.0) -> Plan | Hold:  # noqa: B008
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
    near = Policy(break_even_days=1e9, max_gas_share_of_gain=1.0)
    long = replace(WEEK, seconds=100 * 86_400)
    assert isinstance(planned(held_there(0.099, long, 1e6), near), Hold)
    assert legs(planned(held_there(0.099, QUEUE, 1e6), near))
    plan = planned(held_there(0.02, WEEK, 1e6), near)
    assert isinstance(plan, Plan)
    years = near.horizon_days / 365
    assert plan.gain_per_year == pytest.approx(0.08e6 - 0.02e6 * 7 / 365 / years, rel=1e-3)
    assert plan.cost == pytest.approx(2 * 200_000 * 1e-9 * 3000)
    assert isinstance(planned(held_there(0.02), Policy(break_even_days=0.5)), Hold), "0.38 are lost in a day of a week"


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
    vetoes = {one.market_id: one.vetoes for one in assess(snapshot(1000, state), Policy())}[state.market.id]
    assert vetoes == ("10 USDC of ours are on their way out",)


def test_a_step_that_is_not_due_any_more_is_not_made() -> None:
    state = held_there(0.02)
    view = snapshot(0, state, GOOD)
    plan = decide(view, Policy(), JOB, NOW).outcome
    assert isinstance(plan, Plan) and still_holds(plan, 0, view, Policy(), JOB) is None

    def refused(found: Plan, now: MarketState, **parts: Any) -> str | None:
        why = still_holds(found, 0, snapshot(0, now, GOOD, **parts), Policy(), JOB)
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
    unread = Snapshot(BLOCK, asked.owner, {}, (), snapshot(0).fees, 0)
    assert steps([Record(1, NOW, asked)], unread) == [], "a market that cannot be read has not ended anything"


def test_what_is_shown() -> None:
    assert leaving(usdc(5), usdc(0), usdc(0), NOW).startswith("5 USDC in exit until 2023-11-14")
    assert leaving(usdc(5), usdc(1), usdc(0), None) == (
        "5 USDC in exit until somebody serves the request, 1 USDC to be collected"
    )
    assert documents.leaving(held_there(0.02)) is None
    doc = documents.leaving(held_there(0.02, leaving=outward(asked=5, until=NOW, cancels=True)))
    assert doc is not None and (doc["asked"]["text"], doc["until"], doc["cancels"]) == ("5.000000", NOW, True)
