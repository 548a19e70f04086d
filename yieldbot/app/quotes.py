"""``quote``: what a swap would bring now, computed from the pools' state, and over which pools.

An aggregator's quote (LI.FI's, for bridging too; on Solana Jupiter's) can be shown with it; it decides nothing and is
never signed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from yieldbot.allocator.route import route, route_for
from yieldbot.app.formatting import number
from yieldbot.app.parts import Money, Refusal
from yieldbot.app.quote_documents import (
    AggregatorFault,
    AggregatorQuote,
    BridgeQuoteDocument,
    IndependentPrice,
    QuoteDocument,
    SwapPool,
    SwapWay,
)
from yieldbot.bridges import jupiter, lifi
from yieldbot.bridges.answers import Quoted
from yieldbot.chains.open import chain_of
from yieldbot.config.chain import load_chain
from yieldbot.config.load import chain_names, read_toml
from yieldbot.errors import ConfigError, MarketError, TransientError, YieldbotError
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean, intended
from yieldbot.risk.prices import (
    MOST_APART_BPS,
    FairOutput,
    below_minimum,
    depegged,
    fair_output,
    most_in,
    stale,
    uncertain,
)
from yieldbot.rpc.service import get

if TYPE_CHECKING:
    from yieldbot.allocator.route import Route
    from yieldbot.app.context import Context
    from yieldbot.chains.quote_values import QuoteInputs
    from yieldbot.model.amounts import Amount, Token
    from yieldbot.model.plan import Declined
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import ChainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """A swap to quote; either ``amount`` or ``out`` is given."""

    given: str
    """The symbol of the token that goes in."""
    wanted: str
    """The symbol of the token that comes out."""
    amount: str | None = None
    """How much goes in, in whole tokens."""
    out: str | None = None
    """How much comes out, exactly, in whole tokens."""
    slippage_bps: float = 50.0
    """Largest shortfall against the best oracle price, in basis points, from 0, below 10000."""
    chain: str | None = None
    """The chain's name; None: the one chain that has jobs."""
    aggregator: str | None = None
    """The URL of an aggregator with LI.FI's API (on Solana Jupiter's); empty: its own; None: no aggregator is asked."""
    to_chain: str | None = None
    """The chain of ``wanted``, if it is a different one: asks for a quote for bridging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A quote and what it was computed from."""

    document: QuoteDocument
    """For ``--json``."""
    chain: ChainSettings
    """The chain of the swap."""
    route: Route
    """The split over the chain's pools."""
    read: QuoteInputs
    """The pools and prices as they were read."""
    judged: FairOutput | Declined
    """The minimum out, or why the swap would be refused."""
    most: Amount | None
    """Of an exact output the most that goes in; None: the input is exact, or the swap would be refused."""
    aggregated: Quoted | YieldbotError | None
    """The aggregator's quote, or why there is none; None: it was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeQuote:
    """An aggregator's quote for bridging from one chain to another."""

    document: BridgeQuoteDocument
    """For ``--json``."""
    chain: ChainSettings
    """The source chain."""
    to_chain: ChainSettings
    """The destination chain."""
    aggregated: Quoted
    """The aggregator's quote."""


