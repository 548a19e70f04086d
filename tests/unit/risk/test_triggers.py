"""Each trigger fires at the look that shows its sign, at the threshold that is documented, and at nothing less."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.market_builder import CHAIN, kinked, market, snapshot
from tests.kit.market_builder import USDC as USDC_TOKEN
from yieldbot.model.alarm_limits import CODES, AlarmLimits
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Exchange, Pool, Price
from yieldbot.model.ids import Address
from yieldbot.model.risk import Act
from yieldbot.risk.lookout import HOME, Lookout
from yieldbot.risk.pool_prices import with_traded
from yieldbot.risk.sight import Sight, Subject, prices_of

HOUR, DAY, START = 3600, 86_400, 1_700_000_000
USDC = ("eip155:8453", "aave_v3/8453/usdc")
SUBJECT = Subject(protocol="aave_v3", asset="USDC", pegged=True, through=("aave_v3",))
CALM = Sight(
    time=0, rate=0.04, utilisation=0.8, supplied=1e8, cash=2e7, index=1.0, bad_debt=0.0, prices=(1.0, 1.0),
    token_supply=1e10,
)  # fmt: skip
LIMITS = AlarmLimits()


def at(hour: float, **changes: Any) -> Sight:
    """A calm look at an hour, but for what is changed; interest is paid."""
    time = START + round(hour * HOUR)
    grown = 1.0 + 0.04 * (time - START) / (365 * DAY)
    return replace(CALM, **{"time": time, "index": grown} | changes)


def alarms(*looks: Sight, limits: AlarmLimits = LIMITS, subject: Subject = SUBJECT) -> set[tuple[str, str]]:
    """What stands after the last of these looks and eight calm days before the first, (code, act)."""
    lookout = Lookout(limits, {USDC: subject})
    for hour in range(-192, 0):
        assert not lookout.see({USDC: at(hour)})[USDC], "a calm week raises nothing"
    found: set[tuple[str, str]] = set()
    for one in looks:
        found = {(code, str(act)) for code, act in lookout.see({USDC: one}, chain=True)[USDC]}
    return found


LEAVE, STOP = "leave", "stop"


@pytest.mark.parametrize(
    ("code", "act", "below", "above"),
    [
        ("UTILISATION", LEAVE, {"utilisation": 0.9499, "cash": 1.5e7}, {"utilisation": 0.95, "cash": 1.5e7}),
        ("CASH_FALLING", LEAVE, {"utilisation": 0.899, "cash": 1e7}, {"utilisation": 0.90, "cash": 1e7}),
        ("CASH_FALLING", LEAVE, {"utilisation": 0.90, "cash": 1.01e7}, {"utilisation": 0.90, "cash": 1e7}),
        ("CASH_THIN", LEAVE, {"held": 1e6, "cash": 1e6}, {"held": 1e6, "cash": 0.999e6}),
        ("PEG", STOP, {"prices": (1.0, 0.9951)}, {"prices": (1.0, 0.9949)}),
        ("PEG", STOP, {"prices": (1.0049, 1.0)}, {"prices": (1.0051, 1.0)}),
        ("SHARE_PRICE_DOWN", STOP, {"index": 1.0}, {"index": 0.9999}),
        ("SHARE_PRICE_DOWN", LEAVE, {"index": 0.9992}, {"index": 0.9989}),
        ("SHARE_PRICE_UP", STOP, {"index": 1.0019}, {"index": 1.0021}),
        ("SHARE_PRICE_UP", LEAVE, {"index": 1.009}, {"index": 1.011}),
        ("SUPPLY_JUMP", LEAVE, {"token_supply": 1.49e10}, {"token_supply": 1.5e10}),
        ("TVL_FALL", LEAVE, {"supplied": 5.01e7}, {"supplied": 5e7}),
        ("BAD_DEBT", STOP, {"bad_debt": 0.0024}, {"bad_debt": 0.0025}),
        ("BAD_DEBT", LEAVE, {"bad_debt": 0.0099}, {"bad_debt": 0.01}),
        ("SPIKE", STOP, {"rate": 0.0899}, {"rate": 0.0901}),
        ("MISSING", STOP, {"rate": None}, {"utilisation": None}),
        ("MISSING", STOP, {"supplied": None}, {"prices": ()}),
    ],
)
def test_a_sign_is_found_at_its_threshold_and_in_one_look(
    code: str, act: str, below: dict[str, Any], above: dict[str, Any]
) -> None:
    before = {"index": 1.0}  # of the hour before, so that the index alone is what moves
    assert (code, act) not in alarms(at(0, **before), at(1, **before | below))
    assert (code, act) in alarms(at(0, **before), at(1, **before | above))


def test_a_peg_must_be_off_for_an_hour_by_two_sources_before_money_leaves() -> None:
    low, one, up = {"prices": (0.989, 0.989)}, {"prices": (1.0, 0.98)}, {"prices": (1.02, 1.02)}
    assert ("PEG", LEAVE) not in alarms(at(0, **low))
    assert ("PEG", LEAVE) not in alarms(at(0, **low), at(0.5, **low))
    assert ("PEG", LEAVE) in alarms(at(0, **low), at(0.5, **low), at(1, **low))
    assert ("PEG", LEAVE) not in alarms(at(0, **low), at(0.5), at(1, **low)), "it was back in between"
    kept = {"prices": (0.989,)}  # one source alone said something: two of now must agree, and all that did then
    assert ("PEG", LEAVE) in alarms(at(0, **kept), at(1, **low))
    assert ("PEG", LEAVE) not in alarms(at(0, prices=(1.0,)), at(1, **low))
    assert ("PEG", LEAVE) not in alarms(at(0, **kept), at(1, **kept))
    assert alarms(at(0, **one), at(1, **one)) == {("PEG", STOP)}, "one source is noise"
    assert alarms(at(0, **up), at(1, **up)) == {("PEG", STOP)}, "who holds it loses nothing above the peg"
    feed = {"prices": (0.989,)}
    assert ("PEG", LEAVE) in alarms(at(0, **low), at(0.5, **feed), at(1, **low)), "a source that is silent ends nothing"
    assert ("PEG", LEAVE) not in alarms(at(0, **low), at(0.5, prices=(0.999,)), at(1, **low)), "one that is back does"
    alone = replace(LIMITS, peg_sources=1)
    assert ("PEG", LEAVE) in alarms(at(0, **one), at(1, **one), limits=alone)
    euro = replace(SUBJECT, pegged=False)
    assert not alarms(at(0, **low), at(1, **low), subject=euro)


def test_a_collateral_that_is_minted_is_a_jump_too_and_what_cannot_be_read_stops() -> None:
    usr, eth = "0xUSR", "0xETH"

    def look(hour: float, **raw: float | None) -> Sight:
        return at(hour, backing=((usr, raw["usr"]), (eth, raw.get("eth", 5e24))))

    def stands(*looks: Sight) -> set[tuple[str, str]]:
        lookout = Lookout(LIMITS, {USDC: SUBJECT})
        return [{(code, str(act)) for code, act in lookout.see({USDC: one}, chain=True)[USDC]} for one in looks][-1]

    assert not stands(look(0, usr=1e26), look(1, usr=1.49e26))
    assert stands(look(0, usr=1e26), look(1, usr=1.78e26)) == {("SUPPLY_JUMP", LEAVE)}
    assert stands(look(0, usr=1e26), look(12, usr=1.3e26), look(20, usr=1.6e26)) == {("SUPPLY_JUMP", LEAVE)}, (
        "in parts, each below the threshold, within a day"
    )
    assert not stands(*(look(40 * n, usr=1e26 * 1.3**n) for n in range(4))), "what grows slowly is no jump"
    assert stands(look(0, usr=1e26), look(1, usr=None)) == {("MISSING", STOP)}
    assert stands(look(0, usr=1e26), look(1, usr=None), look(2, usr=2e26)) == {("SUPPLY_JUMP", LEAVE)}, (
        "a look that failed hides nothing"
    )
    assert not stands(look(0, usr=None), look(1, usr=2e26)) and not stands(look(0, usr=0.0), look(1, usr=2e26))
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    lookout.see({USDC: look(0, usr=1e26, eth=1e24)})
    lookout.see({USDC: look(72, usr=1.6e26, eth=2e24)}, chain=True)
    (alarm,) = lookout.alarms(USDC, START + 72 * HOUR)
    assert alarm.saw == "the supply of its collateral 0xETH grew by 100% in 72.0 h", "the largest, after a long pause"
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    lookout.see({USDC: look(0, usr=1e26)})
    assert not lookout.see({USDC: look(24 * 8, usr=2e26)}, chain=True)[USDC], "memory reaches back a week"


def test_cash_that_fell_in_less_than_a_day_fell_within_one() -> None:
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    lookout.see({USDC: at(0, utilisation=0.85, cash=1.5e7)})
    found = lookout.see({USDC: at(2, utilisation=0.93, cash=7e6)})[USDC]
    assert [code for code, _ in found] == ["CASH_FALLING"]


def test_what_was_a_day_ago_counts_not_what_was_higher_in_between() -> None:
    """Somebody's money that passes through for an hour is no fall."""
    high = [at(hour, cash=1e6, utilisation=0.9) for hour in range(24)]
    assert not alarms(*high, at(24, cash=9e5, utilisation=0.91)) - {("CASH_FALLING", LEAVE)}
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    for hour in range(26):
        found = lookout.see({USDC: at(hour, cash=5e6 if hour == 20 else 1e6, utilisation=0.9)})[USDC]
    assert not found


