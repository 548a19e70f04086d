"""A chain with more markets than are read in full."""

from __future__ import annotations

from tests.kit.evm import many_markets
from yieldbot.config.load import load
from yieldbot.errors import MarketError
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.base import Glancing
from yieldbot.sandbox.evm.node import Sandbox

COUNT = 120


async def test_a_glance_shows_what_a_full_reading_does(sandbox: Sandbox) -> None:
    """Morpho's storage, read by slots, has what its functions answer; the ceiling is the curve itself."""
    ids = many_markets.make(sandbox, COUNT)
    sandbox.warp(20)
    (job,) = load(many_markets.listed(sandbox, ids)).jobs
    (table,) = [d for d in job.chain.deployments if d.protocol == "morpho_blue"]
    adapter = adapters()["morpho_blue"]
    assert isinstance(adapter, Glancing)
    async with sandbox.node() as node:
        block = await node.block()
        (markets,) = await node.run([adapter.discover(table)], block)
        assert not isinstance(markets, MarketError)
        assert len(markets) == COUNT + 2
        before = node.round_trips
        (glances,) = await node.run([adapter.glance(markets, job.wallet.address, block)], block)
        assert not isinstance(glances, MarketError)
        assert node.round_trips == before + 1
        states = await node.run([adapter.observe(m, job.wallet.address, block) for m in markets], block)
    for glance, state in zip(glances, states, strict=True):
        assert not isinstance(state, MarketError)
        assert (glance.held, glance.supplied, glance.borrowed) == (state.held, state.supplied, state.borrowed)
        assert (glance.cash, glance.quoted, glance.ceiling) == (state.liquidity, state.quoted, state.curve)
        assert set(glance.flags) <= set(state.flags)
        assert "WETH" in state.market.name  # which the full reading found
    assert len({glance.quoted.value for glance in glances}) > COUNT // 2