def quote(request: QuoteRequest, context: Context) -> Quote | BridgeQuote:
    """Quotes a swap, or with ``to_chain`` bridging. Raises ConfigError for a request that names no swap, MarketError
    for one that the pools cannot make, TransientError where the chain (for bridging: the aggregator) cannot be
    asked."""
    if not 0 <= request.slippage_bps < 10_000:
        raise ConfigError(f"--slippage-bps {request.slippage_bps:g}: name a number from 0 up to 10000")
    chain = _chain(request.chain, context)
    if request.to_chain is not None and request.to_chain != chain.name:
        return _bridge(request, request.to_chain, chain, context)
    given, wanted = (_token(chain, name) for name in (request.given, request.wanted))
    if given == wanted:
        raise ConfigError("FROM and TO are the same token")
    match request.amount, request.out:
        case str(amount), None:
            exact = _amount("AMOUNT", given, amount)
        case None, str(out):
            exact = _amount("--out", wanted, out)
        case _:
            raise ConfigError("name either AMOUNT, what goes in, or --out AMOUNT, what comes out")
    if not chain.exchanges:
        raise ConfigError(f"chains/{chain.name}.toml has no [[exchanges]] table: add one (docs/configuration.md)")
    try:
        read = asyncio.run(chain_of(chain).quotes(given, wanted))
        if request.out is None:
            found = route(read.states, exact, wanted, read.unit_cost(wanted), read.way_cost(wanted))
        else:
            found = route_for(read.states, given, exact, read.unit_cost(given), read.way_cost(given))
    except Unswappable as bad:
        what = f"{exact} for {wanted.symbol}" if request.out is None else f"{exact} out of {given.symbol}"
        raise MarketError(f"{what} on {chain.name}: {bad}: name a smaller amount") from None
    judged = _judged(chain, context.settings.policy, found, read, request.slippage_bps)
    other = None if request.aggregator is None else _aggregated(request, context, chain, found.taken, wanted)
    most = None
    if found.exact_out and isinstance(judged, FairOutput):
        most = most_in(judged, found.given, found.taken.token, request.slippage_bps)
    document = _document(chain, found, read, judged, most, other)
    return Quote(document=document, chain=chain, route=found, read=read, judged=judged, most=most, aggregated=other)


def _bridge(request: QuoteRequest, to_chain: str, chain: ChainSettings, context: Context) -> BridgeQuote:
    """The aggregator's quote for bridging, which we cannot check."""
    if request.aggregator is None or request.out is not None or request.amount is None:
        raise ConfigError("--to-chain: bridges are quoted by LI.FI alone: name AMOUNT and --aggregator, and no --out")
    there = _chain_file(context, to_chain)
    given, wanted = _token(chain, request.given), _token(there, request.wanted)
    found = _aggregated(request, context, chain, _amount("AMOUNT", given, request.amount), wanted)
    if isinstance(found, YieldbotError):
        raise found
    document = BridgeQuoteDocument(
        chain_id=chain.chain, to_chain_id=there.chain, taken=Money.of(found.taken), aggregator=_quoted(found)
    )
    return BridgeQuote(document=document, chain=chain, to_chain=there, aggregated=found)


def _aggregated(
    request: QuoteRequest, context: Context, chain: ChainSettings, given: Amount, wanted: Token
) -> Quoted | YieldbotError:
    """The aggregator's quote, or why there is none; our own quote does not depend on it."""
    if jupiter.serves(chain.chain):
        return _jupiters(request, given, wanted)
    owner = next(job.wallet.address for job in context.settings.jobs if job.chain.name == chain.name)
    try:
        url = lifi.request(given, wanted, owner, request.slippage_bps, request.aggregator or lifi.URL)
        return lifi.answered(get(url), given, wanted, owner)
    except (TransientError, MarketError) as failure:
        return failure


def _jupiters(request: QuoteRequest, given: Amount, wanted: Token) -> Quoted | YieldbotError:
    if request.out is not None:
        raise ConfigError("--aggregator: Jupiter is only asked for an exact input: name AMOUNT and no --out")
    try:
        url = jupiter.request(given, wanted, request.slippage_bps, request.aggregator or jupiter.URL)
        return jupiter.answered(get(url), given, wanted)
    except (TransientError, MarketError) as failure:
        return failure


def _amount(name: str, token: Token, text: str) -> Amount:
    try:
        amount = token.parse(text)
    except ValueError as bad:
        raise ConfigError(f"{name}: {bad}") from None
    if amount.raw <= 0:
        raise ConfigError(f"{name} {text}: must be above 0")
    return amount


