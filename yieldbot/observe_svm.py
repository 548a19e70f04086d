"""One Solana cluster within few slots: adapters' flows in, a Snapshot out; by a quorum where there are more nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from yieldbot.errors import ConfigError, MarketError, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.exchange import Price
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.market import Deployment, Kind, Market, MarketState, Quarantined, Snapshot, SvmFees, contradiction
from yieldbot.model.policy import Job
from yieldbot.model.reads import Flow, SvmLamports
from yieldbot.prices_svm import pyth_price
from yieldbot.protocols._svm import WRAPPED_SOL
from yieldbot.protocols.base import SvmAdapter
from yieldbot.protocols.idle_svm import mint_of
from yieldbot.rpc.svm import SlotSkew, SvmNode
from yieldbot.rpc.svm_nodes import SvmNodes

TRIES = 4
SIGNATURE_LAMPORTS = 5000

SAME_RATE = 1e-4
"""By how much a rate may differ between nodes that saw different slots (1 bp a year)."""
SAME_SHARE = 0.01
"""By which part of itself the cash of a market, or a price, may differ between them."""


async def observe_svm(nodes: SvmNodes, job: Job, adapters: Mapping[str, SvmAdapter]) -> Snapshot:
    """Every market of the job's asset, our positions and fees, as a quorum of the nodes shows them.

    Each node is observed by itself, for no two answer at the same slot; what they show must agree. Raises
    TransientError below the quorum or when the slots drift too far, ConfigError for an asset whose decimals are not the
    configured ones.
    """
    seen = await nodes.each(lambda node: _from(node, job, adapters))
    if len(seen) == 1 and nodes.quorum == 1:
        return seen[0][1]
    votes = [(sum(difference(mine, other) is None for _, other in seen), mine) for _, mine in seen]
    count, chosen = max(votes, key=lambda vote: vote[0])
    if count < nodes.quorum:
        host = next(node.host for node, mine in seen if mine is chosen)
        whys = [f"{node.host} against {host}: {why}" for node, other in seen if (why := difference(chosen, other))]
        raise TransientError(
            f"{job.chain.name}: {count} of {len(seen)} nodes agree, {nodes.quorum} must ({'; '.join(whys)})"
        )
    for node, snapshot in seen:
        if (why := difference(chosen, snapshot)) is not None:
            nodes.leave_out(node, why)
    return chosen


def difference(one: Snapshot, other: Snapshot) -> str | None:
    """Why two snapshots, taken within few slots of each other, are not of one chain; None when they are. Pure."""
    if one.states.keys() != other.states.keys():
        return "it shows other markets"
    if one.native_balance_raw != other.native_balance_raw:
        return f"it shows {other.native_balance_raw} lamports of ours, not {one.native_balance_raw}"
    for market_id, mine in one.states.items():
        theirs, name = other.states[market_id], mine.market.name
        if abs(mine.held.raw - theirs.held.raw) > 2 + mine.held.raw // 100_000:
            return f"it shows {theirs.held} of ours in {name}, not {mine.held}"
        if mine.status is not theirs.status or abs(mine.quoted.value - theirs.quoted.value) > SAME_RATE:
            here, there = (f"{s.status} at {s.quoted.value:.4%}" for s in (mine, theirs))
            return f"it shows {name} {there}, not {here}"
        if not _near(mine.liquidity.raw, theirs.liquidity.raw) or not _near(mine.supplied.raw, theirs.supplied.raw):
            return f"it shows another size of {name}"
    if not _near(one.fees.native_price, other.fees.native_price):
        return "it shows another price of SOL"
    return None


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_SHARE * max(abs(one), abs(other), 1e-9)


async def _from(node: SvmNode, job: Job, adapters: Mapping[str, SvmAdapter]) -> Snapshot:
    """One node's snapshot; read again when its slots drift too far apart."""
    for attempt in range(TRIES):
        try:
            return await _once(node, job, adapters)
        except SlotSkew:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


