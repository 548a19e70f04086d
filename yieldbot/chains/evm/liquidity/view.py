"""Reads a chain's pools, their recorded history and our positions in them, at one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from itertools import combinations

from yieldbot.chains.evm.liquidity.position_ids import token_ids
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.prices import feed_price
from yieldbot.chains.evm.rollups import TypicalFee, checked_fee, typical_fee
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, Price
from yieldbot.model.fees import LIQUIDITY_TX_GAS
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.reads import Flow
from yieldbot.model.settings import ChainSettings
from yieldbot.model.units import GWEI
from yieldbot.protocols import exchanges, liquidity
from yieldbot.protocols.evm.pool_windows import EmptyPool
from yieldbot.protocols.evm.uniswap_v4_liquidity import NUMBERS, UniswapV4Liquidity
from yieldbot.rpc.flows import Flows

OUT_LAGS = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384)
"""Numbers of blocks back at which a position's seconds in range are read, to find since when it has been out of
range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityView:
    """The liquidity of one chain at one block."""

    block: BlockRef
    """The block."""
    states: Mapping[str, LiquidityPool]
    """Pools by id."""
    records: Mapping[str, PoolHistory]
    """What each pool has recorded of its past, by pool id."""
    deployments: Mapping[str, Deployment]
    """The exchange's table of each pool, by pool id."""
    positions: tuple[PoolPosition, ...]
    """Our positions."""
    usd: Mapping[Token, float]
    """US dollars for one whole token, of tokens that have a feed."""
    usd_at: Mapping[Token, int]
    """When each feed published its price, in unix seconds."""
    gas_usd: float | None
    """US dollars for one unit of gas; None: the native token has no feed."""
    unread: tuple[str, ...] = field(default=())
    """What could not be read, each with the reason."""
    failed: tuple[tuple[Pool, str], ...] = field(default=())
    """(pool, reason) of each pool that could not be read."""

    def worth(self, pool: Pool, amounts: tuple[int, int]) -> float | None:
        """US dollars of base units of a pool's two tokens; a token without a feed is valued at the pool's price. None
        if neither has a feed."""
        prices = self.prices(pool)
        if prices is None:
            return None
        return amounts[0] * prices[0] + amounts[1] * prices[1]

    def prices(self, pool: Pool) -> tuple[float, float] | None:
        """US dollars for one base unit of token0 and of token1; None if neither has a feed."""
        zero, one = (self.usd[token] / token.one if token in self.usd else None for token in (pool.token0, pool.token1))
        price = (self.states[pool.id].sqrt_price_x96 / 2**96) ** 2
        if one is None and zero is not None:
            one = zero / price
        if zero is None and one is not None:
            zero = one * price
        return None if zero is None or one is None else (zero, one)

    def gas_price(self, pool: Pool) -> float | None:
        """Base units of token1 for one unit of gas; None if a feed is missing."""
        prices = self.prices(pool)
        return None if prices is None or self.gas_usd is None else self.gas_usd / prices[1]


async def fetch_view(
    node: Node,
    chain: ChainSettings,
    owner: Address,
    *,
    only_ours: bool = False,
    at: tuple[BlockRef, int] | None = None,
    tables: Sequence[Deployment] | None = None,
    tokens: Sequence[Token] | None = None,
    beside: TypicalFee | None = None,
) -> LiquidityView:
    """Read pools, their history and our positions, at the newest block or ``at`` (block, base fee in wei).

    only_ours: read the history only of pools in which we have positions. tables, tokens: exchanges and tokens to read;
    None: all. beside: what transactions pay in addition to their gas; None: read it. Raises TransientError if the chain
    cannot be read; a pool that cannot be read is named in ``unread``.
    """
    block, base_fee_wei = at or await node.block_and_base_fee()
    known, tokens = liquidity(), list(chain.tokens.values()) if tokens is None else tokens
    tables = [table for table in chain.exchanges if table.protocol in known] if tables is None else tables
    pairs = list(combinations(tokens, 2))
    unread: list[str] = []
    failed: list[tuple[Pool, str]] = []
    listed = await node.run([exchanges()[table.protocol].pools(table, pairs) for table in tables], block)
    deployments: dict[str, Deployment] = {}
    pools: list[Pool] = []
    for table, found in zip(tables, listed, strict=True):
        if isinstance(found, MarketError):
            unread.append(f"{table.name}: {found}")
            continue
        pools += found
        deployments |= {pool.id: table for pool in found}
    feeds = {token: address for token in tokens if (address := chain.feeds.get(token.address)) is not None}
    flows = Flows()
    reads = [(pool, flows.add(known[pool.protocol].observe(pool, deployments[pool.id]))) for pool in pools]
    fed = {
        token: flows.add(feed_price(address, block.timestamp, chain.feed_units.get(address)))
        for token, address in feeds.items()
    }
    native_feed = flows.add(feed_price(chain.native_feed, block.timestamp)) if chain.native_feed else None
    fee = flows.add(typical_fee()) if beside is None else None
    await flows.run(node, block)
    if beside is None:
        assert fee is not None
        beside = checked_fee(chain, node.host, fee.answer)
    states: dict[str, LiquidityPool] = {}
    for pool, read in reads:
        state = read.answer
        if isinstance(state, EmptyPool):
            continue
        if isinstance(state, MarketError):
            unread.append(f"{pool.name}: {state}")
            failed.append((pool, str(state)))
        else:
            states[pool.id] = state
    prices = {token: feed.answer for token, feed in fed.items() if isinstance(feed.answer, Price)}
    native = native_feed.answer if native_feed is not None else None
    price_wei = base_fee_wei + int(chain.priority_fee_gwei * GWEI)
    gas_wei = price_wei + beside.of_unit(price_wei) + beside.tx_wei / LIQUIDITY_TX_GAS
    positions = await _owned(node, block, tables, states, owner, unread, failed)
    wanted = [position.state for position in positions] if only_ours else list(states.values())
    return LiquidityView(
        block=block,
        states=states,
        records=await _records(node, block, {s.pool.id: s for s in wanted}, deployments, unread),
        deployments=deployments,
        positions=positions,
        usd={token: price.usd for token, price in prices.items()},
        usd_at={token: price.updated_at for token, price in prices.items()},
        gas_usd=native.usd * gas_wei / 10**18 if isinstance(native, Price) else None,
        unread=tuple(unread),
        failed=tuple(failed),
    )


