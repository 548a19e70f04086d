"""Limits that time sets: plans are made to fit inside them, and what is beyond them is refused whoever approved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import HOUR, JOB, NOW, SEEN, USDC, A, B, deposit, moved
from yieldbot.decision.decide import decide
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    AccountCleared,
    Observed,
    PlanMarked,
    PlanStatus,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, Leg, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.risk.limits import _Flow, _left, guard, limit_exceeded, stop_reason


def code(policy: Policy, records: list[Record], *legs: Leg) -> str | None:
    refused = limit_exceeded(policy, records, SEEN.block.chain, legs, NOW)
    return refused.code if refused else None


def planned(policy: Policy, records: list[Record], seen: Snapshot = SEEN) -> list[Leg]:
    """The legs of the plan that is made under the guard; none for a Hold."""
    made = decide(seen, policy, JOB, NOW, records=records).outcome
    return list(made.legs) if isinstance(made, Plan) else []


def test_without_limits_nothing_is_changed_or_refused() -> None:
    assert guard(loose(horizon_days=30.0), [], SEEN, USDC, NOW).policy == loose(horizon_days=30.0)
    assert code(loose(horizon_days=30.0), moved(1, A, 90_000, 1), deposit(100_000)) is None


@pytest.mark.parametrize(
    ("limit", "refused"),
    [
        ({"limit_move": "10000"}, "MOVE_LIMIT"),
        ({"limit_day": "14000"}, "DAY_LIMIT"),
        ({"limit_day_chain": "14000"}, "CHAIN_DAY_LIMIT"),
        ({"limit_day_market": "14000"}, "MARKET_DAY_LIMIT"),
    ],
)
def test_each_limit_refuses_one_unit_more_and_lets_what_is_left(limit: dict[str, str], refused: str) -> None:
    policy, records = loose(horizon_days=30.0, **limit), moved(1, A, 4_000, 23)
    assert code(policy, records, deposit(10_000)) is None
    over = replace(deposit(10_000), amount=replace(usdc(10_000), raw=usdc(10_000).raw + 1))
    assert code(policy, records, over) == refused
    assert code(policy, records, Leg(LegKind.WITHDRAW, A, usdc(50_000))) is None, "money may always leave"


def test_what_went_in_a_day_ago_or_did_not_happen_does_not_count() -> None:
    policy = loose(horizon_days=30.0, limit_day="10000")
    assert code(policy, moved(1, A, 9_000, 24.1), deposit(10_000)) is None
    assert code(policy, moved(1, A, 9_000, 1, "reverted"), deposit(10_000)) is None
    assert code(policy, moved(1, A, 9_000, 1, "open"), deposit(10_000)) == "DAY_LIMIT"
    assert code(policy, moved(1, A, -9_000, 1), deposit(10_000)) is None, "what came out makes no room and takes none"


def test_a_leg_of_the_same_plan_is_no_failure_that_closes_its_market() -> None:
    assert code(loose(horizon_days=30.0, cooldown_hours=12), [], deposit(1), deposit(1)) is None


def test_the_legs_of_a_plan_count_together() -> None:
    legs = (deposit(6_000), deposit(6_000, B))
    assert code(loose(horizon_days=30.0, limit_day="10000"), [], *legs) == "DAY_LIMIT"
    assert code(loose(horizon_days=30.0, limit_day_market="10000"), [], *legs) is None
    assert code(loose(horizon_days=30.0, limit_day_market="10000"), [], *legs, deposit(6_000)) == "MARKET_DAY_LIMIT"


@pytest.mark.parametrize(
    "policy",
    [
        loose(horizon_days=30.0, limit_move="7000"),
        loose(horizon_days=30.0, limit_day_market="9000"),
        loose(horizon_days=30.0, limit_day="9000"),
        loose(horizon_days=30.0, limit_day_chain="9000", limit_move="500"),
        loose(horizon_days=30.0, limit_day="4000"),
        loose(horizon_days=30.0, limit_day_market="4000"),
    ],
)
def test_a_plan_is_made_to_fit_inside_the_limits(policy: Policy) -> None:
    records = moved(1, A, 4_000, 2)
    legs = planned(policy, records)
    assert code(policy, records, *legs) is None
    if "4000" not in (policy.limit_day, policy.limit_day_market):
        assert any(leg.kind is LegKind.DEPOSIT for leg in legs), "what is left of the limit is used"


def test_a_limit_is_kept_to_the_last_unit_of_long_amounts() -> None:
    """What went in has 30 digits: Decimal's own arithmetic keeps 28."""
    token = replace(USDC, decimals=18)
    raw = 123_456_789_012 * 10**18 + 987_654_321_098_765_432
    flow = _Flow(NOW, SEEN.block.chain, A, token, raw, False)
    assert _left("123456789013", [flow], NOW, token) == 10**18 - 987_654_321_098_765_432


