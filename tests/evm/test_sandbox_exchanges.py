"""Every exchange that the EVM sandbox can deploy trades USDC for DAI near par, as its adapter reads it: its pools are
listed by `discover`, and those of Curve and Balancer swap what was quoted, to the base unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from yieldbot.chains.evm.check_tables import fault_of
from yieldbot.chains.evm.execution.permit2 import permit_call
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.swap_pools import pools_with
from yieldbot.config.load import load
from yieldbot.errors import MarketError, NodeRefused
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.exchanges import found
from yieldbot.sandbox.evm.node import sandboxed

GIVEN = 1_000
SWAPPED = ("balancer_boosted", "balancer_v3", "curve_crypto", "curve_meta", "curve_stableswap")
"""Exchanges whose swaps no other file tests on this sandbox's pools."""


async def test_each_exchange_is_deployed_read_listed_and_swapped_in(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, exchanges=found()) as sandbox, sandbox.node() as node:
        (job,) = load(sandbox.config).jobs
        chain, adapters, block = job.chain, exchanges(), await node.block()
        assert {one.protocol for one in chain.exchanges} == set(found())
        pair = chain.tokens["USDC"], chain.tokens["DAI"]
        read = list[Pool]()
        for deployment in chain.exchanges:
            adapter = adapters[deployment.protocol]
            (pools,) = await node.run([adapter.pools(deployment, [pair])], block)
            assert not isinstance(pools, MarketError), pools
            state = await seen(node, pools[0])
            got = state.venue(pair[0]).quote_exact_in(GIVEN * pair[0].one)[0]
            assert 0.99 * GIVEN < got / pair[1].one < 1.01 * GIVEN, deployment.protocol
            read.append(pools[0])
            if "vault" in deployment.params:
                assert await fault_of(node, deployment, block) is None
                other = replace(deployment, params={**deployment.params, "vault": pair[0].address})
                wrong = await fault_of(node, other, block)
                assert wrong is not None and "is of the vault" in wrong[0] and wrong[1] in ("router", "pools")

        listed, unread = await pools_with(node, chain, pair[:1], block)
        assert not unread
        by_pool = {one.pool.id: one for one in listed if {one.pool.token0, one.pool.token1} == {*pair}}
        for pool in read:
            assert min(by_pool[pool.id].held) > GIVEN * 10**6, pool.name

        d = Deployer(node, [checksummed(one) for one in await node.request("eth_accounts", [])])
        for pool in (one for one in read if one.protocol in SWAPPED):
            for given, wanted in (pair, pair[::-1], pair, pair):
                await swap(d, pool, Amount(given, 12_345 * given.one + 1), wanted.address)


async def seen(node: Node, pool: Pool) -> PoolState:
    """The pool's state now."""
    (state,) = await node.run([exchanges()[pool.protocol].observe(pool)], await node.block())
    assert isinstance(state, PoolState), state
    return state


async def swap(d: Deployer, pool: Pool, given: Amount, wanted: str) -> None:
    """Swap exactly what is quoted: the pool pays that, refuses a unit more, and keeps no allowance."""
    adapter, state = exchanges()[pool.protocol], await seen(d.node, pool)
    other = pool.token0 if pool.token0.address == wanted else pool.token1
    out = state.venue(given.token).quote_exact_in(given.raw)[0]
    (call,) = adapter.swap((pool,), given, Amount(other, out), d.me, 2**40)
    (greedy,) = adapter.swap((pool,), given, Amount(other, out + 1), d.me, 2**40)
    coins = [Contract(token.address, own()["TestToken"].abi) for token in (given.token, other)]
    await d.send(coins[0], "mint", d.me, given.raw)
    assert call.allowance is not None
    await d.send(coins[0], "approve", call.allowance.spender, given.raw)
    if call.allowance.onward is not None:
        permit = permit_call(call.allowance, given.raw, "the router")
        await d._send({"to": permit.to, "data": "0x" + permit.data.hex()}, permit.description)
    with pytest.raises(NodeRefused) as refusal:
        await d.node.call(greedy.to, greedy.data, sender=d.me)
    if pool.protocol == "curve_meta":
        assert not refusal.value.data, "Curve's metapools give no reason"
    else:
        assert "less than the least" in str(adapter.explain_revert(refusal.value.data))
    before = [int.from_bytes(await d.read(coin, "balanceOf", d.me), "big") for coin in coins]
    await d._send({"to": call.to, "data": "0x" + call.data.hex()}, call.description)
    after = [int.from_bytes(await d.read(coin, "balanceOf", d.me), "big") for coin in coins]
    assert [b - a for a, b in zip(before, after, strict=True)] == [-given.raw, out]
    assert not any(await d.read(coins[0], "allowance", d.me, call.allowance.spender))
