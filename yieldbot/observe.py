"""One chain at one block: adapters' flows in, a Snapshot out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

from yieldbot.errors import ConfigError, MarketError, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.market import Deployment, Market, MarketState, Quarantined, Snapshot, contradiction
from yieldbot.model.policy import Job
from yieldbot.model.reads import Flow
from yieldbot.prices import Price, Surroundings, decimals_of, feed, feeds_of, native_balance, priced
from yieldbot.protocols.base import YieldAdapter
from yieldbot.rpc.evm import EvmNode

GWEI = 10**9


async def observe(
    node: EvmNode, job: Job, adapters: Mapping[str, YieldAdapter], at: BlockRef | None = None
) -> Snapshot:
    """Every market of the job's asset, our positions and gas prices, all at one block (the newest, or ``at``).

    Two phases after the block itself is known: discovery with prices and balance, then all states; each round of a
    phase is one aggregate3. A market that cannot be read is quarantined; a chain that cannot be read raises
    TransientError, an asset whose decimals are not the configured ones ConfigError.
    """
    (block, base_fee_wei), suggested_wei = await asyncio.gather(
        node.block_and_base_fee(at.height if at else "latest"), node.priority_fee_wei()
    )
    if at is not None and block.hash != at.hash:
        raise TransientError(f"{node.host}: block {at.height} is no longer {at.hash[:10]}…: a reorganisation")
    markets, quarantined, around = await _discover(node, job, adapters, block)
    flows = [adapters[market.protocol].observe(market, job.wallet.address, block) for market in markets]
    found = [_believed(answer) for answer in await node.run(flows, block)]
    states = {state.market.id: state for state in found if isinstance(state, MarketState)}
    quarantined += [
        Quarantined(market, str(state))
        for market, state in zip(markets, found, strict=True)
        if isinstance(state, MarketError)
    ]
    ceiling_wei = int(job.chain.priority_fee_gwei * GWEI)
    try:
        fees = around.fees(base_fee_wei, min(suggested_wei, ceiling_wei) if suggested_wei else ceiling_wei)
    except MarketError as missing:
        raise TransientError(f"{job.chain.name}: {missing}") from missing
    states = {market_id: priced(state, around, fees) for market_id, state in states.items()}
    usd = [price.usd if price else None for price in (around.asset, around.native)]
    return Snapshot(block, job.wallet.address, states, tuple(quarantined), fees, around.native_balance_wei, *usd)


def _believed(answer: MarketState | MarketError) -> MarketState | MarketError:
    """A state that contradicts itself is as good as none."""
    if isinstance(answer, MarketState) and (why := contradiction(answer)) is not None:
        return MarketError(why)
    return answer


async def _discover(
    node: EvmNode, job: Job, adapters: Mapping[str, YieldAdapter], block: BlockRef
) -> tuple[list[Market], list[Quarantined], Surroundings]:
    deployments = [d for d in (*job.chain.deployments, _idle(job)) if job.asset in d.assets]
    native_feed, asset_feed = feeds_of(job)
    others = {token: address for token, address in job.chain.feeds.items() if token != job.asset.address}
    flows: Sequence[Flow[Any]] = [
        native_balance(node.multicall3, job.wallet.address),
        decimals_of(job.asset.address),
        *(feed(address) for address in (native_feed, asset_feed) if address),
        *(feed(address) for address in others.values()),
        *(adapters[d.protocol].discover(d) for d in deployments),
    ]
    answers = await node.run(flows, block)
    balance, decimals, rest = answers[0], answers[1], answers[2:]
    if isinstance(balance, MarketError):
        raise TransientError(f"{node.host}: our native balance cannot be read: {balance}")
    _same_decimals(job, decimals)
    prices = [_price(rest.pop(0)) if address else None for address in (native_feed, asset_feed)]
    told = {token: price for token in others if isinstance(price := rest.pop(0), Price)}
    markets: list[Market] = []
    quarantined: list[Quarantined] = []
    for deployment, answer in zip(deployments, rest, strict=True):
        if isinstance(answer, MarketError):
            quarantined.append(Quarantined(_unread(deployment, job), str(answer)))
        else:
            markets += [m for m in cast("tuple[Market, ...]", answer) if m.asset == job.asset]
    return markets, quarantined, Surroundings(balance, prices[0], prices[1], told)


def _same_decimals(job: Job, said: Any) -> None:
    """Every amount of the policy is read by the configured decimals, so that a wrong number is never lived with."""
    asset, file = job.asset, f"chains/{job.chain.name}.toml: tokens.{job.asset.symbol}"
    if isinstance(said, MarketError):
        raise ConfigError(f"{file}.address: {asset.address} answers no decimals(): correct it")
    if said != asset.decimals:
        raise ConfigError(f"{file}.decimals: is {asset.decimals}, the chain says {said}: correct it")


def _price(answer: Price | MarketError) -> Price | None:
    if isinstance(answer, MarketError):
        raise TransientError(f"a price feed cannot be read: {answer}")
    return answer


def _idle(job: Job) -> Deployment:
    """The wallet itself as a market: what is withdrawn but not yet deposited is an ordinary state."""
    return Deployment("idle", job.chain.chain, "Wallet", {}, (job.asset,))


def _unread(deployment: Deployment, job: Job) -> Market:
    """A name for a deployment whose markets could not even be listed."""
    from yieldbot.model.ids import MarketId, evm_number
    from yieldbot.model.market import Kind

    return Market(
        MarketId(f"{deployment.protocol}/{evm_number(deployment.chain)}/?"),
        deployment.protocol,
        Kind.LENDING,
        deployment.chain,
        deployment.name,
        job.asset,
        Address(job.asset.address),
    )
