"""Every exchange that the EVM sandbox can deploy trades USDC for DAI near par, as its adapter reads it."""

from __future__ import annotations

from pathlib import Path

from yieldbot.config.load import load
from yieldbot.errors import MarketError
from yieldbot.model.exchange import PoolState
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.exchanges import found
from yieldbot.sandbox.evm.node import sandboxed

GIVEN = 1_000


async def test_each_exchange_is_deployed_and_read(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, exchanges=found()) as sandbox, sandbox.node() as node:
        (job,) = load(sandbox.config).jobs
        chain, adapters, block = job.chain, exchanges(), await node.block()
        assert {one.protocol for one in chain.exchanges} == set(found())
        pair = chain.tokens["USDC"], chain.tokens["DAI"]
        for deployment in chain.exchanges:
            adapter = adapters[deployment.protocol]
            (pools,) = await node.run([adapter.pools(deployment, [pair])], block)
            assert not isinstance(pools, MarketError), pools
            (state,) = await node.run([adapter.observe(pools[0])], block)
            assert isinstance(state, PoolState), state
            zero = pools[0].token0 == pair[0]
            got, *_ = (state.zero if zero else state.one).quote_exact_in(GIVEN * pair[0].one)
            assert 0.99 * GIVEN < got / pair[1].one < 1.01 * GIVEN, deployment.protocol
