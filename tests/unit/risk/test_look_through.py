"""What our money finally rests on, through vaults and markets that lend against one collateral."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.market_builder import kinked, market, snapshot, usdc
from yieldbot.app.alarms import with_alarms
from yieldbot.math.curves import ConstantCurve, LookThroughCurve, VaultSlot
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act, Component
from yieldbot.risk.blacklist import blacklisted
from yieldbot.risk.collateral_side import collateral
from yieldbot.risk.facts import Around, Facts
from yieldbot.risk.look_through import UNKNOWN, exposures, locked_below
from yieldbot.risk.scales import scales

BTC, ETH = "0xB7C", "0xE7"


def vault(held: float, *slots: tuple[str, float], collaterals: dict[str, str]) -> MarketState:
    below = tuple(VaultSlot(ConstantCurve(0.04), money, 1e9, 1e9, pool) for pool, money in slots)
    curve = LookThroughCurve(1_000.0 - held, held, 0.0, below, tuple(range(len(below))))
    state = market("v", curve, held=held)
    return replace(state, market=replace(state.market, params={"collaterals": collaterals}))


def test_two_ways_to_one_collateral_are_one_exposure() -> None:
    """Half of a vault on BTC, a quarter idle; a market on BTC; a pool with collaterals of all sorts."""
    seen = vault(400, ("blue/1", 500.0), ("blue/2", 250.0), collaterals={"blue/1": BTC, "blue/2": ETH})
    own = market("own", kinked(1e6, 9e5), held=100, borrowed=9e5, pools=frozenset({"blue/1"}))
    own = replace(own, market=replace(own.market, params={"collateral": BTC}), supplied=usdc(1e6))
    pool = market("pool", kinked(1e6, 8e5), held=300, pools=frozenset({"aave/usdc"}))
    found = exposures(snapshot(200, seen, own, pool))
    assert [(one.backing, one.through) for one in found] == [
        (BTC, ("v", "own")), ("aave/usdc", ("pool",)), (ETH, ("v",))
    ]  # fmt: skip
    assert [one.share for one in found] == pytest.approx([0.3, 0.3, 0.1])
    assert found[0].utilisation == pytest.approx(0.9) and found[2].utilisation is None


def test_what_is_not_held_rests_on_nothing() -> None:
    assert exposures(snapshot(1_000, market("a", kinked(1e6, 8e5)))) == ()
    assert exposures(snapshot(0, market("a", kinked(1e6, 8e5)))) == ()


def backed(state: MarketState, *parts: Backer, unknown: float = 0.0, time: int | None = None) -> MarketState:
    when = state.block.timestamp if time is None else time
    found = Backing(market=state.market.id, parts=parts, unknown=unknown, block=5, time=when)
    return replace(state, backing=found)


WETH = "0x" + "Ee" * 20


def on(
    share: float, symbol: str = "WETH", used: float | None = None, *, shared: bool = True, backing: str = WETH
) -> Backer:
    return Backer(backing=backing, symbol=symbol, share=share, through=("m", "pool"), utilisation=used, shared=shared)


def test_what_a_look_has_read_is_summed_over_all_positions() -> None:
    """A pool and an isolated market on one collateral, however its address is written."""
    pool = backed(market("pool", kinked(1e6, 8e5), held=400), on(0.5, used=0.7), unknown=0.5)
    own = market("own", kinked(1e6, 8e5), held=400)
    own = replace(own, market=replace(own.market, params={"collateral": WETH.lower()}))
    found = exposures(snapshot(200, pool, own))
    assert [(one.backing, one.symbol, one.through) for one in found] == [
        (WETH.lower(), "WETH", ("pool", "own")), (UNKNOWN, "", ("pool",))
    ]  # fmt: skip
    assert [one.share for one in found] == pytest.approx([0.6, 0.2]) and found[0].utilisation == 0.7


@pytest.mark.parametrize(
    ("part", "age", "leaves"),
    [
        (on(0.3, used=0.99), 0, True),
        (on(0.3, used=0.98), 0, False),
        (on(0.3, used=0.995, shared=False), 0, False),  # isolated: the collateral is not lent on there
        (on(0.3, used=0.995), 86_401, False),  # an old look says nothing of now
        (on(0.05, used=0.995), 0, False),
    ],
)
def test_a_collateral_that_is_locked_in_the_same_pool_takes_the_money_out(part: Backer, age: int, leaves: bool) -> None:
    pool = market("pool", kinked(1e6, 8e5), held=400)
    more = on(0.7, "DAI", 0.2, backing="0x" + "d" * 40)
    now = pool.block.timestamp
    state = backed(pool, more, part, time=now - age)
    found = locked_below([state], AlarmLimits(), now)
    assert (pool.market.id in found) is leaves
    if leaves:
        sign = found[pool.market.id]
        assert (sign.code, sign.act) == ("COLLATERAL_LOCKED", Act.LEAVE) and "30% of it rests on WETH" in sign.saw
        shown, _ = with_alarms(snapshot(10, state), Path("/nonexistent"), Policy(), print)
        assert [one.code for one in shown.of(pool.market.id).alarms] == ["COLLATERAL_LOCKED"]


@pytest.mark.parametrize("name", ["WETH", WETH, WETH.lower(), "pool"])
def test_a_blacklisted_collateral_is_found_through_whatever_lies_between(name: str) -> None:
    pool = market("m", kinked(1e6, 8e5), held=400)
    state = backed(pool, on(0.002))
    hit = blacklisted(snapshot(10, state), (name,))[pool.market.id]
    assert hit.act is Act.LEAVE and "0.20% of the market rests on WETH" in hit.saw
    assert blacklisted(snapshot(10, backed(pool, on(0.0005))), (name,)) == {}, "a little of it can come from anybody"


def side(state: MarketState) -> Component:
    found = collateral(state, Facts(around=Around(size=1.0)), scales())
    assert 0.0 <= found.score <= 100.0
    return found


def test_the_side_of_the_grade_is_made_of_what_was_read() -> None:
    pool = market("pool", kinked(1e6, 8e5), held=400, borrowed=8e5)
    calm = side(backed(pool, on(0.5, used=0.5), on(0.5, "DAI", 0.5)))
    assert calm.score == 70.0, "nobody knows who may mint them: as one key"
    assert calm.missing == ("who may mint WETH, DAI", "growth of the supply of WETH, DAI")
    assert calm.evidence[0].value == "50% WETH; its own market is at 50.0% there" and calm.evidence[0].block == 5
    assert side(backed(pool, on(0.5, used=0.99), on(0.5, "DAI"))).score == 0.0, "what most of it stands on is locked"
    half = side(backed(pool, on(0.5, used=0.5), unknown=0.5))
    assert half.score == pytest.approx(0.5 * 70 + 0.5 * 10) and half.missing[0] == "what backs it"
    circle = replace(backed(pool, unknown=1.0).backing or Backing(market=pool.market.id), cycle=("a", "b"))
    seen = side(replace(pool, backing=circle))
    assert seen.score == 10.0 and any(one.value == "a holds b holds a" for one in seen.evidence)