def test_a_market_that_was_left_or_failed_gets_no_new_money_for_a_while() -> None:
    policy = loose(horizon_days=30.0, cooldown_hours=12)
    for records in (moved(1, A, -1_000, 2), moved(1, A, 1_000, 2, "reverted")):
        assert {leg.market_id for leg in planned(policy, records) if leg.kind is LegKind.DEPOSIT} == {B}
        assert code(policy, records, deposit(1)) == "COOLDOWN" and code(policy, records, deposit(1, B)) is None
    assert not planned(policy, moved(1, A, -1_000, 11)), (
        "an hour in the next best market would not pay the gas, in and out"
    )
    assert code(policy, moved(1, A, -1_000, 13), deposit(1)) is None


@pytest.mark.parametrize(
    ("policy", "records", "said"),
    [
        (loose(horizon_days=30.0, limit_day="10000"), moved(1, A, 10_000, 1), "policy.limit_day leaves 0 USDC now"),
        (
            loose(horizon_days=30.0, limit_day_chain="10000"),
            moved(1, B, 10_000, 1),
            "policy.limit_day_chain leaves 0 USDC now",
        ),
        (
            loose(horizon_days=30.0, limit_move="10000", min_move="20000"),
            [],
            "policy.limit_move leaves 10,000 USDC now",
        ),
        (
            loose(horizon_days=30.0, cooldown_hours=12, exclude=(B,)),
            moved(1, A, -1_000, 2),
            "it was withdrawn from 2.0 h ago",
        ),
    ],
)
def test_a_hold_that_a_limit_makes_names_it(policy: Policy, records: list[Record], said: str) -> None:
    held = decide(SEEN, policy, JOB, NOW, records=records).outcome
    assert isinstance(held, Hold) and said in held.reason and held.allocation is not None
    enough = decide(
        SEEN, loose(horizon_days=30.0, min_move="1000000"), JOB, NOW, records=moved(1, A, 10_000, 1)
    ).outcome
    assert isinstance(enough, Hold) and "policy." not in enough.reason


def test_what_a_trial_takes_out_again_is_neither_new_money_nor_the_end_of_a_stay() -> None:
    trial = (deposit(100), Leg(LegKind.WITHDRAW, A, usdc(50)), deposit(9_950))
    policy = loose(horizon_days=30.0, limit_day="10000", limit_day_market="10000", cooldown_hours=12)
    assert code(policy, [], *trial) is None
    assert code(policy, [], *trial, deposit(1)) == "DAY_LIMIT"
    done = moved(1, A, 100, 0.1) + moved(2, A, -50, 0.05)
    assert code(policy, done, trial[-1]) is None
    assert code(policy, [*done, *moved(3, A, 9_950, 0.01)], deposit(1)) == "DAY_LIMIT"
    assert code(policy, moved(2, A, -50, 0.05), deposit(1)) == "COOLDOWN", "what was there before has left"


def test_failures_stop_everything_until_their_window_has_passed() -> None:
    failed = [Record(n, NOW - n * HOUR, PlanMarked(f"p{n}", PlanStatus.FAILED, "execution")) for n in (3, 2, 1)]
    policy = loose(horizon_days=30.0, max_failures=3, failure_window_hours=4)
    found = guard(policy, failed, SEEN, USDC, NOW)
    assert found.reason is not None and "3 plans failed within 4 h" in found.reason
    assert code(policy, failed, deposit(1)) == "TOO_MANY_FAILURES"
    told = stop_reason(policy, failed, SEEN, NOW)
    assert told is not None and (told.code, told.reason) == ("TOO_MANY_FAILURES", found.reason)
    assert guard(replace(policy, failure_window_hours=3), failed, SEEN, USDC, NOW).reason is None


def seen_before(held: float, seq: int = 1) -> Record:
    holdings = {B: RecordedHolding(held_raw=usdc(held).raw, apr=0.1, horizon_seconds=86_400.0)}
    return Record(seq, NOW - HOUR, Observed(SEEN.block.chain, SEEN.owner, SEEN.block, holdings=holdings))


