"""Grades of safety: from components to a number, its bounds, and what is expected to be lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from tests.kit.market_builder import CHAIN, kinked, market, usdc
from yieldbot.model.controls import NO_ONE, ContractFacts, Controller, ControllerKind, Controls, Part, Power, Role
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, ExitKind, MarketState, Status
from yieldbot.model.risk import Act, Alarm
from yieldbot.risk.facts import Around, Facts, MarketStatistics
from yieldbot.risk.grade import grade
from yieldbot.risk.loss import base_rate, incidents
from yieldbot.risk.scales import read, scales, score

POOL = Address("0x" + "ab" * 20)
OLD = 1_000 * 86_400
GOOD = MarketStatistics(
    days=900.0, worst_day=0.6, week_mean=0.04, month_mean=0.04, month_deviation=0.004, long_mean=0.04,
    long_deviation=0.003, weeks=12, most_utilisation=0.85,
)  # fmt: skip


def around(**changes: object) -> Around:
    return Around(**{"size": 100_000.0, "peers_rate": 0.04, "usd": 1.0, "pegged": True} | changes)  # type: ignore[arg-type]


def controls(upgrade: Controller = NO_ONE, owner: Controller = NO_ONE, age: int = OLD) -> Controls:
    born = state().block.timestamp - age
    one = ContractFacts(address=POOL, part=Part.POOL, name="Pool", upgrade_by=upgrade, owner=owner, created_at=born)
    return Controls(market=state().market.id, contracts=(one,))


def state(**changes: object) -> MarketState:
    made = replace(market("a", kinked(1e8, 5e7), liquidity=5e7, borrowed=5e7), supplied=usdc(1e8))
    priced = replace(made.market, params={"oracle": POOL, "feeds": (POOL,)})
    return replace(made, **{"market": priced} | changes)  # type: ignore[arg-type]


SAFE = Controller(kind=ControllerKind.SAFE, threshold=4, owners=(POOL,) * 7)
LOCK = Controller(kind=ControllerKind.TIMELOCK, delay_seconds=7 * 86_400, behind=SAFE)
KEY = Controller(kind=ControllerKind.EOA, address=POOL)
SOUND = Facts(around=around(), statistics=GOOD, controls=controls(LOCK, LOCK))


def side(facts: Facts, name: str, of: MarketState | None = None) -> float:
    return next(one.score for one in grade(of or state(), facts).components if one.name == name)


def test_one_key_with_an_upgrading_role_bounds_the_grade_as_a_proxys_admin_does() -> None:
    known = controls(LOCK, LOCK)
    (one,) = known.contracts
    roles = tuple(Role(name="R", power=power, holders=(KEY,)) for power in (Power.UPGRADE, Power.PAUSE))
    for role, bound in zip(roles, (True, False), strict=True):
        found = grade(state(), replace(SOUND, controls=replace(known, contracts=(replace(one, roles=(role,)),))))
        assert (found.safety <= 40) is bound


def test_scales_are_lines_between_points() -> None:
    scale = [[0, 0], [10, 50], [20, 100]]
    assert [score(scale, x) for x in (-5, 0, 5, 10, 15, 20, 99)] == [0, 0, 25, 50, 75, 100, 100]
    assert sum(one.weight for one in scales().sides.values()) == pytest.approx(1.0)
    assert all(one.why and one.factor >= 1.0 for one in scales().sides.values())
    with pytest.raises(ValueError, match=r"add up to 0\.9"):
        read('[components.a]\nweight = 0.9\nfactor = 1\nwhy = "x"')


def test_base_rates_are_of_incidents_over_exposure() -> None:
    """(197 + 1.6) million, half of which was given back, over 40.22 billion dollar-years: 24.7 bp."""
    found = base_rate("lending")
    assert (found.incidents, found.billion_years) == (2, pytest.approx(40.22))
    assert found.bps == pytest.approx((197e6 + 1.6e6) * 0.5 / 40.22e9 * 1e4)
    exact = [float(gamma.ppf(part, 2.5)) / 2 for part in (0.1, 0.9)]
    assert found.low_bps / found.bps == pytest.approx(exact[0], rel=0.02)
    assert found.high_bps / found.bps == pytest.approx(exact[1], rel=0.02)
    unknown = base_rate("vault")
    assert unknown.borrowed == "lending" and unknown.bps == found.high_bps
    assert all(one.source and one.protocols and one.lost_usd > 0 for one in incidents())
    assert [one.date for one in incidents()] == sorted(one.date for one in incidents())


def test_what_is_sound_is_graded_high_and_nothing_known_is_graded_low() -> None:
    sound, blind = grade(state(), SOUND), grade(state(), Facts(around=around()))
    assert sound.safety >= 65 > blind.safety and sound.letter < blind.letter
    assert {"who can change its contracts", "30 days of rates", "largest depositor"} <= set(blind.missing)
    assert base_rate("lending").bps <= sound.loss_bps < blind.loss_bps <= 8 * base_rate("lending").bps
    assert sound.loss_low_bps < sound.loss_bps < sound.loss_high_bps
    assert all(one.evidence or one.missing for one in (*sound.components, *blind.components))


def test_one_key_that_can_change_the_code_bounds_the_grade() -> None:
    found = grade(state(), replace(SOUND, controls=controls(KEY, LOCK)))
    assert found.safety <= 40 and "Pool can be exchanged by one key 0xabab…abab: at most 40" in found.limits
    late = Controller(kind=ControllerKind.TIMELOCK, delay_seconds=2 * 86_400, behind=KEY)
    assert not any("exchanged" in line for line in grade(state(), replace(SOUND, controls=controls(late))).limits)
    order = [side(replace(SOUND, controls=controls(who, who)), "contract") for who in (KEY, late, SAFE, LOCK, NO_ONE)]
    assert order[0] < min(order[1:3]) and max(order[1:3]) < order[3] < order[4] == 100.0


def test_young_contracts_are_graded_lower() -> None:
    ages = [side(replace(SOUND, controls=controls(NO_ONE, NO_ONE, age * 86_400)), "contract") for age in (1, 60, 900)]
    assert ages == sorted(ages) and ages[0] < ages[-1]
    known = controls(NO_ONE, NO_ONE, 900 * 86_400)
    (one,) = known.contracts
    seen = replace(known, contracts=(replace(one, created_at=None, there_since=one.created_at),))
    graded = next(c for c in grade(state(), replace(SOUND, controls=seen)).components if c.name == "contract")
    assert graded.score == ages[-1] and any("at least 900 days" in what for what in graded.missing)
    blank = replace(known, contracts=(one, replace(one, created_at=None)))
    assert side(replace(SOUND, controls=blank), "contract") < ages[0], "an age that is not known is none"


def test_cash_against_our_size_counts() -> None:
    by_size = [side(replace(SOUND, around=around(size=size)), "exit_liquidity") for size in (1e4, 1e6, 1e7, 1e8)]
    assert by_size == sorted(by_size, reverse=True) and by_size[0] > 95 and by_size[-1] < 15
    full = state(borrowed=usdc(99_500_000), liquidity=usdc(500_000))
    assert side(SOUND, "exit_liquidity", full) == 0.0
    slow = state(exit=Exit(kind=ExitKind.COOLDOWN, seconds=7 * 86_400))
    assert side(SOUND, "exit_liquidity", slow) == 50.0
    assert side(SOUND, "exit_liquidity", state(exit=Exit(kind=ExitKind.REQUEST, seconds=None))) == 20.0


@pytest.mark.parametrize(
    ("changes", "most", "words"),
    [
        ({"no_way_out": "redeem reverts"}, 5, "no way out: redeem reverts"),
        ({"stuck": "withdraw reverts"}, 5, "no way out: withdraw reverts"),
        ({"status": Status.PAUSED}, 10, "it is paused"),
        ({"status": Status.FROZEN}, 30, "it is frozen"),
        ({"doubts": ("totalAssets says 5, its markets 3",)}, 20, "contradict each other"),
        ({"opaque": True}, 40, "neither its investments nor its cash"),
        ({"alarms": (Alarm(code="PEG", act=Act.LEAVE, saw="0.9", since=1),)}, 15, "alarm PEG: 0.9"),
        ({"alarms": (Alarm(code="SPIKE", act=Act.STOP, saw="9 %", since=1),)}, 35, "alarm SPIKE: 9 %"),
    ],
)
def test_hard_facts_bound_the_grade(changes: dict[str, object], most: int, words: str) -> None:
    found = grade(state(**changes), SOUND)
    assert found.safety <= most < grade(state(), SOUND).safety
    assert any(words in line and line.endswith(f"at most {most}") for line in found.limits)


def test_a_peg_that_is_off_bounds_it_and_an_unknown_price_is_named() -> None:
    assert grade(state(), replace(SOUND, around=around(usd=0.985))).safety <= 20
    off = [side(replace(SOUND, around=around(usd=usd)), "asset") for usd in (1.0, 1.004, 0.995, 0.99, 0.98)]
    assert off == sorted(off, reverse=True) and off[0] == 70.0 and off[-1] == 0.0
    by_pools = [side(replace(SOUND, around=replace(around(), traded_usd=usd)), "asset") for usd in (1.001, 0.99)]
    assert by_pools == pytest.approx([70.0, 30.0]), "the worse of two sources counts"
    assert "a second source of its price (its pools)" in grade(state(), SOUND).missing
    assert "price of a pegged asset" in grade(state(), replace(SOUND, around=around(usd=None))).missing


def test_high_yield_is_doubted() -> None:
    hot = state(quoted=replace(state().quoted, value=0.30))
    assert side(SOUND, "yield_quality", hot) < side(SOUND, "yield_quality") - 20
    assert grade(state(), SOUND, reward_share=0.9).safety < grade(state(), SOUND).safety


def test_incidents_of_a_protocol_count_from_their_day_on() -> None:
    day = 86_400
    april = 1_776_470_400  # 2026-04-18
    aave = state()
    aave = replace(aave, market=replace(aave.market, protocol="aave_v3"))
    scores = []
    for at in (april - day, april + day, april + 400 * day):
        now = replace(aave, block=replace(aave.block, timestamp=at))
        facts = replace(SOUND, controls=None)
        scores.append(side(facts, "track", now))
    assert scores[1] < scores[2] < scores[0]


def test_every_market_of_this_chain_kind_is_known_or_named() -> None:
    assert side(SOUND, "chain") == (100.0 if CHAIN == "eip155:1" else 40.0)


@given(
    st.floats(0, 1e12), st.floats(0, 1.2), st.floats(-1, 50), st.floats(0.0, 3.0), st.floats(1e-9, 1e15),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_whatever_is_read_the_grade_is_one(
    cash: float, used: float, rate: float, usd: float, size: float, known: bool, seen: bool
) -> None:
    of = state(liquidity=usdc(cash), borrowed=usdc(used * 1e8), quoted=replace(state().quoted, value=rate))
    facts = Facts(around=around(usd=usd, size=size), statistics=GOOD if seen else None,
                  controls=controls(KEY, SAFE) if known else None)  # fmt: skip
    found = grade(of, facts)
    assert 0 <= found.safety <= 100 and found.loss_bps >= base_rate("lending").bps
    assert all(0.0 <= one.score <= 100.0 for one in found.components)
    assert found.loss_low_bps <= found.loss_bps <= found.loss_high_bps
