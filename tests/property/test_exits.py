"""Whatever else is so: the first plan takes all that can be had out of where an alarm says leave, and puts nothing
in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.market_builder import snapshot
from tests.kit.risk.protections import JOB, NOW
from tests.property.test_allocator import states
from yieldbot.allocator.exits import gas_cost
from yieldbot.decision.decide import decide
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AccountStopped, PlanMarked, PlanStatus
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act, Alarm

alarms = st.lists(
    st.builds(
        Alarm,
        code=st.sampled_from(["TVL_FALL", "PEG", "BAD_DEBT"]),
        act=st.sampled_from([Act.LEAVE, Act.LEAVE, Act.STOP]),
        saw=st.just("seen"),
        since=st.integers(NOW - 10**6, NOW),
    ),
    max_size=2,
).map(tuple)


@st.composite
def alarmed(draw: st.DrawFn) -> MarketState:
    return replace(
        draw(states()),
        alarms=draw(alarms),
        status=draw(st.sampled_from([Status.ACTIVE, Status.ACTIVE, Status.FROZEN, Status.PAUSED])),
        stuck=draw(st.sampled_from(["", "", "it reverts"])),
    )


@st.composite
def views(draw: st.DrawFn) -> Snapshot:
    return snapshot(draw(st.sampled_from([0.0, 40_000.0])), *draw(st.lists(alarmed(), min_size=1, max_size=4)))


STOPPED = [
    Record(1, NOW, AccountStopped(JOB.chain.chain, JOB.wallet.address, "a loss")),
    Record(2, NOW, PlanMarked("p", PlanStatus.FAILED, "execution")),
]
policies = st.builds(
    Policy,
    max_failures=st.sampled_from([None, 1]),
    stop_at_loss_bps=st.sampled_from([None, 1.0]),
    idle_buffer=st.just("0"),
)


def due(seen: Snapshot) -> dict[str, int]:
    """What each market that is to be left would pay, where that is worth its gas."""
    wanted = [s for s in seen.markets if s.leave and float(s.withdrawable) > gas_cost(seen, s)]
    return {s.market.id: s.withdrawable.raw for s in wanted}


@settings(max_examples=draws(60, 600), deadline=None)
@given(views(), policies, st.booleans())
def test_danger_goes_first_and_no_money_enters_where_an_alarm_stands(
    seen: Snapshot, policy: Policy, stopped: bool
) -> None:
    made = decide(seen, policy, JOB, NOW, records=STOPPED if stopped else ()).outcome
    wanted = due(seen)
    if not wanted:
        assert not (isinstance(made, Plan) and made.why)
    else:
        assert isinstance(made, Plan) and made.is_exit and len(made.why) == len(wanted)
        assert {leg.market_id: leg.amount.raw for leg in made.legs} == wanted
        assert all(
            (leg.kind, leg.all) == (LegKind.WITHDRAW, leg.amount == seen.of(leg.market_id).held) for leg in made.legs
        )
    if isinstance(made, Plan):
        into = {leg.market_id for leg in made.legs if leg.kind is LegKind.DEPOSIT}
        assert not any(seen.of(market_id).alarms for market_id in into)
