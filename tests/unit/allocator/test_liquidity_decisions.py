"""When liquidity pays, and what a position calls for. Pure: pools and records are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.allocator.liquidity import CALM, GAS, STATE, VALUE, WILD, held
from tests.kit.policies import loose
from yieldbot.allocator.liquidity_advice import Advice, appraise, price_of, trigger
from yieldbot.model.amounts import Apy
from yieldbot.model.liquidity import PoolHistory, PoolPosition
from yieldbot.model.policy import Policy

LENDING = [Apy(0.03)]


def advice(position: PoolPosition, past: PoolHistory, lending: Any = LENDING) -> Advice:
    return trigger(position, past, GAS, loose(horizon_days=30.0), lending).advice


def test_a_calm_pool_with_fees_pays_and_a_wild_one_does_not() -> None:
    calm, wild = (appraise(STATE, past, VALUE, GAS, loose(horizon_days=30.0), LENDING) for past in (CALM, WILD))
    assert calm.vetoes == () and calm.net[0] > LENDING[0] and not calm.best.full
    assert wild.vetoes and wild.net[0] < LENDING[0] and "as low as" in wild.vetoes[0]
    assert calm.best.ticks.high < wild.best.ticks.high, "volatility asks for wider ranges"


@pytest.mark.parametrize(
    ("past", "lending", "policy", "said"),
    [
        (CALM, [], loose(horizon_days=30.0), "no lending yield"),
        (CALM, [Apy(1e9)], loose(horizon_days=30.0), "lending pays"),
        (CALM, LENDING, loose(horizon_days=30.0, exclude=("a pool",)), "excluded"),
        (PoolHistory(missing=("the oracle keeps no past",)), LENDING, loose(horizon_days=30.0), "no past"),
        (replace(CALM, ticks=(), missing=("no ticks",)), LENDING, loose(horizon_days=30.0), "total loss"),
        (
            replace(CALM, fees=CALM.fees[:3], fee_seconds=CALM.fee_seconds[:3]),
            LENDING,
            loose(horizon_days=30.0),
            "as low as",
        ),
    ],
)
def test_what_is_not_known_or_wanted_is_not_entered(past: PoolHistory, lending: Any, policy: Policy, said: str) -> None:
    assert any(said in why for why in appraise(STATE, past, VALUE, GAS, policy, lending).vetoes)


def test_more_confidence_never_lets_more_in() -> None:
    nets = [
        appraise(STATE, CALM, VALUE, GAS, loose(horizon_days=30.0, confidence=c), LENDING).net for c in (0.5, 0.9, 0.99)
    ]
    assert nets[0][0] > nets[1][0] > nets[2][0]


def test_a_range_that_was_left_is_laid_anew_where_that_pays() -> None:
    assert not held(400, 500).in_range
    assert advice(held(400, 500), CALM) is Advice.REBALANCE
    small = held(400, 500)
    dust = replace(small, liquidity=small.liquidity // 10**6, amounts=(small.amounts[0] // 10**6, 0))
    found = trigger(dust, CALM, GAS, loose(horizon_days=30.0), LENDING)
    assert found.advice is Advice.HOLD and "wait" in found.reason, "gas costs more than it is worth"


def test_a_range_that_earns_stays_until_fees_or_volatility_change() -> None:
    best = appraise(STATE, CALM, VALUE, GAS, loose(horizon_days=30.0), LENDING).best.ticks
    assert advice(held(best.low, best.high), CALM) is Advice.HOLD
    assert advice(held(-200_000, 200_000), CALM) is Advice.REBALANCE, "far too wide for so calm a pool"
    assert advice(held(best.low, best.high), WILD) is Advice.LEAVE, "no range reaches lending any more"
    assert advice(held(best.low, best.high), WILD, []) in (Advice.HOLD, Advice.REBALANCE), "nowhere to go"


def test_nothing_is_advised_from_nothing() -> None:
    unknown = trigger(held(-100, 100), PoolHistory(missing=("no past",)), GAS, loose(horizon_days=30.0), LENDING)
    assert unknown.advice is Advice.HOLD and "not known" in unknown.reason and "no past" in unknown.reason
    empty = trigger(replace(held(-100, 100), liquidity=0), CALM, GAS, loose(horizon_days=30.0), LENDING)
    assert empty.advice is Advice.HOLD and "no liquidity" in empty.reason
    pair = replace(STATE, spacing=0)
    share = held(-100, 100, pair, ticks=None, token_id=None)
    assert trigger(share, CALM, GAS, loose(horizon_days=30.0), []).advice is Advice.HOLD
    assert price_of(STATE) == pytest.approx(1.0)