def test_our_own_exit_is_no_fall_of_what_others_supply() -> None:
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    lookout.see({USDC: at(0, supplied=1e8, held=6e7, cash=9e7)})
    assert not lookout.see({USDC: at(1, supplied=4e7, held=0.0, cash=3e7)})[USDC]
    assert lookout.see({USDC: at(2, supplied=1.9e7, held=0.0, cash=1e7)})[USDC]


def test_a_collateral_that_is_locked_warns_those_it_backs() -> None:
    weth, abroad = ("eip155:8453", "aave_v3/8453/weth"), (HOME, "aave_v3/1/weth")
    other, far = ("eip155:8453", "spark/8453/weth"), ("eip155:10", "aave_v3/10/weth")
    subjects = {
        USDC: SUBJECT,
        weth: Subject(protocol="aave_v3", asset="WETH", pegged=False, through=("aave_v3",)),
        abroad: Subject(protocol="aave_v3", asset="WETH", pegged=False, through=("aave_v3",)),
        other: Subject(protocol="spark", asset="WETH", pegged=False, through=("spark",)),
        far: Subject(protocol="aave_v3", asset="WETH", pegged=False, through=("aave_v3",)),
    }
    for name, warned in ((weth, True), (abroad, True), (other, False), (far, False)):
        lookout = Lookout(LIMITS, subjects)
        assert not lookout.see({USDC: at(0), name: at(0, utilisation=0.989, prices=())})[USDC]
        found = lookout.see({USDC: at(1), name: at(1, utilisation=0.99, prices=())})
        assert [code for code, _ in found[USDC]] == (["COLLATERAL_LOCKED"] if warned else []), name
        assert "COLLATERAL_LOCKED" not in {code for code, _ in found[name]}, "it is no collateral of itself"
    isolated = replace(SUBJECT, protocol="morpho_blue", through=())
    lookout = Lookout(LIMITS, {**subjects, USDC: isolated})
    assert not lookout.see({USDC: at(1), weth: at(1, utilisation=1.0)})[USDC]


