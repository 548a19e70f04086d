"""Reads one chain at one block: runs the adapters' flows and makes a Snapshot of the results."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from yieldbot.chains.evm import merkl
from yieldbot.chains.evm.glances import Listing, idle_tokens, left_unread, listing
from yieldbot.chains.evm.growth import add_growths
from yieldbot.chains.evm.liquidity.markets import liquidity_markets
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.pegs import PoolLists, add_lists, add_means, with_traded
from yieldbot.chains.evm.prices import Surroundings, decimals_of, feed_price, gas_feeds, native_balance, priced
from yieldbot.chains.evm.rollups import checked_fee, typical_fee
from yieldbot.chains.evm.supplies import known, supply_of
from yieldbot.chains.evm.swap_pools import add_listings, add_states, exchange_of
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.chains.growths import growth_of, worths_of
from yieldbot.chains.pools import FoundPools, Listings
from yieldbot.chains.readings import listed_markets, row_by_row, states_of
from yieldbot.errors import ConfigError, MarketError, TransientError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.backing import tokens_of
from yieldbot.model.contradiction import contradiction
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Price
from yieldbot.model.glance import Glance
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, Market, Quarantined, Snapshot
from yieldbot.model.reads import Flow
from yieldbot.model.requests import with_requests
from yieldbot.model.settings import Job
from yieldbot.protocols.evm.base import YieldAdapter
from yieldbot.protocols.evm.merkl import merkl_rewards
from yieldbot.rpc.flows import Flows
from yieldbot.rpc.together import both


async def observe(
    node: Node,
    job: Job,
    adapters: Mapping[str, YieldAdapter],
    at: BlockRef | None = None,
    *,
    requests: Mapping[MarketId, tuple[int, ...]] | None = None,
    full: Collection[MarketId] = (),
) -> Snapshot:
    """Every market of the job's assets, our positions and gas prices, all at one block (the newest, or ``at``).

    After the block itself there are two phases: first discovery with prices and balances, then all states; each round
    of a phase is one aggregate3. Between them a job with many markets glances at each (``glances.py``), and then reads
    in full only those that could matter, those of ``full``, and those that we hold. A market that cannot be read is
    quarantined. requests: the ids of our open withdrawal requests, by market. Raises TransientError if the chain cannot
    be read, ConfigError for an asset whose decimals are not the configured ones.
    """
    (block, base_fee_wei), tip_wei = await both(
        node.block_and_base_fee(at.height if at else "latest"), fetch_tip(node, job.chain)
    )
    if at is not None and block.hash != at.hash:
        raise TransientError(f"{node.host}: block {at.height} is no longer {at.hash[:10]}…: a reorganisation")
    discovered, leaves = await both(_discover(node, job, adapters, block), merkl.fetch_leaves(job))
    markets, quarantined, around, listed = discovered
    markets = [with_requests(market, (requests or {}).get(market.id, ())) for market in markets]
    owner = job.wallet.address
    flows = Flows()
    glanced = left_unread(listed.glances, listed.idle, listed.usd, {*full, *(requests or {})})
    markets = [market for market in markets if market.id not in glanced]
    reads = [(market, flows.add(adapters[market.protocol].observe(market, owner, block))) for market in markets]
    claims = merkl.to_prove(job, leaves)
    owed = None if claims is None else flows.add(merkl_rewards(job.chain.chain, *claims, owner))
    pools = add_states(flows, listed.pools, listed.usd)
    means = add_means(flows, listed.of_pegs)
    supplies = [(token, flows.add(supply_of(token))) for token in tokens_of(markets)]
    growths = add_growths(flows, job.assets, job.chain.growths, block) if job.base is not None else []
    await flows.run(node, block)
    states, unread = states_of(reads)
    quarantined += unread
    try:
        fees = around.fees(base_fee_wei, tip_wei)
    except MarketError as missing:
        raise TransientError(f"{job.chain.name}: {missing}") from missing
    paid = None if leaves is None else owed.answer if owed is not None else ((), ())
    own = next((s for s in states.values() if s.market.kind is Kind.IDLE and s.market.asset == job.asset), None)
    if own is not None:
        states[own.market.id] = merkl.with_rewards(own, paid)
    states = {market_id: priced(state, around, fees) for market_id, state in states.items()}
    liquid, unread = await liquidity_markets(node, job, block, base_fee_wei, states, around.beside)
    for state in liquid:
        why = contradiction(state)
        if why is None:
            states[state.market.id] = state
        else:
            unread.append(Quarantined(state.market, why))
    quarantined += unread
    exchange = exchange_of(pools, listed.usd) if job.swaps else None
    pegs = {token: around.usd.get(token.address) for token in job.assets if token.address in job.chain.pegged}
    return Snapshot(
        block=block,
        owner=owner,
        states=states,
        quarantined=tuple(quarantined),
        fees=fees,
        native_balance_raw=around.native_balance_wei,
        asset_usd=around.asset.usd if around.asset else None,
        native_usd=around.native.usd if around.native else None,
        exchange=exchange,
        pegs=with_traded(pegs, means, around.usd, job.pegged, exchange),
        growth=growth_of(growths),
        worths=worths_of(growths),
        supplies=known((token, read.answer) for token, read in supplies),
        glanced=tuple(glanced.values()),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What discovery finds beside the markets. Pools of the job's tokens and the tokens' prices by their feeds are
    empty for a job that never swaps."""

    pools: FoundPools
    """The listed pools."""
    usd: dict[Token, Price]
    """US dollar prices by token."""
    of_pegs: PoolLists
    """The lists of pools that say what pegged assets are worth; of every job."""
    glances: tuple[Glance, ...] = ()
    """A glance at each market of a long list."""
    idle: tuple[tuple[Token, float | MarketError], ...] = ()
    """Whole tokens of each asset in the wallet."""