def _judged(
    chain: ChainSettings, policy: Policy, found: Route, read: QuoteInputs, slippage_bps: float
) -> FairOutput | Declined:
    """The minimum out of the swap, or why it would be refused: old feeds, a lost peg, prices that differ, too little
    output."""
    updated = {token.symbol: price.updated_at for token, price in read.usd.items()}
    usd = {token: price.usd for token, price in read.usd.items()}
    oldest = chain.family.feed_age_seconds(policy.max_feed_age_seconds)
    refused = stale(updated, read.block.timestamp, oldest)
    refused = refused or uncertain({token.symbol: price.unsure for token, price in read.usd.items()}, MOST_APART_BPS)
    refused = refused or depegged((found.taken.token, found.given.token), usd, chain.pegged, policy.max_depeg_bps)
    judged = refused or fair_output(read.prices, found.taken, found.given.token, slippage_bps)
    return (below_minimum(found.given, judged.least) or judged) if isinstance(judged, FairOutput) else judged


def _chain(name: str | None, context: Context) -> ChainSettings:
    chains = {job.chain.name: job.chain for job in context.settings.jobs}
    if name is None and len(chains) == 1:
        return next(iter(chains.values()))
    if name is None:
        raise ConfigError(f"several chains have jobs: name one by --chain: {', '.join(sorted(chains)) or 'none'}")
    found = intended(name, chains)
    if found is None:
        raise ConfigError(f"--chain {name}: no job is on it: {did_you_mean(name, sorted(chains))}")
    return chains[found]


def _chain_file(context: Context, name: str) -> ChainSettings:
    """An EVM chain of chains/, whether a job is on it or not."""
    files = chain_names(context.config)
    called = intended(name, files)
    if called is None:
        raise ConfigError(f"--to-chain {name}: no file of chains/ describes it: {did_you_mean(name, sorted(files))}")
    found = load_chain(files[called], read_toml(files[called]), {})
    if not lifi.serves(found.chain):
        raise ConfigError(f"--to-chain {name}: it is no EVM chain: name one")
    return found


def _token(chain: ChainSettings, name: str) -> Token:
    found = intended(name, chain.tokens)
    if found is None:
        raise ConfigError(f"{name}: no token of {chain.name}: {did_you_mean(name, chain.tokens)}")
    return chain.tokens[found]


def _least(found: Route, judged: FairOutput | Declined) -> Money | None:
    if not isinstance(judged, FairOutput):
        return None
    return Money.of(found.given if found.exact_out else judged.least)


def _document(
    chain: ChainSettings,
    found: Route,
    read: QuoteInputs,
    judged: FairOutput | Declined,
    most: Amount | None,
    other: Quoted | YieldbotError | None,
) -> QuoteDocument:
    return QuoteDocument(
        chain_id=chain.chain,
        block=read.block.height,
        taken=Money.of(found.taken),
        given=Money.of(found.given),
        exact_out=found.exact_out,
        gas=sum(part.gas for part in found.parts),
        gas_cost=Money.of(found.cost),
        bound=number(found.bound),
        gap_bps=number(found.gap_bps),
        prices=tuple(IndependentPrice(source=who, rate=number(rate)) for who, rate in sorted(read.prices.items())),
        least=_least(found, judged),
        most=Money.or_none(most),
        declined=None if isinstance(judged, FairOutput) else Refusal.of(judged),
        parts=tuple(
            SwapWay(
                pools=tuple(
                    SwapPool(name=pool.name, protocol=pool.protocol, address=pool.address, id=pool.id)
                    for pool in part.pools
                ),
                taken=Money.of(part.taken),
                given=Money.of(part.given),
                gas=part.gas,
            )
            for part in found.parts
        ),
        unread=tuple(read.unread),
        aggregator=None if other is None else _aggregator(chain, other),
    )


def aggregator_name(chain: ChainSettings) -> str:
    """The aggregator that is asked for swaps on this chain."""
    return jupiter.NAME if jupiter.serves(chain.chain) else lifi.NAME


def _aggregator(chain: ChainSettings, found: Quoted | YieldbotError) -> AggregatorQuote | AggregatorFault:
    if isinstance(found, Quoted):
        return _quoted(found)
    return AggregatorFault(name=aggregator_name(chain), error=str(found))


def _quoted(found: Quoted) -> AggregatorQuote:
    return AggregatorQuote(
        name=found.name,
        tool=found.tool,
        given=Money.of(found.given),
        least=Money.of(found.least),
        fees_usd=found.fees_usd,
        gas_usd=found.gas_usd,
        seconds=found.seconds,
    )
