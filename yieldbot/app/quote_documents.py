"""The documents of ``quote``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money, Refusal

Number = int | float
"""Integers stay integers in the JSON."""


class SwapPool(Part):
    """A pool that a swap goes through."""

    name: str = Field(description="the exchange's name in chains/*.toml")
    protocol: str = Field(description="the protocol's name")
    address: str = Field(description="the contract's address")
    id: str = Field(description="the pool's id where one contract has many (Uniswap v4), else its address")


class SwapWay(Part):
    """One route of a split swap, with its pools in order."""

    pools: tuple[SwapPool, ...] = Field(description="its pools, in order")
    taken: Money = Field(description="what goes in")
    given: Money = Field(description="what comes out")
    gas: int = Field(description="gas of its transactions; on Solana compute units")


class IndependentPrice(Part):
    """A price by an oracle that the swap itself cannot move."""

    source: str = Field(description="the price oracle")
    rate: float | None = Field(description="output tokens for one input token; null: not a finite number")


class AggregatorQuote(Part):
    """The aggregator's quote. It is not checked, and nothing of it is ever signed."""

    name: str = Field(description="the aggregator")
    tool: str = Field(description="the exchange or bridge that it would use")
    given: Money = Field(description="estimated output")
    least: Money = Field(description="minimum out of its transaction")
    fees_usd: Number = Field(description="its fees, in US dollars")
    gas_usd: Number = Field(description="the gas, in US dollars")
    seconds: Number = Field(description="expected duration in seconds")


class AggregatorFault(Part):
    """Why there is no quote of the aggregator."""

    name: str = Field(description="the aggregator")
    error: str = Field(description="why there is none")


class QuoteDocument(Document):
    """The best split of a swap over the chain's pools, by our own arithmetic."""

    SCHEMA: ClassVar[str] = "quote"

    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    block: int = Field(description="the block, or slot, that the pools were read at")
    taken: Money = Field(description="what goes in")
    given: Money = Field(description="what comes out")
    exact_out: bool = Field(description="whether the output is exact (`--out`)")
    gas: int = Field(description="gas of all transactions; on Solana compute units")
    gas_cost: Money = Field(
        description="cost of that gas in the output token, with `exact_out` in the input token; 0 where it cannot be "
        "priced"
    )
    bound: float | None = Field(
        description="upper bound of the output after gas over all splits of these routes; with `exact_out`: lower bound"
        " of the input"
    )
    gap_bps: float | None = Field(description="distance of this split from the bound, in bp of the swap")
    prices: tuple[IndependentPrice, ...] = Field(description="prices of oracles")
    least: Money | None = Field(
        description="minimum out that a swap would be given, with `exact_out` the output itself; null: it is declined"
    )
    most: Money | None = Field(
        default=None, description="with `exact_out` the most that goes in; null: the input is exact, or it is declined"
    )
    declined: Refusal | None = Field(description="why the swap would be refused; null: it would not")
    parts: tuple[SwapWay, ...] = Field(description="the routes, the largest first")
    unread: tuple[str, ...] = Field(description="pools and oracles that could not be read, each with the reason")
    aggregator: AggregatorQuote | AggregatorFault | None = Field(
        description="the aggregator's quote for the same swap; null: it was not asked (`--aggregator`)"
    )


class BridgeQuoteDocument(Document):
    """With `--to-chain`: the aggregator's quote for bridging, which nothing checks."""

    SCHEMA: ClassVar[str] = "quote-bridge"

    chain_id: str = Field(description="the source chain's identifier")
    to_chain_id: str = Field(description="the destination chain's identifier")
    taken: Money = Field(description="what goes in")
    aggregator: AggregatorQuote = Field(description="the aggregator's quote")