async def _owned(
    node: Node,
    block: BlockRef,
    tables: Sequence[Deployment],
    states: Mapping[str, LiquidityPool],
    owner: Address,
    unread: list[str],
    failed: list[tuple[Pool, str]],
) -> tuple[PoolPosition, ...]:
    """Our positions in pools that were read. Failures are appended to ``unread`` and ``failed``."""
    known = liquidity()
    found: list[PoolPosition] = []
    tables = [await _numbered(node, block, table, owner, unread) for table in tables]
    flows = [known[table.protocol].owned(_of(states, table.protocol), table, owner) for table in tables]
    for table, answer in zip(tables, await node.run(flows, block), strict=True):
        if isinstance(answer, MarketError):
            unread.append(f"our positions at {table.name}: {answer}")
            failed += [(s.pool, f"our positions: {answer}") for s in _of(states, table.protocol).values()]
        else:
            found += answer[0]
            if answer[1]:
                numbers = ", ".join(str(number) for number in answer[1])
                unread.append(f"{table.name}: positions {numbers} are of tokens that the chain's file does not list")
    return tuple([replace(position, out_for=await _out_for(node, block, position)) for position in found])


async def _numbered(node: Node, block: BlockRef, table: Deployment, owner: Address, unread: list[str]) -> Deployment:
    """The exchange's table with our positions' numbers, if its manager does not list them (Uniswap v4)."""
    if table.protocol != UniswapV4Liquidity.protocol or not table.params.get("manager"):
        return table
    numbers, why = await token_ids(node, Address(table.params["manager"]), owner, block)
    if why:
        unread.append(f"{table.name}: {why}")
    return replace(table, params={**table.params, NUMBERS: numbers})


async def _out_for(node: Node, block: BlockRef, position: PoolPosition) -> float | None:
    """Seconds for which a position has been out of range, at least; 0: it is in range; None: unknown."""
    if position.in_range:
        return 0.0
    adapter, out = liquidity()[position.state.pool.protocol], None
    (now,) = await node.run([adapter.inside(position, 0)], block)
    for lag in OUT_LAGS:
        try:
            (then,) = await node.run([adapter.inside(position, lag)], block)
        except TransientError:  # a node without so much history
            break
        if not isinstance(now, tuple) or not isinstance(then, tuple) or then[0] != now[0]:
            break
        out = float(now[1] - then[1])
    return out


def _of(states: Mapping[str, LiquidityPool], protocol: str) -> dict[str, LiquidityPool]:
    """The pools of one protocol."""
    return {at: state for at, state in states.items() if state.pool.protocol == protocol}


async def _records(
    node: Node,
    block: BlockRef,
    states: Mapping[str, LiquidityPool],
    deployments: Mapping[str, Deployment],
    unread: list[str],
) -> dict[str, PoolHistory]:
    """What pools have recorded; if the node serves no earlier blocks, only what the pools' own contracts store."""
    known = liquidity()

    def flows(with_past: bool) -> list[Flow[PoolHistory]]:
        return [
            known[s.pool.protocol].history(s, deployments[at].params["lookback_blocks"] if with_past else 0)
            for at, s in states.items()
        ]

    why = ""
    try:
        histories = await node.run(flows(True), block)
    except TransientError as refusal:
        why = f"the node serves no earlier blocks ({refusal})"
        histories = await node.run(flows(False), block)
    found = {}
    for at, record in zip(states, histories, strict=True):
        if isinstance(record, MarketError):
            unread.append(f"{states[at].pool.name}: its history: {record}")
            record = PoolHistory(missing=(f"its history cannot be read: {record}",))
        found[at] = replace(record, missing=(*record.missing, why)) if why else record
    return found