def test_a_loss_beyond_the_limit_stops_until_a_person_has_cleared_it() -> None:
    policy = loose(horizon_days=30.0, stop_at_loss_bps=50)
    assert guard(policy, [seen_before(5_025)], SEEN, USDC, NOW).reason is None
    found = guard(policy, [seen_before(5_026)], SEEN, USDC, NOW)
    assert found.reason is not None and "down 51.7 bp: 5,000 USDC is left of 5,026 USDC" in found.reason
    cleared = Record(2, NOW, AccountCleared(SEEN.block.chain, SEEN.owner, "a person"))
    assert guard(policy, [seen_before(5_026), cleared], SEEN, USDC, NOW).reason is None
    again = [seen_before(5_026), cleared, seen_before(5_100, seq=3)]
    assert guard(policy, again, SEEN, USDC, NOW).reason


def test_our_own_withdrawal_is_no_loss() -> None:
    policy = loose(horizon_days=30.0, stop_at_loss_bps=50)
    records = [seen_before(9_000, seq=0), *moved(1, B, -4_000, 0.5)]
    assert guard(policy, records, SEEN, USDC, NOW).reason is None


NONE_LEFT = "{} leaves nothing now: {} USDC of {} USDC used in 24 hours, {} USDC free again at 2027-01-16 07:00 UTC"
DAY, BY_MARKET, MOVE = "policy.limit_day", "policy.limit_day_market", "policy.limit_move"
LESS = "earns less than the others"


@pytest.mark.parametrize(
    ("policy", "records", "vetoed", "in_a", "in_b"),
    [
        (
            loose(horizon_days=30.0, limit_day="10000"),
            moved(1, A, 10_000, 1),
            {A},
            NONE_LEFT.format(DAY, *["10,000"] * 3),
            LESS,
        ),
        (
            loose(horizon_days=30.0, limit_day_market="9000"),
            moved(1, A, 9_000, 1),
            {A},
            NONE_LEFT.format(BY_MARKET, *["9,000"] * 3),
            BY_MARKET,
        ),
        (
            loose(horizon_days=30.0, limit_move="9000"),
            [],
            set(),
            MOVE,
            "kept: more is not worth its gas, in and out, until later plans",
        ),
        (
            loose(horizon_days=30.0, limit_move="8500", limit_day_market="9000"),
            moved(1, A, 1_000, 1),
            set(),
            f"{BY_MARKET}: 1,000 USDC of 9,000 USDC used in 24 hours, 1,000 USDC free again at 2027-01-16 07:00 UTC",
            MOVE,
        ),
        (
            loose(horizon_days=30.0, limit_day="0", exclude=(A,)),
            [],
            {A, B},
            "excluded by policy",
            f"{DAY} leaves nothing now",
        ),
        (
            loose(horizon_days=30.0, max_share_market=0.05, limit_move="9000"),
            [],
            set(),
            "policy's share of a market",
            None,
        ),
        (
            loose(horizon_days=30.0, cooldown_hours=12),
            moved(1, A, -1_000, 2),
            {A},
            "it was withdrawn from 2.0 h ago (policy.cooldown_hours)",
            None,
        ),
    ],
)
def test_a_market_that_a_limit_closes_or_bounds_says_which(
    policy: Policy, records: list[Record], vetoed: set[MarketId], in_a: str, in_b: str | None
) -> None:
    made = decide(SEEN, policy, JOB, NOW, records=records)
    vetoes = {one.market_id: one.vetoes for one in made.assessments if one.vetoes}
    reasons = {one.market_id: one.binding.split("; ")[0] for one in made.allocation.reasons}
    assert vetoes == {market_id: (reasons[market_id],) for market_id in vetoed}
    assert reasons[A] == in_a and in_b in (reasons[B], None), reasons


@pytest.mark.parametrize(("ago", "left"), [(86_399, 60), (86_400, 100), (86_401, 100), (0, 60)])
def test_a_day_is_the_last_24_hours_to_the_second(ago: int, left: int) -> None:
    market_id, token = MarketId("a/1/x"), usdc(1).token
    flow = _Flow(NOW - ago, token.chain, market_id, token, usdc(40).raw, failed=False)
    assert _left("100", [flow], NOW, token) == usdc(left).raw and _left(None, [flow], NOW, token) is None
    out = replace(flow, raw=-flow.raw)
    assert _left("100", [out], NOW, token) == usdc(100).raw, "what comes out is no room for more"
    back = replace(out, back=True)
    assert _left("100", [replace(flow, at=NOW), back], NOW, token) == usdc(60 if ago >= 86_400 else 100).raw
    assert _left("100", [replace(flow, raw=usdc(140).raw, at=NOW)], NOW, token) == 0