async def _once(node: SvmNode, job: Job, adapters: Mapping[str, SvmAdapter]) -> Snapshot:
    block = await node.block()
    markets, quarantined, lamports, (native_price, *usd) = await _discover(node, job, adapters, block)
    flows = [adapters[market.protocol].observe(market, job.wallet.address, block) for market in markets]
    found = [_believed(answer) for answer in await node.run(flows, block)]
    states = {state.market.id: state for state in found if isinstance(state, MarketState)}
    quarantined += [
        Quarantined(market, str(state))
        for market, state in zip(markets, found, strict=True)
        if isinstance(state, MarketError)
    ]
    assert job.chain.svm is not None
    recent = sorted(await node.recent_unit_prices([market.address for market in markets]))
    usual = recent[(3 * (len(recent) - 1)) // 4] if recent else 0
    price = min(usual, job.chain.svm.max_unit_price_micro_lamports)
    fees = SvmFees(price, SIGNATURE_LAMPORTS, native_price)
    return Snapshot(block, job.wallet.address, states, tuple(quarantined), fees, lamports, usd[0], usd[1])


def _believed(answer: MarketState | MarketError) -> MarketState | MarketError:
    if isinstance(answer, MarketState) and (why := contradiction(answer)) is not None:
        return MarketError(why)
    return answer


async def _discover(
    node: SvmNode, job: Job, adapters: Mapping[str, SvmAdapter], block: BlockRef
) -> tuple[list[Market], list[Quarantined], int, tuple[float, float | None, float | None]]:
    """The job's markets, those that cannot be listed, our lamports, and SOL's price in whole asset tokens with the US
    dollars for an asset token and for SOL."""
    assert job.chain.svm is not None
    idle = Deployment("idle", job.chain.chain, "Wallet", {"keep_lamports": job.chain.svm.keep_lamports}, (job.asset,))
    deployments = [d for d in (*job.chain.deployments, idle) if job.asset in d.assets]
    feeds = _feeds(job)
    flows: Sequence[Flow[Any]] = [
        _lamports(job.wallet.address),
        mint_of(job.asset.address),
        *(pyth_price(address, block.timestamp) for address in feeds),
        *(adapters[d.protocol].discover(d) for d in deployments),
    ]
    answers = await node.run(flows, block)
    lamports, mint, rest = answers[0], answers[1], answers[2:]
    if isinstance(lamports, MarketError):
        raise TransientError(f"{node.host}: our lamports cannot be read: {lamports}")
    file = f"chains/{job.chain.name}.toml: tokens.{job.asset.symbol}"
    if isinstance(mint, MarketError):
        raise ConfigError(f"{file}.address: {job.asset.address} is no mint: correct it")
    if mint[1] != job.asset.decimals:
        raise ConfigError(f"{file}.decimals: is {job.asset.decimals}, the chain says {mint[1]}: correct it")
    prices = _prices(job, [rest.pop(0) for _ in feeds])
    markets: list[Market] = []
    quarantined: list[Quarantined] = []
    for deployment, answer in zip(deployments, rest, strict=True):
        if isinstance(answer, MarketError):
            quarantined.append(Quarantined(_unread(deployment, job), str(answer)))
        else:
            markets += [m for m in cast("tuple[Market, ...]", answer) if m.asset == job.asset]
    return markets, quarantined, lamports, prices


def _feeds(job: Job) -> tuple[Address, ...]:
    """SOL's and the asset's price accounts; where the asset is SOL itself one at most, for its value in the books."""
    if job.asset.address == WRAPPED_SOL:
        feed = job.chain.feeds.get(job.asset.address) or job.chain.native_feed
        return (feed,) if feed else ()
    native, asset = job.chain.native_feed, job.chain.feeds.get(job.asset.address)
    if native is None or asset is None:
        raise TransientError(
            f"{job.chain.name}: no price for fees: name a Pyth price account for the native token and for "
            f"{job.asset.symbol} in chains/{job.chain.name}.toml"
        )
    return native, asset


def _prices(job: Job, answers: Sequence[Price | MarketError]) -> tuple[float, float | None, float | None]:
    """SOL in whole asset tokens; US dollars for an asset token and for SOL."""
    if job.asset.address == WRAPPED_SOL:  # nothing is decided by its price, so that none is missed
        usd = answers[0].usd if answers and isinstance(answers[0], Price) else None
        return 1.0, usd, usd
    prices = []
    for answer in answers:
        if isinstance(answer, MarketError):
            raise TransientError(f"{job.chain.name}: a price account cannot be read: {answer}")
        prices.append(answer.usd)
    return prices[0] / prices[1], prices[1], prices[0]


def _lamports(owner: Address) -> Flow[int]:
    (data,) = yield [SvmLamports(owner)]
    return int.from_bytes(data, "little")


def _unread(deployment: Deployment, job: Job) -> Market:
    """A name for a deployment whose markets could not even be listed."""
    return Market(
        MarketId(f"{deployment.protocol}/{market_chain(deployment.chain)}/?"),
        deployment.protocol,
        Kind.LENDING,
        deployment.chain,
        deployment.name,
        job.asset,
        job.asset.address,
    )
