"""A market is not left for the rate that its own utilisation spike would pay on what stays there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.market_builder import CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess, net_income
from yieldbot.allocator.market_curve import curve_of
from yieldbot.allocator.plan import make_plan
from yieldbot.app.yields import apy_after
from yieldbot.history.holdings import recorded_holdings
from yieldbot.history.recorded import record
from yieldbot.journal.store import Journal
from yieldbot.math.curves import (
    AdaptiveCurve,
    ConstantCurve,
    DilutedCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
    VaultSlot,
)
from yieldbot.math.slots import SlotCurve
from yieldbot.math.sustainable import CappedCurve, capped, capped_vault, holding_at, kink
from yieldbot.model.amounts import Apy
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

NOW = 1_800_000_000
H = 30 * 86_400.0
HELD, CASH = 143_000.0, 64_000.0
OTHERS = 657_000.0
LENT = OTHERS + HELD - CASH
"""92 % used, so that a withdrawal of ``CASH`` leaves nothing."""

STEEP = ((0.0, 0.0), (0.9, 0.06), (1.0, 3.0))
# MetaMorpho as on the sandbox: the market at 92 % is full and drained first, the other takes what comes.
VAULT = LookThroughCurve(
    others=1e6,
    ours=HELD,
    fee=0.1,
    slots=(
        VaultSlot(AdaptiveCurve(500_000.0, 736_000.0, 0.0, 0.04), 300_000.0, 0.0, CASH),
        VaultSlot(AdaptiveCurve(3e6, 3_266_000.0, 0.0, 0.04), 843_000.0, 1e9, 577_000.0),
    ),
    withdraw_order=(0, 1),
)
CURVES = (
    VAULT,
    AdaptiveCurve(OTHERS, LENT, 0.0, 0.04),
    KinkedCurve(OTHERS, LENT, STEEP, 0.9),
    KinkedCurve(OTHERS, LENT, STEEP, 0.9, 1_000.0),
    SupplyKinkedCurve(OTHERS, LENT, STEEP),
    SlotCurve(OTHERS, LENT, STEEP, 0.9, 0.4, True),
    SlotCurve(OTHERS, LENT, STEEP, 0.9, 0.4, False),
)


def two(curve: YieldCurve, other: float) -> Snapshot:
    """Our money in the market of ``curve``, of which its cash can come out, and a place that pays ``other``."""
    here = market("here", curve, held=HELD, liquidity=CASH, borrowed=920_000.0)
    return snapshot(0.0, here, market("there", ConstantCurve(other)))


def decide(seen: Snapshot, policy: Policy) -> Plan | Hold:
    return make_plan(seen, allocate(seen, assess(seen, policy), policy), policy, NOW)


def lasting(curve: YieldCurve) -> float:
    """What counts of the rate now, at 92 % used: that at the kink, at 90 %."""
    found = curve_of(two(curve, 0.0).markets[0], loose(horizon_days=30.0)).apr(HELD, H)
    assert 0.01 < found < curve.apr(HELD, H)
    return found


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: type(curve).__name__)
def test_no_cash_leaves_for_a_lower_rate(curve: YieldCurve) -> None:
    """What stays was to earn hundreds of percent a year, once our own withdrawal had taken the last of the cash."""
    now = lasting(curve)
    assert (HELD - CASH) * curve.apr(HELD - CASH, H) > HELD * curve.apr(
        HELD, H
    )  # what the market's own curve promises for it
    decided = decide(two(curve, now - 0.005), loose(horizon_days=30.0))
    assert isinstance(decided, Hold), [leg.amount for leg in decided.legs]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: type(curve).__name__)
def test_cash_leaves_for_a_higher_rate_and_that_alone_is_its_gain(curve: YieldCurve) -> None:
    now = lasting(curve)
    seen = two(curve, now + 0.10)
    decided = decide(seen, loose(horizon_days=30.0))
    assert isinstance(decided, Plan)
    assert {leg.kind for leg in decided.legs} == {LegKind.WITHDRAW, LegKind.DEPOSIT}
    most = CASH * (now + 0.10)
    assert 0.0 < decided.gain_per_year < most
    # The plan's gain, what still_holds counts and the certificate are of one curve.
    here, there = seen.markets
    left = float(decided.allocation.targets[here.market.id])
    gained = net_income(here, left, loose(horizon_days=30.0)) - net_income(here, HELD, loose(horizon_days=30.0))
    gained += net_income(there, float(decided.allocation.targets[there.market.id]), loose(horizon_days=30.0))
    assert decided.gain_per_year == pytest.approx(gained)
    assert decided.allocation.certificate.gap_bps < 0.1
    # And so is what is shown, said and written down of what stays.
    shown = apy_after(here, decided.allocation.targets[here.market.id], H, loose(horizon_days=30.0)).value
    assert shown == pytest.approx(
        Apy.from_growth(curve_of(here, loose(horizon_days=30.0)).apr(left, H) * H / SECONDS_PER_YEAR, H).value
    )
    assert shown < Apy.from_growth(here.curve.apr(left, H) * H / SECONDS_PER_YEAR, H).value, "not the spike's rate"
    reason = decided.moves[0].reason
    assert f"of the {usdc(left)} that stay in here 0 USDC could be taken out at once" in reason


def test_what_is_expected_of_the_rest_is_what_the_plan_counted(tmp_path: Path) -> None:
    """The node names the spike's rate for it, which is written down for none of our own making."""
    before = two(AdaptiveCurve(OTHERS, LENT, 0.0, 0.04), 0.2)
    here = before.markets[0]
    left = replace(here, held=usdc(HELD - CASH), liquidity=usdc(0))
    after = replace(before, states={**before.states, here.market.id: left})
    with Journal.open(tmp_path / "journal.db") as journal:
        expected = []
        for known in (before, None):
            record(journal, after, loose(horizon_days=30.0), USDC, known)
            expected.append(recorded_holdings(journal.history(), CHAIN, OWNER, USDC)[here.market.id].apr)
    assert expected[0] == lasting(here.curve) < 0.05
    assert expected[1] == here.curve.apr(HELD - CASH, H) > 1.0


