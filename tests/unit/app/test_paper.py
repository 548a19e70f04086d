"""A paper wallet's ledger from step to step, what it remembers, and its gap to others, part by part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.app.paper_records import records_of
from yieldbot.app.paper_sides import Gap, Side, paper_side, real_side
from yieldbot.app.paper_state import BY, FILE, PaperState, Real, existing, folder_of, read, states, written
from yieldbot.app.paper_step import Begins, decided, first, grown
from yieldbot.backtest.carried import Asked, SimulatedHoldings
from yieldbot.backtest.paper import as_held
from yieldbot.decision.decide import decide
from yieldbot.errors import ConfigError, InvariantError
from yieldbot.history.holdings import unread, unseen_money
from yieldbot.journal.fold import Record, StoredPlan
from yieldbot.journal.journal_entries import Observed, PlanMarked, PlanStatus, TxSettled, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Exit, ExitKind, Quarantined, Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import ChainSettings, Job, Wallet
from yieldbot.model.tx import Confirmed, Delta

DAY = 86_400
YEAR = 365 * DAY
CURVE = kinked(1e6, 8e5)
JOB = Job(
    wallet=Wallet(name="w", address=OWNER),
    chain=ChainSettings(
        name="base", chain=CHAIN, rpc_env="", rpc_urls=(), multicall3=OWNER, native_symbol="ETH", native_feed=None,
        feeds={}, tokens={"USDC": USDC}, deployments=(), max_fee_gwei=1e9,
    ),
    asset=USDC,
)  # fmt: skip
ONE = MarketId("lend/1/one")


def at(day: float, growth: float = 1e-4, held: float = 0.0, idle: float = 0.0) -> Snapshot:
    """The chain so many days later, its market's index grown each day."""
    block = replace(BLOCK, height=BLOCK.height + round(day * 10), timestamp=BLOCK.timestamp + round(day * DAY))
    one = market("one", CURVE, borrowed=8e5, liquidity=2e5, held=held)
    one = replace(one, index=(1 + growth) ** day, block=block)
    return replace(snapshot(idle, one, gwei=0.01), block=block)


def stepped(before: PaperState | None, real: Snapshot, policy: Policy | None = None) -> tuple[PaperState, Plan | Hold]:
    policy = policy or loose()
    begins = Begins(wealth="10000", amount=usdc(10_000))
    now = first(begins, JOB, str(OWNER), real) if before is None else grown(before, real, {})
    seen = as_held(real, now.holdings, now.rewards, now.visited)
    own = records_of((), before, real.block, OWNER, policy)
    outcome = decide(seen, policy, JOB, real.block.timestamp, records=own).outcome
    return decided(now, seen, real, outcome, policy, "held").state, outcome


def test_the_ledger_adds_up_from_step_to_step() -> None:
    state, plan = stepped(None, at(0))
    assert isinstance(plan, Plan) and state.holdings.held == {ONE: usdc(10_000).raw} and state.idle == 0.0
    for day in (1, 2, 2.5, 4):
        state, held = stepped(state, at(day))
        assert isinstance(held, Hold) and state.did == "held"
    sums = state.totals
    ratio = CURVE.apr(10_000, DAY) / CURVE.apr(0, DAY)
    assert sums.earned == pytest.approx(10_000 * ((1.0001**4) ** ratio - 1), abs=1e-4) and sums.by_quotes == 0.0
    assert state.value == pytest.approx(10_000 + sums.earned - sums.gas, abs=1e-9) and sums.gas > 0.0
    assert sums.invested == sums.wealth == pytest.approx(10_000 * 4 * DAY, rel=1e-3)
    assert sums.expected == pytest.approx(10_000 * CURVE.apr(10_000, DAY) * 4 / 365, rel=1e-3)
    assert (sums.plans, sums.steps, sums.failed) == (1, 5, 0)
    assert state.positions[ONE].since == BLOCK.timestamp and state.positions[ONE].since_raw == usdc(10_000).raw