def test_a_quote_far_above_the_other_markets_gets_no_new_money() -> None:
    names = [("eip155:1", f"m{place}") for place in range(7)]
    subjects = {name: Subject(protocol=f"p{name[1]}", asset="USDC", pegged=True) for name in names}

    def codes(rates: list[float]) -> list[list[str]]:
        chosen = dict(zip(names, rates, strict=False))
        found = Lookout(LIMITS, subjects).see({name: at(0, rate=rate) for name, rate in chosen.items()})
        return [[code for code, _ in found[name]] for name in chosen]

    calm = [0.03, 0.04, 0.04, 0.04, 0.05]
    assert codes([*calm, 0.121]) == [[]] * 5 + [["SPIKE"]]
    assert codes([*calm, 0.119]) == [[]] * 6
    assert codes([*calm, 0.04, 0.02]) == [[]] * 7
    assert codes([0.04, 0.04, 0.04, 0.05, 0.5]) == [[]] * 5, "four others say nothing"
    assert codes([0.001] * 5 + [0.05]) == [[]] * 6, "less than five percentage points is nothing"


def test_switches() -> None:
    high = {"utilisation": 0.97, "cash": 3e6}
    assert alarms(at(0, **high)) == {("UTILISATION", LEAVE), ("CASH_FALLING", LEAVE)}
    assert alarms(at(0, **high), limits=replace(LIMITS, off=("UTILISATION",))) == {("CASH_FALLING", LEAVE)}
    assert alarms(at(0, **high), limits=replace(LIMITS, stop_only=("UTILISATION", "CASH_FALLING"))) == {
        ("UTILISATION", STOP),
        ("CASH_FALLING", STOP),
    }
    own = replace(SUBJECT, off=("UTILISATION", "CASH_FALLING"))
    assert not alarms(at(0, **high), subject=own)


