"""What a swap's quote is made of, read at one block: pools' states, independent prices, feeds and the price of gas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm.prices import feed
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Exchange, PoolState, Price
from yieldbot.model.market import SWAP_TXS
from yieldbot.model.reads import Flow
from yieldbot.rpc.together import both

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import SvmNode
    from yieldbot.model.policy import ChainSettings

GWEI = 10**9
WEI = 10**18
MICRO_LAMPORTS = 10**15
"""Of one SOL."""


@dataclass(frozen=True, slots=True)
class Read:
    """prices: whole tokens wanted for one given, by who says so; usd: each token's feed, where it has one; unit_native:
    what a unit of gas (Solana: a compute unit) costs in whole native tokens, and native: the feed that weighs it (None:
    not known); tx_native: what a transaction pays beside its gas; unread: why not."""

    block: BlockRef
    states: list[PoolState]
    prices: dict[str, float]
    usd: Mapping[Token, Price]
    unit_native: float
    native: Price | None
    unread: list[str]
    tx_native: float = 0.0

    def way_cost(self, token: Token) -> float:
        """What the transactions of one way of a swap pay beside their gas, in base units of ``token``."""
        if self.native is None or token not in self.usd:
            return 0.0
        return SWAP_TXS * self.tx_native * self.native.usd / self.usd[token].usd * token.one

    def unit_cost(self, token: Token) -> float:
        """A unit of gas in base units of ``token``; 0 where no feed weighs it."""
        if self.native is None or token not in self.usd:
            return 0.0
        return self.unit_native * self.native.usd / self.usd[token].usd * token.one


async def read(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    """The pools of all the chain's tokens at one block, and the prices that they do not make alone."""
    return await (_of_evm if chain.svm is None else _of_svm)(chain, given, wanted)


async def _of_evm(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    from yieldbot.chains.evm.node.connect import connect
    from yieldbot.chains.evm.rollups import fee_told, typical_fee
    from yieldbot.chains.evm.swap_pools import exchange_of, listings, looks, pools_of

    pair = (given, wanted)
    async with connect(chain) as node:
        await node.verify_chain()
        (block, base_fee_wei), tip_wei = await both(node.block_and_base_fee("latest"), node.priority_fee_wei())
        pools, unread = pools_of(await node.run(listings(chain, pair), block))
        fed = [token for token in pair if token.address in chain.feeds]
        asked = [chain.feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
        flows: list[Flow[Any]] = [*(feed(address, block.timestamp) for address in asked), typical_fee()]
        said = await node.run(flows, block)
        beside = fee_told(chain, node.host, said.pop())
        native = said.pop() if chain.native_feed else None
        usd, bad = _feeds(fed, said)
        exchange = exchange_of(pools, pair, await node.run(looks(pools, pair), block), usd, unread + bad)
    tip = min(tip_wei or 2**255, int(chain.priority_fee_gwei * GWEI))
    found = _read(block, exchange, pair, (base_fee_wei + tip + beside.unit_wei) / WEI, native)
    return replace(found, tx_native=beside.tx_wei / WEI)


async def _of_svm(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    """As a quorum of the nodes shows it."""
    from yieldbot.chains.solana.node.quorum import connect_svm
    from yieldbot.chains.solana.swap_pools import SAME_PRICE, apart

    def differ(one: _Seen, other: _Seen) -> str | None:
        return apart(one.exchange, other.exchange, SAME_PRICE)

    assert chain.svm is not None
    pair, most = (given, wanted), chain.svm.max_unit_price_micro_lamports
    async with connect_svm(chain) as nodes:
        await nodes.verify_chain()
        seen = await nodes.agreed(lambda node: _seen_by(node, chain, pair), differ, chain.name)
        recent = sorted(await nodes.unit_prices([state.pool.address for state in seen.exchange.states]))
    usual = recent[(3 * (len(recent) - 1)) // 4] if recent else 0
    return _read(seen.block, seen.exchange, pair, min(usual, most) / MICRO_LAMPORTS, seen.native)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one node of a Solana cluster shows."""

    block: BlockRef
    exchange: Exchange
    native: Price | MarketError | None


async def _seen_by(node: SvmNode, chain: ChainSettings, pair: tuple[Token, Token]) -> _Seen:
    from yieldbot.chains.solana.prices import feeds_of, pyth_price
    from yieldbot.chains.solana.swap_pools import exchange_of, found_of, listings, looks

    block, feeds = await node.block(), feeds_of(chain)
    fed = [token for token in pair if token.address in feeds]
    asked = [feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
    flows: list[Any] = [*(pyth_price(address, block.timestamp) for address in asked), *listings(chain)]
    said = await node.run(flows, block)
    found = found_of(chain, said[len(asked) :])
    usd, bad = _feeds(fed, said)
    states = await node.run(looks(found, pair, block), block)
    exchange = exchange_of((*found[:2], found[2] + bad), pair, states, usd)
    return _Seen(block, exchange, said[len(asked) - 1] if chain.native_feed else None)


def _feeds(fed: Sequence[Token], said: Sequence[Price | MarketError]) -> tuple[dict[Token, Price], list[str]]:
    """Tokens' prices, and what could not be read."""
    usd = {token: price for token, price in zip(fed, said, strict=False) if isinstance(price, Price)}
    return usd, [f"{t.symbol}'s feed: {p}" for t, p in zip(fed, said, strict=False) if isinstance(p, MarketError)]


def _read(
    block: BlockRef,
    exchange: Exchange,
    pair: tuple[Token, Token],
    unit_native: float,
    native: Price | MarketError | None,
) -> Read:
    weighed, unread = native if isinstance(native, Price) else None, list(exchange.unread)
    if weighed is None or not set(pair) <= exchange.usd.keys():
        unread.append("gas is not counted: a USD feed of the native token or of what is swapped is missing")
    rates = exchange.rates(*pair)
    return Read(block, list(exchange.states), rates, exchange.usd, unit_native, weighed, unread)
