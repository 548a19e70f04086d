"""What our money finally rests on, through vaults and markets that lend against one collateral."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market, snapshot, usdc
from yieldbot.math.curves import ConstantCurve, LookThroughCurve, VaultSlot
from yieldbot.model.market import MarketState
from yieldbot.risk.look_through import exposures

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
