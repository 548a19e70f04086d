"""Reads one Solana cluster within a few slots: runs the adapters' flows and makes a Snapshot of the results, by a
quorum if there are several nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from yieldbot.chains.growths import growth_of, worths_of
from yieldbot.chains.pools import FoundPools, Listings
from yieldbot.chains.readings import listed_markets, row_by_row, states_of
from yieldbot.chains.solana.growth import add_growths
from yieldbot.chains.solana.node.client import Node, SlotSkew
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.chains.solana.prices import feed_price
from yieldbot.chains.solana.swap_pools import SAME_PRICE, add_listings, add_oracles, add_states, apart, exchange_of
from yieldbot.errors import ConfigError, MarketError, TransientError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Price
from yieldbot.model.fees import SvmFees
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.market import Market, MarketState, Quarantined, Snapshot
from yieldbot.model.reads import Flow, SvmLamports
from yieldbot.model.settings import Job
from yieldbot.protocols.solana.base import SvmAdapter
from yieldbot.protocols.solana.idle import Mint, mint_of
from yieldbot.risk.pool_prices import with_traded
from yieldbot.rpc.flows import Flows

TRIES = 4
"""Tries of one snapshot whose slots are too far apart."""
SIGNATURE_LAMPORTS = 5000

SAME_RATE = 1e-4
"""How much a rate may differ between nodes that were read at different slots (1 bp a year)."""
SAME_SHARE = 0.01
"""Fraction by which a market's cash, or the price of SOL for fees, may differ between them."""


async def observe(nodes: Quorum, job: Job, adapters: Mapping[str, SvmAdapter]) -> Snapshot:
    """Every market of the job's assets, our positions and fees, as a quorum of the nodes shows them.

    Each node is observed separately, since no two answer at the same slot; the results must agree. Raises
    TransientError below the quorum or if the slots are too far apart, ConfigError for an asset whose decimals are not
    the configured ones.
    """
    return await nodes.agreed(lambda node: _from(node, job, adapters), difference, job.chain.name)


def difference(one: Snapshot, other: Snapshot) -> str | None:
    """Why two snapshots, taken within a few slots of each other, cannot both be right; None if they can. Pure."""
    if one.states.keys() != other.states.keys():
        return "it shows other markets"
    if one.native_balance_raw != other.native_balance_raw:
        return f"it shows {other.native_balance_raw} lamports of ours, not {one.native_balance_raw}"
    for market_id, mine in one.states.items():
        theirs, name = other.states[market_id], mine.market.name
        if abs(mine.held.raw - theirs.held.raw) > 2 + mine.held.raw // 100_000:
            return f"it shows {theirs.held} of ours in {name}, not {mine.held}"
        if mine.status is not theirs.status or abs(mine.quoted.value - theirs.quoted.value) > SAME_RATE:
            here, there = (f"{s.status} at {s.quoted.value:z.4%}" for s in (mine, theirs))
            return f"it shows {name} {there}, not {here}"
        if not _near(mine.liquidity.raw, theirs.liquidity.raw) or not _near(mine.supplied.raw, theirs.supplied.raw):
            return f"it shows another size of {name}"
    for token in one.growth.keys() | other.growth.keys():
        if abs(one.growth.get(token, 0.0) - other.growth.get(token, 0.0)) > SAME_RATE:
            return f"it shows another growth of {token.symbol}"
    for mint, raw in one.supplies.items():
        if not _near(raw, other.supplies.get(mint, raw)):
            return f"it shows another supply of {mint}: {other.supplies[mint]}, not {raw}"
    if not _near(one.fees.native_price, other.fees.native_price):
        return "it shows another price of SOL"
    if one.exchange is not None and other.exchange is not None:
        return apart(one.exchange, other.exchange, SAME_PRICE)
    return None


def _near(one: float, other: float) -> bool:
    """Whether two numbers differ by at most SAME_SHARE."""
    return abs(one - other) <= SAME_SHARE * max(abs(one), abs(other), 1e-9)


