"""The state of a market whose way out is rehearsed."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.market_builder import market
from tests.kit.wiring import BLOCK, MARKET, RAW, USDC
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount

PUT = Amount(USDC, RAW)

STATE = replace(market("x", ConstantCurve(0.05)), market=MARKET, block=BLOCK, held=PUT, rounding_raw=4)