def test_a_market_that_cannot_be_read_earns_when_it_is_there_again_and_holds_all_plans() -> None:
    state, _ = stepped(None, at(0))
    gone = at(1)
    bad = (Quarantined(gone.of(ONE).market, "it answers nonsense"),)
    gone = replace(gone, states={key: one for key, one in gone.states.items() if key != ONE}, quarantined=bad)
    now = grown(state, gone, {})
    assert now.totals.earned == 0.0 and now.invested == 10_000.0 == state.invested
    own = records_of((), state, gone.block, OWNER, loose())
    lost = unread(own, gone, USDC, loose())
    assert "10,000 USDC in one" in (unseen_money(lost) or "")
    after = decided(now, as_held(gone, now.holdings, {}), gone, Hold("", None), loose(), "held").state
    assert after.positions == state.positions and after.names == state.names
    again, _ = stepped(after, at(2))
    whole, _ = stepped(state, at(2))
    assert again.holdings == whole.holdings and again.totals.earned == whole.totals.earned > 0.0


def test_limits_over_time_count_the_paper_wallets_own_moves() -> None:
    policy = loose(limit_day="4000", enter_horizon_days=3650)
    state, plan = stepped(None, at(0), policy)
    assert isinstance(plan, Plan) and state.holdings.held == {ONE: usdc(4_000).raw}
    past = [StoredPlan(plan, (), PlanStatus.EXECUTED, BY, "", BLOCK.timestamp)]
    soon, later = BLOCK.timestamp + 3600, BLOCK.timestamp + 2 * DAY
    real = at(0.1)
    now = grown(state, real, {})
    seen = as_held(real, now.holdings, {})
    own = records_of(past, state, real.block, OWNER, policy)
    assert isinstance(decide(seen, policy, JOB, soon, records=own).outcome, Hold)
    assert isinstance(decide(seen, policy, JOB, later, records=own).outcome, Plan)


def test_a_loss_stops_it_as_it_stops_a_run() -> None:
    policy = loose(stop_at_loss_bps=50)
    state, _ = stepped(None, at(0), policy)
    _, outcome = stepped(state, at(1, growth=-0.01), policy)
    assert isinstance(outcome, Hold) and "is down" in outcome.reason


def test_a_two_step_exit_is_requested_waits_and_is_collected() -> None:
    """The market pays less than another one from the second day on; its exit takes two days."""
    policy = loose(max_exit_hours=100, exclude=())
    slow_id = MarketId("lend/1/slow")

    def seen_at(day: float) -> Snapshot:
        real = at(day)
        rate = 0.2 if day < 1 else 0.0
        slow = market("slow", kinked(1e6, 8e5, low=rate), borrowed=8e5, liquidity=2e5)
        door = Exit(kind=ExitKind.COOLDOWN, seconds=2 * DAY)
        slow = replace(slow, index=1.0, block=real.block, exit=door, offered=Amount(USDC, 0))
        return replace(real, states=dict(real.states) | {slow_id: slow})

    state, plan = stepped(None, seen_at(0), policy)
    assert isinstance(plan, Plan) and set(state.holdings.held) == {slow_id}
    kinds = []
    for day in (1, 2, 3.5, 4):
        real = seen_at(day)
        now = grown(state, real, {})
        seen = as_held(real, now.holdings, now.rewards, now.visited)
        assert seen.of(slow_id).withdrawable.raw == 0, "such a market pays nothing at once"
        outcome = decide(seen, policy, JOB, real.block.timestamp).outcome
        state = decided(now, seen, real, outcome, policy, "held").state
        kinds.append([leg.kind for leg in outcome.legs] if isinstance(outcome, Plan) else [])
    assert kinds == [[LegKind.REQUEST], [], [LegKind.COLLECT], [LegKind.DEPOSIT]]
    assert set(state.holdings.held) == {ONE} and state.holdings.asked == {}
    assert state.in_markets == {ONE: state.holdings.held[ONE]} and state.totals.plans == 4


def test_what_is_remembered_is_what_was_there(tmp_path: Path) -> None:
    state, _ = stepped(None, at(0))
    state = replace(
        state,
        holdings=replace(state.holdings, asked={MarketId("lend/1/slow"): Asked(5, None)}),
        rewards={MarketId("claim/x"): 10**30},
        real=Real(idle=1.5, held={ONE: 7}, asset_of={ONE: USDC.address}),
    )
    assert read(written(state), str(CHAIN)) == state
    folder = folder_of(tmp_path, "bold-2")
    with Journal.open(folder / FILE) as journal:
        for one in (state, replace(state, height=9)):
            journal.append(Observed(CHAIN, OWNER, BLOCK, paper=written(one)))
        assert states(journal, journal.history()) == [state, replace(state, height=9)]
        journal.append(Observed(CHAIN, OWNER, BLOCK, paper={"schema": 1}))
        with pytest.raises(InvariantError, match=r"row 3 cannot be read .*move its folder away"):
            states(journal, journal.history())
    assert existing(tmp_path) == ("bold-2",) and existing(tmp_path / "none") == ()
    newer = written(state) | {"schema": 2}
    with pytest.raises(ValueError, match="its schema is 2"):
        read(newer, str(CHAIN))
    for name in ("", "Up", "../x", "a" * 33):
        with pytest.raises(ConfigError, match="--name"):
            folder_of(tmp_path, name)