def test_a_withdrawal_that_leaves_the_market_below_its_kink_still_counts() -> None:
    """Two equal pools, all of our money in one: half of it in each is better, for what stays earns more too."""
    seen = snapshot(0.0, market("a", kinked(1e6, 9e5), held=500_000.0), market("b", kinked(1e6, 9e5)))
    plan = decide(seen, loose(horizon_days=30.0))
    assert isinstance(plan, Plan)
    a, b = (float(plan.allocation.targets[s.market.id]) for s in seen.markets)
    assert a == pytest.approx(b, rel=0.02)


@pytest.mark.parametrize("utilisation", [0.5, 0.75, 0.98, 1.0])
def test_from_the_kink_or_the_utilisation_to_enter_at_on_it_is_a_line(utilisation: float) -> None:
    curve = KinkedCurve(500_000.0, 600_000.0, STEEP, 0.9)  # 60 % used with our 500,000 in it
    state = market("here", curve, held=500_000.0, borrowed=600_000.0)
    found = curve_of(state, loose(horizon_days=30.0, max_utilisation_entry=utilisation))
    least = min(500_000.0, 600_000.0 / min(utilisation, 0.9) - 500_000.0)
    assert isinstance(found, CappedCurve) and found.cap_end == pytest.approx(least)
    for part in (0.0, 0.3, 0.999):
        assert found.apr(part * least, H) == curve.apr(least, H)
    for part in (1.001, 2.0, 10.0):
        assert found.apr(part * least, H) == curve.apr(part * least, H)


def test_where_no_withdrawal_of_ours_leads_there_the_curve_is_the_markets_own() -> None:
    calm = KinkedCurve(1e6, 5e5, STEEP, 0.9)
    for state in (
        market("nothing held", KinkedCurve(1e6, 8.9e5, STEEP, 0.9), borrowed=8.9e5),
        market("half used by others", calm, held=1_000.0, borrowed=5e5),
        market("nobody borrows", DilutedCurve(1e6, 5e4), held=1_000.0),
        market("all repaid", ConstantCurve(0.0), held=1_000.0, borrowed=0.0),
    ):
        assert curve_of(state, loose(horizon_days=30.0)) is state.curve