async def _from(node: Node, job: Job, adapters: Mapping[str, SvmAdapter]) -> Snapshot:
    """One node's snapshot; read again if its slots are too far apart."""
    for attempt in range(TRIES):
        try:
            return await _once(node, job, adapters)
        except SlotSkew:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class _Around:
    """Balances, prices and pools that a decision needs in addition to the markets."""

    lamports: int
    """Our SOL, in lamports."""
    native_price: float
    """Whole tokens of the first asset for one SOL."""
    asset_usd: float | None
    """US dollars for one whole token of the first asset; None: not known."""
    native_usd: float | None
    """US dollars for one SOL; None: not known."""
    usd: Mapping[Token, Price]
    """US dollar prices by token, for a job with several assets; of one asset and SOL, to compare it with pools."""
    pools: FoundPools
    """Pools and price oracles, for a job with several assets; of one pegged asset price oracles alone; else empty."""
    pegs: Mapping[Token, Price] = field(default_factory=dict)
    """US dollar prices of the job's assets."""
    supplies: Mapping[Address, int] = field(default_factory=dict)
    """Base units that exist of the job's assets, by their mints."""


async def _once(node: Node, job: Job, adapters: Mapping[str, SvmAdapter]) -> Snapshot:
    """One node's snapshot. Raises SlotSkew if its slots are too far apart."""
    block = await node.block()
    markets, quarantined, around = await _discover(node, job, adapters, block)
    flows, owner = Flows(), job.wallet.address
    reads = [(market, flows.add(adapters[market.protocol].observe(market, owner, block))) for market in markets]
    pools = add_states(flows, around.pools, around.usd, block)
    growths = add_growths(flows, job.assets, around.pools.oracles) if job.base is not None else []
    await flows.run(node, block)
    states, unread = states_of(reads)
    quarantined += unread
    quarantined += [Quarantined(states.pop(m).market, why) for m, why in _twice(job, states).items()]
    assert job.chain.svm is not None
    recent = sorted(await node.recent_unit_prices([market.address for market in markets]))
    usual = recent[(3 * (len(recent) - 1)) // 4] if recent else 0
    price = min(usual, job.chain.svm.max_unit_price_micro_lamports)
    fees = SvmFees(price, SIGNATURE_LAMPORTS, around.native_price)
    pegs = {token: around.pegs.get(token) for token in job.assets if token.address in job.chain.pegged}
    exchange = exchange_of(pools, around.usd)
    return Snapshot(
        block=block,
        owner=owner,
        states=states,
        quarantined=tuple(quarantined),
        fees=fees,
        native_balance_raw=around.lamports,
        asset_usd=around.asset_usd,
        native_usd=around.native_usd,
        exchange=exchange if job.base else None,
        pegs=with_traded(pegs, exchange),
        growth=growth_of(growths),
        worths=worths_of(growths),
        supplies=around.supplies,
    )


def _twice(job: Job, states: Mapping[MarketId, MarketState]) -> dict[MarketId, str]:
    """Markets whose share token is itself an asset of the job, each with the reason to quarantine it: our money there
    would be counted twice. Pure."""
    own = {token.address: token.symbol for token in job.assets}
    return {
        market_id: f"its token, {own[state.share_token.address]}, is an asset of this job"
        for market_id, state in states.items()
        if state.share_token is not None and state.share_token.address in own
    }


async def _discover(
    node: Node, job: Job, adapters: Mapping[str, SvmAdapter], block: BlockRef
) -> tuple[list[Market], list[Quarantined], _Around]:
    """The job's markets, deployments that cannot be listed, and balances, prices and pools."""
    assert job.chain.svm is not None
    idle = Deployment("idle", job.chain.chain, "Wallet", {"keep_lamports": job.chain.svm.keep_lamports}, job.assets)
    deployments = [d for d in (*job.chain.deployments, idle) if set(job.assets) & set(d.assets)]
    flows = Flows()
    lies = flows.add(_lamports(job.wallet.address))
    mints = [(token, flows.add(mint_of(token.address))) for token in job.assets]
    feeds = [(token, flows.add(feed_price(address, block.timestamp))) for token, address in _feeds(job).items()]
    alone = job.base is None and job.asset.address in job.chain.pegged
    listed = add_oracles(flows, job.chain, job.asset) if alone else Listings()
    listed = add_listings(flows, job.chain) if job.base is not None else listed

    def listed_by(table: Deployment) -> Flow[tuple[Market, ...]]:
        return adapters[table.protocol].discover(table)

    lists = [(deployment, flows.add(listed_by(deployment))) for deployment in deployments]
    await flows.run(node, block)
    lamports = lies.answer
    if isinstance(lamports, MarketError):
        raise TransientError(f"{node.host}: our lamports cannot be read: {lamports}")
    for token, mint in mints:
        _same_decimals(job, token, mint.answer)
    supplies = {token.address: one.answer.supply_raw for token, one in mints if isinstance(one.answer, Mint)}
    around = _around(job, lamports, {token: feed.answer for token, feed in feeds}, listed.found)
    around = replace(around, supplies=supplies)
    answers = await row_by_row(node, ((table, handle.answer) for table, handle in lists), listed_by, block)
    markets, quarantined = listed_markets(answers, job)
    return markets, quarantined, around


def _same_decimals(job: Job, asset: Token, mint: Any) -> None:
    """Check the mint's decimals against the configured ones, with which the policy's amounts are parsed. Raises
    ConfigError if they differ."""
    file = f"chains/{job.chain.name}.toml: tokens.{asset.symbol}"
    if isinstance(mint, MarketError):
        raise ConfigError(f"{file}.address: {asset.address} is no mint: correct it")
    if mint.decimals != asset.decimals:
        raise ConfigError(f"{file}.decimals: is {asset.decimals}, the chain says {mint.decimals}: correct it")


def _feeds(job: Job) -> dict[Address, Address]:
    """Price accounts by mint: of the assets, and of SOL. A job that has only SOL needs none; its price is read for
    accounting."""
    known = job.chain.price_feeds
    wanted = dict.fromkeys((*(token.address for token in job.assets), WRAPPED_SOL))
    alone = job.base is None and job.asset.address == WRAPPED_SOL
    if not alone and any(mint not in known for mint in wanted):
        raise TransientError(
            f"{job.chain.name}: no price for fees: name a Pyth price account for the native token and for "
            f"{job.title} in chains/{job.chain.name}.toml"
        )
    return {mint: known[mint] for mint in wanted if mint in known}


def _around(job: Job, lamports: int, answers: Mapping[Address, Price | MarketError], found: FoundPools) -> _Around:
    """Prices from the answers of the feeds. Raises TransientError where one cannot be read."""
    if job.base is None and job.asset.address == WRAPPED_SOL:  # nothing is decided by its price: none is missed
        price = answers.get(WRAPPED_SOL)
        usd = price.usd if isinstance(price, Price) else None
        return _Around(lamports, 1.0, usd, usd, {}, found)
    prices: dict[Address, Price] = {}
    for mint, answer in answers.items():
        if isinstance(answer, MarketError):
            raise TransientError(f"{job.chain.name}: a price account cannot be read: {answer}")
        prices[mint] = answer
    asset, native = prices[job.asset.address].usd, prices[WRAPPED_SOL].usd
    each = {token: prices[token.address] for token in job.assets}
    sol = next((token for token in job.chain.tokens.values() if token.address == WRAPPED_SOL), None)
    known = each if job.base is not None or sol is None else {**each, sol: prices[WRAPPED_SOL]}
    return _Around(lamports, native / asset, asset, native, known, found, each)


def _lamports(owner: Address) -> Flow[int]:
    """Reads our SOL, in lamports."""
    (data,) = yield [SvmLamports(owner)]
    return int.from_bytes(data, "little")
