"""The index that a market shows grows by what its suppliers earn: a mean rate between two readings is exact."""

from __future__ import annotations

import pytest

from tests.bench.accuracy import DAY, Accuracy
from tests.conformance.test_adapters import AMOUNT_RAW, PROTOCOLS, claimed, markets_of
from tests.conformance.test_solana_adapters import tried  # noqa: F401
from yieldbot.model.market import Status


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_holding_grows_as_the_index_does(chain: Accuracy, protocol: str) -> None:
    await chain.history()
    compared = 0
    for market in await markets_of(chain, protocol):
        state = await chain.state(market)
        if state.prices is not None:  # its price moves both ways, and says nothing of what a holder earns
            assert state.index is None
            compared += 1
            continue
        assert state.index is not None and state.index > 0.0
        if state.status is not Status.ACTIVE or (state.capacity is not None and state.capacity.raw < AMOUNT_RAW):
            continue
        await chain.do(
            chain.adapters[protocol].deposit(state, market.asset.amount(AMOUNT_RAW), chain.owner), chain.owner
        )
        await claimed(chain, market)
        await chain.history()
        before = await chain.state(market)
        await chain.wait(10 * DAY)
        await chain.history()
        after = await chain.state(market)
        assert before.index is not None and after.index is not None
        grown = after.held.raw / before.held.raw
        assert after.index / before.index == pytest.approx(grown, abs=4 / AMOUNT_RAW) and grown > 1.0
        compared += 1
    assert compared


def test_shares_of_solana_s_pools_grow_as_their_index(tried: tuple) -> None:  # noqa: F811
    ledger, _, adapter, markets = tried
    for market in markets:
        before = ledger.observe(adapter, market)
        ledger.warp(200_000)
        after = ledger.observe(adapter, market)
        assert before.index and after.index
        grown = after.supplied.raw / before.supplied.raw  # nobody comes and nobody goes
        assert after.index / before.index == pytest.approx(grown, abs=1e-6)