def test_a_curve_that_names_no_borrowers_is_bounded_by_the_markets_figures() -> None:
    """Of a supply of 1,000,000 that is 95 % lent out, 98 % is reached when some 30,600 are gone."""
    curve = SampledCurve(((0.0, 2.0), (400_000.0, 0.03)))
    state = market("here", curve, held=300_000.0, borrowed=950_000.0)
    found = curve_of(state, loose(horizon_days=30.0))
    assert isinstance(found, CappedCurve)
    assert found.cap_end == pytest.approx(300_000.0 - (1e6 - 950_000.0 / 0.98))


@pytest.mark.parametrize(
    ("points", "at"),
    [
        (STEEP, 0.9),
        (((0.0, 0.0), (0.8, 0.04), (1.0, 0.10)), 0.8),  # six times as steep
        (((0.0, 0.01), (0.45, 0.035), (0.8, 0.05), (1.0, 0.8)), 0.8),  # between collinear points there is none
        (((0.0, 0.0), (0.5, 0.0), (1.0, 0.1)), 0.5),
        (((0.0, 0.02), (1.0, 0.10)), 1.0),
        ((), 1.0),
    ],
)
def test_the_kink_is_where_a_rate_turns_steep(points: tuple[tuple[float, float], ...], at: float) -> None:
    assert kink(points) == at


POOL = 1e6
"""What others lend in the pools of which nothing is ours yet, 97 % used."""
SPIKING = (
    AdaptiveCurve(POOL, 0.97 * POOL, 0.1, 0.04),
    KinkedCurve(POOL, 0.97 * POOL, STEEP, 0.9),
    KinkedCurve(POOL, 0.97 * POOL, STEEP, 0.9, 1_000.0),
    KinkedCurve(POOL, 0.97 * POOL, ((0.0, 0.0), (0.5, 0.03), (0.9, 0.054), (1.0, 3.0)), 0.9),
    SupplyKinkedCurve(POOL, 0.97 * POOL, STEEP),
    SlotCurve(POOL, 0.97 * POOL, STEEP, 0.9, 0.4, True, fees=500.0),
    SlotCurve(POOL, 0.97 * POOL, STEEP, 0.9, 0.4, False, 0.01),
    LookThroughCurve(POOL, 0.0, 0.1, (VaultSlot(AdaptiveCurve(POOL, 1.94 * POOL, 0.0, 0.04), POOL, 1e9, 3e4),), (0,)),
)


@pytest.mark.parametrize("curve", SPIKING, ids=lambda curve: type(curve).__name__)
def test_a_spike_above_the_kink_is_no_reason_to_enter(curve: YieldCurve) -> None:
    """A deposit of 10,000 was to earn the spike's rate for a month; what counts is the rate at the kink, which is
    what it would be had the deposit ended the spike."""
    state = market("here", curve, borrowed=0.97 * POOL)
    counted = curve_of(state, loose(horizon_days=30.0))
    ended = 5e6  # far below the kink, where the curve is the market's own again
    assert counted.apr(ended, H) == curve.apr(ended, H)
    at_kink = max(counted.apr(x, H) for x in (0.0, 1.0, 10_000.0, 50_000.0))
    assert 0.01 < at_kink < 0.07 < curve.apr(10_000.0, H)
    seen = snapshot(10_000.0, state, market("there", ConstantCurve(at_kink + 0.005)))
    decided = decide(seen, loose(horizon_days=30.0))
    assert isinstance(decided, Plan) and {leg.market_id for leg in decided.legs} == {"lend/1/there"}
    seen = snapshot(10_000.0, state, market("there", ConstantCurve(at_kink - 0.005)))
    decided = decide(seen, loose(horizon_days=30.0))
    assert isinstance(decided, Plan) and {leg.market_id for leg in decided.legs} == {"lend/1/here"}
    assert decided.gain_per_year == pytest.approx(10_000.0 * at_kink, rel=0.02)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: type(curve).__name__)
