"""What ``quote`` answers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money, Refusal

Number = int | float
"""A number that is written as it was counted: 0 where there was nothing to count."""


class SwapPool(Part):
    """A pool that a swap goes through."""

    name: str = Field(description="what chains/*.toml calls it")
    protocol: str = Field(description="the exchange's protocol")
    address: str = Field(description="the contract's address")
    id: str = Field(description="the pool's id where one contract has many (Uniswap v4), else its address")


class SwapWay(Part):
    """One of the ways that a swap is split over: through all of its pools, one after the other."""

    pools: tuple[SwapPool, ...] = Field(description="in the order in which they are gone through")
    taken: Money = Field(description="what goes in")
    given: Money = Field(description="what comes out")
    gas: int = Field(description="gas of its transactions, on Solana compute units")


class IndependentPrice(Part):
    """A price that the swap itself cannot move."""

    source: str = Field(description="who says so")
    rate: float | None = Field(description="tokens that come out for one that goes in; null: no number")


class AggregatorQuote(Part):
    """What the aggregator says, by its own word; nothing of it is ever signed."""

    name: str = Field(description="the aggregator")
    tool: str = Field(description="the exchange or bridge that it would use")
    given: Money = Field(description="what it estimates that comes out")
    least: Money = Field(description="what its transaction would hold to")
    fees_usd: Number = Field(description="its fees")
    gas_usd: Number = Field(description="the gas")
    seconds: Number = Field(description="how long it takes")


class AggregatorFault(Part):
    """Why the aggregator says nothing."""

    name: str = Field(description="the aggregator")
    error: str = Field(description="why there is no quote of it")


class QuoteDocument(Document):
    """What a swap would give now, by our own arithmetic."""

    SCHEMA: ClassVar[str] = "quote"

    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    block: int = Field(description="the block, or slot, that the pools were read at")
    taken: Money = Field(description="what goes in")
    given: Money = Field(description="what comes out")
    exact_out: bool = Field(description="whether `--out` was asked for")
    gas: int = Field(description="gas of all parts' transactions, on Solana compute units")
    gas_cost: Money = Field(
        description="what that costs, in the token that comes out, with `exact_out` in the one that goes in; 0 where "
        "it cannot be weighed"
    )
    bound: float | None = Field(
        description="tokens after gas that no split over these ways exceeds; with `exact_out`: none needs less than"
    )
    gap_bps: float | None = Field(description="how far this split may be from that, in bp of the swap")
    prices: tuple[IndependentPrice, ...] = Field(description="independent prices")
    least: Money | None = Field(description="what a swap must give; null: it is declined")
    declined: Refusal | None = Field(description="why nobody should swap so; null: nothing speaks against it")
    parts: tuple[SwapWay, ...] = Field(description="the ways, the largest first")
    unread: tuple[str, ...] = Field(description="what could not be read, and why")
    aggregator: AggregatorQuote | AggregatorFault | None = Field(
        description="what the aggregator says beside it; null: it was not asked (`--aggregator`)"
    )


class BridgeQuoteDocument(Document):
    """With `--to-chain`: what a bridge would give, by the aggregator's word alone."""

    SCHEMA: ClassVar[str] = "quote-bridge"

    chain_id: str = Field(description="the chain that is left")
    to_chain_id: str = Field(description="the chain that is gone to")
    taken: Money = Field(description="what goes in")
    aggregator: AggregatorQuote = Field(description="what the aggregator says")
