"""A market of a fixed rate in a decision: entered where the wait is allowed, weighed at its price, redeemed."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.market_builder import BLOCK, CHAIN, market, snapshot, usdc
from tests.kit.policies import loose
from tests.unit.protocols.test_pendle_rates import MARKET
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.exit_steps import collect_steps
from yieldbot.allocator.plan import make_plan
from yieldbot.allocator.share_terms import matured, with_terms
from yieldbot.backtest.carried import SimulatedHoldings
from yieldbot.backtest.paper import as_held
from yieldbot.math.curves import ConstantCurve
from yieldbot.math.pendle import YEAR
from yieldbot.math.pt_prices import PtPrices, fixed_term
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, ExitKind, MarketState, RateForecast, Status
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.risk.sight import sight_of_state

PT = Token(CHAIN, Address("0x" + "77" * 20), "PT-test", 6)
HALF_YEAR = YEAR // 2
HOURS = HALF_YEAR / 3600


def principal(shares: float = 0.0, *, expired: bool = False) -> MarketState:
    """About 6 % for half a year, in a pool of four million."""
    raw = usdc(shares).raw
    made = replace(MARKET, expiry=BLOCK.timestamp + (0 if expired else HALF_YEAR))
    prices = PtPrices(made, BLOCK.timestamp, made.index, raw)
    curve = ConstantCurve(0.0) if expired else fixed_term(prices, 10**6)
    held = Amount(usdc(1).token, prices.worth())
    return replace(
        market("pt", curve, protocol="pendle", status=Status.FROZEN if expired else Status.ACTIVE),
        held=held,
        shares=raw,
        share_token=PT,
        offered=held,
        exit=Exit(cash=usdc(9e8)) if expired else Exit(kind=ExitKind.MATURITY, seconds=HALF_YEAR, cash=usdc(9e8)),
        prices=prices,
    )


def planned(state: MarketState, other: float, wallet: float = 0.0, **policy: object) -> Plan | None:
    found = snapshot(wallet, state, market("plain", ConstantCurve(other)))
    settings = loose(**({"max_exit_hours": HOURS} | policy))  # type: ignore[arg-type]
    made = make_plan(found, allocate(found, assess(found, settings), settings), settings, 0)
    return made if isinstance(made, Plan) else None


def test_it_is_bought_where_the_wait_is_allowed_for_at_least_what_it_fixes() -> None:
    made = planned(principal(), 0.03, 1_000.0)
    assert made is not None
    (leg,) = made.legs
    assert (leg.kind, leg.market_id, leg.amount) == (LegKind.DEPOSIT, "pendle/1/pt", usdc(1_000))
    assert leg.gets is not None and leg.gets.token == PT and 1_027 < float(leg.gets) < 1_030
    assert made.gain_per_year > 0.0
    patient = planned(principal(), 0.03, 1_000.0, max_exit_hours=HOURS - 1)
    assert patient is not None and [leg.market_id for leg in patient.legs] == ["lend/1/plain"]


def test_a_purchase_never_pays_more_than_it_brings_in_the_end() -> None:
    """A market that is said to fix next to nothing: 10 bp less than computed would be a loss at the expiry."""
    state = principal()
    assert isinstance(state.prices, PtPrices)
    flat = replace(state.prices, market=replace(state.prices.market, last_ln_implied_rate=10**15, ln_fee_rate_root=0))
    leg = with_terms(replace(state, prices=flat), Leg(LegKind.DEPOSIT, state.market.id, usdc(1_000)))
    assert leg.gets == Amount(PT, usdc(1_000).raw) and usdc(1_000).raw < flat.bought(usdc(1_000).raw) < usdc(1_001).raw


def test_what_is_held_is_weighed_at_what_its_sale_brings() -> None:
    held = principal(50_000.0)
    assert planned(held, 0.06) is None, "it lost the fee and its price impact once, and would again"
    made = planned(held, 0.12)
    assert made is not None
    out, into = made.legs
    assert (out.kind, out.all, out.gives) == (LegKind.WITHDRAW, True, Amount(PT, held.shares))
    assert out.gets is not None and out.amount == held.held and 0.9989 < out.gets.raw / out.amount.raw < 0.9991
    assert into.kind is LegKind.DEPOSIT and into.gets is None


def test_a_part_gives_little_more_than_is_needed_for_it() -> None:
    held = principal(1_000.0)
    leg = with_terms(held, Leg(LegKind.WITHDRAW, held.market.id, usdc(100)))
    assert held.prices is not None and leg.gives is not None and leg.gets is not None
    needed = held.prices.needed(usdc(100).raw)
    assert held.prices.sold(needed) >= usdc(100).raw > held.prices.sold(needed - 2)
    assert needed <= leg.gives.raw <= needed + needed // 999 and leg.gets == usdc(99.9)


def test_what_has_expired_is_redeemed_though_nothing_pays_more() -> None:
    over = principal(1_000.0, expired=True)
    assert matured(over) and not matured(principal(1_000.0)) and not matured(principal(expired=True))
    (step,) = collect_steps(snapshot(0, over), loose())
    assert (step.leg.kind, step.leg.all, step.leg.amount) == (LegKind.WITHDRAW, True, over.held)
    assert step.leg.gives == Amount(PT, over.shares) and over.held.raw >= over.shares - 1
    dear = replace(over, gas_withdraw=10**9)
    assert collect_steps(snapshot(0, dear, gwei=100.0), loose(max_gas_share_of_gain=0.01)) == []


def test_no_forecast_moves_what_is_fixed_and_a_draining_pool_is_no_lack_of_cash() -> None:
    held = principal(1_000.0)
    seen = RateForecast(mean=0.5, low=0.4, high=0.6, days=30.0)
    assert sustainable_curve(replace(held, forecast=seen), loose()) is held.curve
    drained = replace(held, liquidity=usdc(1))
    assert sight_of_state(snapshot(0, drained), drained, ()).cash == 9e8, "what its redemption is paid from"


def test_a_paper_wallet_leaves_it_out() -> None:
    state = principal()
    assert state.market.id not in as_held(snapshot(77, state), SimulatedHoldings(idle={usdc(1).token: 5}), {}).states