async def _discover(
    node: Node, job: Job, adapters: Mapping[str, YieldAdapter], block: BlockRef
) -> tuple[list[Market], list[Quarantined], Surroundings, _Found]:
    """The job's markets, deployments that cannot be listed, balances and prices, and the pools."""
    deployments = [d for d in (*job.chain.deployments, _idle(job)) if set(job.assets) & set(d.assets)]
    native_feed, asset_feed = gas_feeds(job)
    units = job.chain.feed_units
    rest = {token: address for token, address in job.chain.feeds.items() if token != job.asset.address}
    # Rewards are any tokens, and go through any other.
    flows = Flows()
    lies = flows.add(native_balance(node.multicall3, job.wallet.address))
    fee = flows.add(typical_fee())
    decimals = [(token, flows.add(decimals_of(token.address))) for token in job.assets]
    native_read, asset_read = (
        flows.add(feed_price(address, block.timestamp, units.get(address))) if address else None
        for address in (native_feed, asset_feed)
    )
    feeds = [
        (token, flows.add(feed_price(address, block.timestamp, units.get(address)))) for token, address in rest.items()
    ]
    listed = add_listings(flows, job.chain, job.swap_ends) if job.swaps else Listings()
    of_pegs = add_lists(flows, job)
    ours = job.assets, job.wallet.address, block

    def listed_by(table: Deployment) -> Flow[Listing]:
        return listing(adapters[table.protocol], table, *ours)

    lists = [(table, flows.add(listed_by(table))) for table in deployments]
    idle = [(token, flows.add(idle_tokens(token, job.wallet.address))) for token in job.assets]
    await flows.run(node, block)
    balance = lies.answer
    if isinstance(balance, MarketError):
        raise TransientError(f"{node.host}: our native balance cannot be read: {balance}")
    beside = checked_fee(job.chain, node.host, fee.answer)
    for token, read in decimals:
        _same_decimals(job, token, read.answer)
    native, asset = (None if read is None else _price(read.answer) for read in (native_read, asset_read))
    usd_by_address = {token: read.answer for token, read in feeds if isinstance(read.answer, Price)}
    if asset is not None:
        usd_by_address[job.asset.address] = asset
    if lacking := [token.symbol for token in job.others if token.address not in usd_by_address]:
        raise TransientError(f"{job.chain.name}: the price feed of {', '.join(lacking)} cannot be read")
    valued = job.assets if job.sale is None else job.chain.tokens.values()
    usd = {token: usd_by_address[token.address] for token in valued if token.address in usd_by_address}
    answers = await row_by_row(node, ((table, handle.answer) for table, handle in lists), listed_by, block)
    glances = tuple(one for _, found in answers if isinstance(found, Listing) for one in found.glances)
    markets, quarantined = listed_markets(
        ((table, found if isinstance(found, MarketError) else found.markets) for table, found in answers), job
    )
    return (
        markets,
        quarantined,
        Surroundings(balance, native, asset, usd_by_address, beside),
        _Found(listed.found, usd, of_pegs, glances, tuple((token, read.answer) for token, read in idle)),
    )


def _same_decimals(job: Job, asset: Token, answer: Any) -> None:
    """Check the token's own decimals against the configured ones, with which the policy's amounts are parsed. Raises
    ConfigError if they differ."""
    file = f"chains/{job.chain.name}.toml: tokens.{asset.symbol}"
    if isinstance(answer, MarketError):
        raise ConfigError(f"{file}.address: {asset.address} answers no decimals() ({answer}): correct it")
    if answer != asset.decimals:
        raise ConfigError(f"{file}.decimals: is {asset.decimals}, the chain says {answer}: correct it")


def _price(answer: Price | MarketError) -> Price | None:
    """The feed's price. Raises TransientError where it could not be read."""
    if isinstance(answer, MarketError):
        raise TransientError(f"a price feed cannot be read: {answer}")
    return answer


def _idle(job: Job) -> Deployment:
    """The deployment that represents the wallet itself as a market: it holds what is withdrawn and not deposited
    yet."""
    return Deployment("idle", job.chain.chain, "Wallet", {}, job.assets)