def test_a_recording_lacks_what_it_lacks() -> None:
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    lookout.see({USDC: at(0)})
    assert not lookout.see({USDC: at(1, utilisation=None, cash=None, prices=())})[USDC]
    assert {act for _, act in lookout.see({USDC: at(2, utilisation=None, cash=None)}, chain=True)[USDC]} == {Act.STOP}


def test_a_second_source_of_a_price_is_a_pools_mean_against_a_dollar_that_is_one() -> None:
    dai, weth = (Token(CHAIN, Address(f"0x{at:040x}"), name, 18) for at, name in ((1, "DAI"), (2, "WETH")))

    def prices(usdc: float, other: Token, usd: float, mean: float) -> tuple[float, ...]:
        feeds = {USDC_TOKEN: Price(usdc, 1), other: Price(usd, 1)}
        pool = Pool("p", "pool", Address("0x" + "11" * 20), USDC_TOKEN, other)
        pegs = with_traded({USDC_TOKEN: Price(usdc, 1)}, Exchange((), feeds, ((pool, mean),)))
        return prices_of(replace(snapshot(1), pegs=pegs), USDC_TOKEN)

    assert prices(1.0, dai, 1.001, 0.98) == pytest.approx((1.0, 0.98098))
    assert prices(1.0, weth, 2000.0, 1 / 2040) == pytest.approx((1.0, 0.980392))
    assert prices(1.0, dai, 0.985, 1.0) == (1.0,), "it is the other one that fell"


def test_the_price_that_memory_keeps_of_an_only_asset_is_seen_live_too() -> None:
    from yieldbot.history.observed import readings_of

    seen = replace(snapshot(1, market("a", kinked(1e6, 8e5))), exchange=None, pegs={}, asset_usd=150.0)
    (kept,) = readings_of(seen, "observed", {})
    assert kept.price_usd == 150.0 and prices_of(seen, USDC_TOKEN) == (150.0,)
    assert prices_of(replace(seen, asset_usd=None), USDC_TOKEN) == ()


NUMBERS = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 1.0, 0.95, -1.0, math.inf, math.nan, 1e300, 1e-300]), st.floats(-2.0, 2e9)
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 20 * DAY), *[NUMBERS] * 7, st.booleans()), max_size=12))
def test_whatever_a_market_answers_is_judged(rows: list[tuple[Any, ...]]) -> None:
    """Contracts answer anything, and clocks jump back: nothing raises, and what stands is of a known code."""
    lookout = Lookout(LIMITS, {USDC: SUBJECT})
    for seconds, rate, use, supplied, cash, index, debt, price, active in rows:
        sight = Sight(
            time=START + seconds, rate=rate, utilisation=use, supplied=supplied, cash=cash, held=cash or 0.0,
            index=index, bad_debt=debt, prices=() if price is None else (price, 1.0), token_supply=supplied,
            active=active,
        )  # fmt: skip
        found = lookout.see({USDC: sight}, chain=True)[USDC]
        assert {code for code, _ in found} <= set(CODES)
        assert all(one.since <= one.last for one in found.values())
        lookout.alarms(USDC, sight.time)
