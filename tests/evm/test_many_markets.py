"""A chain with more markets than are read in full."""

from __future__ import annotations

from collections.abc import Collection

from tests.kit.evm import many_markets
from yieldbot.app.reading import read_enough
from yieldbot.chains.evm.observe import observe
from yieldbot.config.load import load
from yieldbot.decision.decide import Decision, decide
from yieldbot.errors import MarketError
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
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


async def test_what_was_not_read_in_full_is_no_better(sandbox: Sandbox) -> None:
    """A decision on part of the markets earns what one on all of them does; what we hold is read in full."""
    ids = many_markets.make(sandbox, COUNT)
    sandbox.warp(20)
    settings = load(many_markets.listed(sandbox, ids))
    (job,) = settings.jobs
    full: set[MarketId] = set()
    smallest = MarketId(f"morpho_blue/31337/{ids[0]}")
    async with sandbox.node() as node:
        whole = await observe(node, job, adapters(), full={MarketId(f"morpho_blue/31337/{one}") for one in ids})
        assert len(whole.states) > COUNT and not whole.glanced
        many_markets.supply(sandbox, ids[0], job.wallet.address)

        async def observed(more: Collection[MarketId]) -> Snapshot:
            full.update(more)
            return await observe(node, job, adapters(), full=full)

        def decided(snapshot: Snapshot) -> Decision:
            return decide(snapshot, settings.policy, job, snapshot.block.timestamp)

        first = await observed(())
        assert first.of(smallest).held.raw > 0
        assert len(first.states) + len(first.glanced) == len(whole.states)
        assert len(first.glanced) > COUNT // 3
        part = decided(await read_enough(observed, decided))
    proof = part.allocation.certificate
    best = decided(whole).allocation.certificate
    assert proof.glanced > 0 and not proof.unread
    assert proof.upper_bound >= best.objective - 1.0  # a dollar more came in
    assert abs(proof.objective - best.objective) < 1.0
    assert proof.gap_bps < 0.1


async def test_the_ceiling_of_an_opaque_vault_is_its_income_without_fees(sandbox: Sandbox) -> None:
    (job,) = load(sandbox.config).jobs
    (table,) = [d for d in job.chain.deployments if d.name == "Drip Vault"]
    adapter = adapters()["erc4626"]
    assert isinstance(adapter, Glancing)
    async with sandbox.node() as node:
        block = await node.block()
        (markets,) = await node.run([adapter.discover(table)], block)
        assert not isinstance(markets, MarketError)
        (glances,) = await node.run([adapter.glance(markets, job.wallet.address, block)], block)
        (state,) = await node.run([adapter.observe(markets[0], job.wallet.address, block)], block)
    assert not isinstance(glances, MarketError) and not isinstance(state, MarketError)
    (glance,) = glances
    assert (glance.held.raw, glance.supplied, glance.quoted, glance.open) == (0, state.supplied, state.quoted, True)
    rates = [(glance.ceiling.apr(x, 30 * 86_400.0), state.curve.apr(x, 30 * 86_400.0)) for x in (0.0, 1e3, 1e5, 1e7)]
    assert all(most >= rate > 0.0 for most, rate in rates)
    assert rates[0][0] == rates[0][1] or state.entry_cost_bps
