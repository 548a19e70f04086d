"""Wealth over time, recent rates and curves: documents of one reading and of the journal."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.unit.api.conftest import context, served
from yieldbot.app.summary import in_dollars, of_assets
from yieldbot.app.wealth import MOST_POINTS, _thinned
from yieldbot.app.wealth_documents import WealthPoint

__all__ = ["context", "served"]


def test_a_reading_says_what_an_account_has_and_what_more_would_earn(served: Served) -> None:
    (row,) = served.service.newest("wealth").rows
    held = {one["id"]: one for one in served.service.newest("positions").rows}
    assert float(row["invested"]["text"]) == sum(float(one["held"]["text"]) for one in held.values())
    assert row["apy_now"] == pytest.approx(next(iter(held.values()))["apy_now"]), "of the one market that has money"
    assert row["realised_apr"] is None and row["points"][-1]["invested"] == float(row["invested"]["text"])
    for curve in served.service.newest("curves").rows:
        market = next(one for one in served.service.newest("markets").rows if one["id"] == curve["id"])
        points = curve["points"]
        assert points[0]["holding"] == 0 and any(one["holding"] == curve["held"] for one in points)
        assert all(a["apy"] >= b["apy"] for a, b in pairwise(points)), "our own deposit dilutes"
        shown = float(market["after_deposit_of"]["text"])
        near = min(points, key=lambda one: abs(one["holding"] - shown))
        assert near["apy"] == pytest.approx(market["total_apy_after_deposit"], abs=0.002)


def account(**more: Any) -> dict[str, Any]:
    """A row of ``wealth``."""
    return {
        "asset": "USDC",
        "invested": {"text": "900"},
        "idle": {"text": "100"},
        "usd": 1.0,
        "apy_now": 0.04,
        "days": 30,
        "earned": 3.0,
        "predicted": 6.0,
        "realised_apr": 0.03,
        "predicted_apr": 0.06,
        "points": [{"at": 10, "invested": 500.0, "idle": 400.0}, {"at": 30, "invested": 900.0, "idle": 100.0}],
    } | more


def test_accounts_add_up_by_asset() -> None:
    second = account(
        invested={"text": "300"},
        apy_now=0.08,
        earned=1.0,
        realised_apr=0.01,
        points=[{"at": 20, "invested": 300.0, "idle": 100.0}, {"at": 25, "invested": 9.0, "idle": None}],
    )
    other = account(asset="WETH", invested={"text": "2"}, idle={"text": "0"}, usd=3000.0, points=[])
    weth, usdc = of_assets([account(), second, other])
    assert (weth.symbol, weth.usd, weth.points) == ("WETH", 6000.0, ()), "what is worth most comes first"
    assert usdc.total == 1400.0 and usdc.apy_now == pytest.approx((900 * 0.04 + 300 * 0.08) / 1200)
    assert usdc.realised_apr == pytest.approx(4.0 / (3.0 / 0.03 + 1.0 / 0.01))
    # from when both are known on; a record without the wallet's balance says nothing of wealth
    assert [(one.at, one.total) for one in usdc.points] == [(20, 1300.0), (30, 1400.0)]
    assert in_dollars([weth, usdc]) == 7400.0
    unknown = of_assets([account(usd=None), account(idle=None, points=[])])[0]
    assert unknown.usd is None and unknown.idle is None and unknown.points == () and in_dollars([unknown]) is None


def test_a_long_past_is_thinned_and_keeps_its_ends() -> None:
    points = [WealthPoint(at=1000 + 60 * at, invested=float(at), idle=0.0) for at in range(5000)]
    found = _thinned(points)
    assert len(found) <= MOST_POINTS and found[0] == points[0] and found[-1] == points[-1]
    assert [one.at for one in found] == sorted({one.at for one in found})