sides = st.builds(
    Side,
    seconds=st.just(1e6), wealth=st.floats(1e3, 1e9), invested=st.floats(0.0, 1e9), earned=st.floats(-10, 1e3),
    expected=st.none(), costs=st.floats(-1, 1e2), other=st.floats(-1e2, 1e2), moves=st.just(1), failed=st.just(0),
)  # fmt: skip


@given(sides, sides)
def test_the_parts_of_a_gap_add_up(one: Side, less: Side) -> None:
    if one.invested < 1.0 or less.invested < 1.0:
        return
    gap = Gap.between(one, less)
    parts = gap.rates + gap.timing + gap.costs + gap.other
    assert parts == pytest.approx(gap.whole, rel=1e-6, abs=1e-6 * max(abs(gap.rates), abs(gap.timing), 1.0))


def test_reality_is_what_the_steps_saw_and_the_transactions_moved() -> None:
    """4,000 lie in a market; half a day later 2,000 more go in; it pays 1 and then 3."""
    state, _ = stepped(None, at(0, held=4_000, idle=2_000))
    later, _ = stepped(state, at(1, held=6_001, idle=0))
    last, _ = stepped(later, at(2, held=6_004, idle=0))
    block = replace(BLOCK, timestamp=BLOCK.timestamp + DAY // 2)
    sent = TxSigned(
        chain=CHAIN, owner=OWNER, plan_id="p", leg=0, market_id=ONE, hash="0x1", raw=b"", nonce=0, gas=1, max_fee_wei=1,
        priority_fee_wei=0, words="", expires_at=0, simulated_at=BLOCK, predicted=(Delta(USDC, -usdc(2_000).raw),),
    )  # fmt: skip
    done = Confirmed("0x1", block, 1, 1, (Delta(USDC, -usdc(2_000).raw),), fee_raw=10**15)
    marks = [PlanMarked("p", PlanStatus.EXECUTED, "x"), PlanMarked("q", PlanStatus.REJECTED, "x")]
    entries = [sent, TxSettled(CHAIN, OWNER, done), *marks]
    found = real_side((state, later, last), [Record(n, 500, one) for n, one in enumerate(entries, 1)], 0, 1000)
    assert found is not None and found.earned == pytest.approx(4.0) and found.costs == pytest.approx(3.0)
    assert found.invested == pytest.approx(4_000 * DAY + 2_000 * DAY / 2 + 6_001 * DAY)
    assert found.wealth == pytest.approx(6_000 * DAY + 6_001 * DAY) and (found.moves, found.failed) == (1, 1)
    assert found.where == {ONE: found.invested}
    assert real_side((replace(state, real=Real()), replace(last, real=Real())), [], 0, 1) is None
    assert paper_side((state, later, last)).where[ONE] == pytest.approx(10_000 * 2 * DAY, rel=1e-3)


def test_reality_s_market_that_could_not_be_read_is_no_loss() -> None:
    state, _ = stepped(None, at(0, held=4_000))
    blind = replace(stepped(state, at(1, held=4_001))[0], real=Real(idle=0.0))
    last, _ = stepped(blind, at(2, held=4_002))
    found = real_side((state, blind, last), [], 0, 1)
    assert found is not None and found.earned == pytest.approx(2.0)


def test_holdings_of_nothing_have_no_rate() -> None:
    nothing = Side(
        seconds=0.0, wealth=0.0, invested=0.0, earned=0.0, expected=0.0, costs=0.0, other=0.0, moves=0, failed=0
    )
    assert (nothing.net, nothing.rate, nothing.share, nothing.expected_rate) == (0.0, 0.0, 0.0, None)
    assert SimulatedHoldings().held == {}
