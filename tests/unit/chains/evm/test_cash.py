"""Cash that nobody sees: which markets are asked by a simulated holder, for how much, and what the answers become."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.chains.evm.cash import SIMULATED, UNKNOWN, unseen, with_cash
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Apr
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState, Status

BLIND = replace(market("blind", ConstantCurve(0.1)), opaque=True, liquidity=usdc(0), flags=("x", UNKNOWN))
PLAIN = market("plain", ConstantCurve(0.05))
OUT = Leaving(requested=usdc(1), ready=usdc(0), back=usdc(0))


def wanted(state: MarketState = BLIND, idle: float = 1_000.0, **policy: Any) -> float | None:
    """How much must be there, None where nobody is asked."""
    found = unseen(snapshot(idle, state, PLAIN), loose(horizon_days=30.0, **policy))
    assert PLAIN.market.id not in found
    return float(found[state.market.id]) if found else None


def test_what_may_go_in_times_the_multiple_must_be_there_and_no_more_than_is() -> None:
    assert wanted(min_liquidity_multiple=1.0) == 1_000.0 and wanted(min_liquidity_multiple=0.5) == 500.0
    assert wanted(min_liquidity_multiple=2.0, max_share_market=0.25) == 500.0
    assert wanted(min_liquidity_multiple=1.0, max_share_markets={"blind": 0.1}) == 100.0
    assert wanted(min_liquidity_multiple=0.0) is None and wanted(min_liquidity_multiple=-1.0) is None
    assert wanted(replace(BLIND, supplied=usdc(7))) == 7.0
    assert wanted(replace(BLIND, supplied=Amount(usdc(0).token, 1))) == 1e-6
    assert wanted(replace(BLIND, supplied=usdc(0))) is None and wanted(idle=0.0) is None
    assert wanted(replace(BLIND, held=usdc(500)), min_liquidity_multiple=1.0) == 1_500.0, "all our wealth"


@pytest.mark.parametrize(
    "changes",
    [
        {"opaque": False},
        {"exit": Exit(cash=usdc(0))},
        {"exit": Exit(kind=ExitKind.COOLDOWN, seconds=1)},
        {"doubts": ("two numbers",)},
        {"no_way_out": "locked"},
        {"leaving": OUT},
        {"status": Status.FROZEN},
        {"quoted": Apr(0.0)},
    ],
)
def test_nobody_is_asked_where_the_answer_would_let_nothing_in(changes: dict[str, Any]) -> None:
    assert wanted(BLIND) == 1_000.0 and wanted(replace(BLIND, **changes)) is None


def test_what_is_excluded_is_not_asked() -> None:
    assert wanted(exclude=("blind",)) is None and wanted(exclude=("plain",)) == 1_000.0


def test_what_was_paid_becomes_the_markets_cash() -> None:
    view = snapshot(0, BLIND, PLAIN)
    now = with_cash(view, {BLIND.market.id: usdc(40)})
    assert now.of(BLIND.market.id) == replace(
        BLIND,
        exit=Exit(cash=usdc(40), limit="as much as a simulated holder was paid"),
        liquidity=usdc(40),
        flags=("x", SIMULATED),
    )
    assert now.of(PLAIN.market.id) == PLAIN and with_cash(view, {}) == view
    assert view.of(BLIND.market.id) == BLIND
