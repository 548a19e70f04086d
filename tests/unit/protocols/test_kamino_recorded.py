"""Kamino's layouts on accounts recorded from mainnet."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.kit.recorded import folder
from yieldbot.errors import MarketError
from yieldbot.math.kamino import ONE
from yieldbot.math.slots import SlotCurve
from yieldbot.protocols.solana.kamino_lend import points_of, reserve_of
from yieldbot.protocols.solana.layout import layout

USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


def recorded(name: str) -> tuple[Any, bytes]:
    document = json.loads((folder() / "solana" / f"{name}.json").read_text())
    return document, base64.b64decode(document["account"]["data"][0])


def test_the_usdc_reserve() -> None:
    _, data = recorded("kamino_usdc_reserve")
    fields = layout("kamino_lend").decode("Reserve", data)
    assert (fields["version"], fields["liquidity_mint"], fields["mint_decimals"]) == (1, USDC, 6)
    assert fields["slot"] == 377_723_091 and fields["protocol_take_rate_pct"] == 10
    assert fields["curve"][:6] == (0, 0, 9_500, 475, 10_000, 3_000)
    reserve = reserve_of(fields)
    assert 0 < reserve.utilisation_sf() < ONE and 1.0 < reserve.supply_sf / ONE / reserve.collateral_raw < 1.5
    supplied, borrowed = reserve.supply_sf / ONE / 1e6, reserve.borrowed_sf / ONE / 1e6
    curve = SlotCurve(supplied, borrowed, points_of(reserve), 0.9, 0.5, compounds=False)
    assert curve.apr(0.0, 30 * 86_400) == pytest.approx(0.027367, abs=5e-6), "as klend itself accrues it"


def test_an_obligation_on_it() -> None:
    reserve, _ = recorded("kamino_usdc_reserve")
    _, data = recorded("kamino_usdc_obligation")
    fields = layout("kamino_lend").decode("Obligation", data)
    assert fields["deposit_reserve"] == reserve["pubkey"] and fields["deposit_collateral"] > 0


def test_an_account_of_another_kind_is_none() -> None:
    _, data = recorded("kamino_usdc_obligation")
    with pytest.raises(MarketError, match="no Reserve"):
        layout("kamino_lend").decode("Reserve", data)