def test_what_we_left_is_not_entered_again_for_the_spike_that_our_leaving_made(curve: YieldCurve) -> None:
    """Leaving takes the cash; with nobody else acting, the next plans hold."""
    seen = two(curve, lasting(curve) + 0.01)
    plan = decide(seen, loose(horizon_days=30.0))
    assert isinstance(plan, Plan)
    here, there = (replace(s, held=plan.allocation.targets[s.market.id]) for s in seen.markets)
    if isinstance(curve, LookThroughCurve):
        first = curve.slots[0]
        taken = replace(first, held=first.held - CASH, liquidity=0.0)
        after: YieldCurve = replace(curve, ours=float(here.held), slots=(taken, *curve.slots[1:]))
    else:
        after = curve
    here = replace(here, curve=after, liquidity=usdc(0), supplied=here.supplied - usdc(CASH))
    again = replace(seen, states={**seen.states, here.market.id: here, there.market.id: there})
    assert after.apr(float(here.held), H) > lasting(curve) + 0.02  # the spike's
    assert isinstance(decide(again, loose(horizon_days=30.0)), Hold)


BENT = KinkedCurve(500_000.0, 600_000.0, STEEP, 0.9)


def test_below_the_least_income_is_a_line_and_from_it_on_the_markets_own() -> None:
    least = 300_000.0
    curve = CappedCurve(BENT, least)
    flat = BENT.apr(least, H)
    for x in (0.0, least - 1.0):
        assert (curve.apr(x, H), curve.marginal(x, H)) == (flat, flat)
    for x in (least, least + 1.0, 9e5):
        assert (curve.apr(x, H), curve.marginal(x, H)) == (BENT.apr(x, H), BENT.marginal(x, H))
        assert curve.marginal(x, H) < curve.apr(x, H)
    assert curve.cap_rate(H) == flat and curve.others == 500_000.0
    assert curve.breakpoints() == tuple(sorted({*BENT.breakpoints(), least}))
    rising = SampledCurve(((0.0, 0.0), (400_000.0, 40_000.0), (800_000.0, 50_000.0)))
    kept = CappedCurve(rising, least)
    assert kept.others == 0.0
    for x in (1.0, 100_000.0):
        assert kept.apr(x, H) == min(rising.apr(x, H), rising.apr(least, H))
        same = rising.apr(x, H) < rising.apr(least, H)
        assert kept.marginal(x, H) == (rising.marginal(x, H) if same else rising.apr(least, H))
    bump = SampledCurve(((0.0, 0.05), (100.0, 0.1), (200.0, 0.2), (300.0, 0.1)))
    assert bump.apr(100.0, H) == bump.apr(300.0, H) < bump.marginal(100.0, H)
    assert CappedCurve(bump, 300.0).marginal(100.0, H) == 0.1, "on the line, not above it"


def test_a_least_of_nothing_changes_nothing() -> None:
    for held, full in ((5.0, 0.0), (0.0, 5.0), (5.0, -1.0), (0.0, 0.0)):
        assert capped(BENT, held, full) is BENT
    assert capped(BENT, 5.0, 7.0) == CappedCurve(BENT, 5.0) == capped(BENT, 7.0, 5.0)


def test_a_vault_in_a_vault_is_looked_through() -> None:
    inner, outer = capped_vault(VAULT, 0.98), replace(VAULT, slots=(replace(VAULT.slots[0], curve=VAULT),))
    full, calm = (slot.curve for slot in VAULT.slots)
    assert inner.slots[0].curve == CappedCurve(full, holding_at(full, 1.0)), "used beyond its kink already"
    assert inner.slots[1].curve == CappedCurve(calm, min(843_000.0, holding_at(calm, 0.98)))
    assert [slot.held for slot in inner.slots] == [slot.held for slot in VAULT.slots]
    assert capped_vault(outer, 0.98).slots[0].curve == inner


def test_the_holding_at_which_a_pool_is_full() -> None:
    assert holding_at(BENT, 0.98) == pytest.approx(600_000.0 / 0.9 - 500_000.0)
    assert holding_at(BENT, 0.5) == 700_000.0
    slots = SlotCurve(500_000.0, 600_000.0, STEEP, 0.9, 0.4, True, fees=1_000.0)
    assert holding_at(slots, 0.5) == 699_000.0, "what the pool holds for its owner is lent out with the rest"
    assert holding_at(BENT, 0.0) == float("inf") and holding_at(ConstantCurve(0.1), 0.5) == float("-inf")
    assert holding_at(replace(BENT, borrowed=0.0), 0.5) == float("-inf")
    assert holding_at(AdaptiveCurve(500_000.0, 600_000.0, 0.0, 0.04), 0.98) == pytest.approx(
        600_000.0 / 0.9 - 500_000.0
    )
