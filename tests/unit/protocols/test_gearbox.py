"""Gearbox's rate model: what its parameters mean, and impossible ones; pools that are none."""

from __future__ import annotations

import pytest

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.gearbox import points_of

USDC = Token(ChainId("eip155:1"), Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
POOL = Address("0xda00000035fef4082F78dEF6A8903bee419FbF8E")


def test_each_slope_is_what_its_part_of_the_line_adds() -> None:
    line = points_of(7000, 9000, 100, 200, 300, 5000)
    assert line == ((0.0, 0.01), (0.7, 0.03), (0.9, 0.06), (1.0, 0.56))
    assert points_of(8000, 8000, 0, 200, 300, 5000) == ((0.0, 0.0), (0.8, 0.02), (1.0, 0.55))


@pytest.mark.parametrize("kinks", [(9000, 7000), (7000, 10_001)])
def test_kinks_out_of_order_are_refused(kinks: tuple[int, int]) -> None:
    with pytest.raises(MarketError, match="out of order"):
        points_of(*kinks, 0, 1, 2, 3)


def test_what_is_no_pool_is_unfit() -> None:
    adapter = adapters()["gearbox"]
    flow = adapter.discover(Deployment("gearbox", USDC.chain, "Gearbox", {"pools": [POOL]}, (USDC,)))
    reads = next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send([b"" for _ in reads])
    (market,) = done.value.value
    with pytest.raises(MarketError, match="Gearbox"):
        next(adapter.observe(market, POOL, BlockRef(USDC.chain, 1, "0x" + "00" * 32, 1)))
