"""Profit and loss of liquidity since entry, for ``positions``: one for each pool that we are or were in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from yieldbot.allocator.liquidity_market import market_id
from yieldbot.app.profit import Accounting, in_native, per_native, unit_of
from yieldbot.books.entries import Account, Entry, EntryKind, in_order, is_liquidity
from yieldbot.books.ledger import BASE, PriceQuote
from yieldbot.books.liquidity_pnl import SHARES, LiquidityPnl, PoolHoldings, liquidity_pnl
from yieldbot.chains.evm.liquidity.account_history import ByHand, Moves, by_hand, moves_of
from yieldbot.chains.evm.liquidity.position_events import past_of
from yieldbot.errors import TransientError
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.liquidity import PoolPosition

if TYPE_CHECKING:
    from yieldbot.app.overview import Observation
    from yieldbot.chains.evm.liquidity.position_events import PositionHistory
    from yieldbot.chains.evm.liquidity.view import LiquidityView
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.exchange import Pool
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job


@dataclass(frozen=True, slots=True)
class PoolProfit:
    """One pool's profit and loss since entry."""

    market_id: MarketId
    """The pool's market identifier."""
    name: str
    """The pool's name with its pair."""
    token_ids: tuple[int, ...]
    """NFT numbers of our open positions."""
    worth: tuple[Amount, ...]
    """What our open positions would pay out now."""
    found: LiquidityPnl | str
    """Profit and loss, or why it is not known."""
    left: bool
    """Whether we have no position there any more."""
    unit: str
    """The currency of the figures: USD, or the unit of the jobs' base."""


async def gains(
    node: Node,
    job: Job,
    observed: Sequence[Observation],
    accounting: Accounting,
    view: LiquidityView,
    pasts: Sequence[PositionHistory | str],
) -> tuple[PoolProfit, ...]:
    """Profit and loss of every pool that one wallet on one chain is in, or was in according to the journal."""
    account = (job.chain.chain, job.wallet.address)
    own = tuple(entry for entry in accounting.own(account) if entry.market_id and is_liquidity(entry.market_id))
    there, pools = _held(view, pasts), {market_id(state.pool): state.pool for state in view.states.values()}
    unread = {market_id(pool) for pool, _ in view.failed}
    moves: Moves = {}
    hand, fault = ByHand(), None
    try:
        moves, hand = await _moves(node, job, observed, own, view, pasts)
    except TransientError as passing:
        fault = f"not known: {passing}"
    own = in_order([*own, *hand.entries])
    ids = dict.fromkeys([*there, *(entry.market_id for entry in own if entry.kind is EntryKind.LIQUIDITY)])
    names, waits = accounting.names, accounting.open(account)
    rows = []
    for one in ids:
        assert one is not None
        held = None if one in unread or one not in pools else there.get(one, PoolHoldings())
        tokens = _tokens(pools.get(one), [entry for entry in own if entry.market_id == one])
        unit, native, snapshot = _unit(observed, account, tokens)
        priced = accounting.quotes(account, hand.quotes)
        now = {token: PriceQuote(Fraction(repr(usd)), "now") for token, usd in view.usd.items()}
        if unit != BASE:
            converted = {token: snapshot and per_native(quote, native, snapshot) for token, quote in now.items()}
            priced, now = in_native(priced, native), {token: quote for token, quote in converted.items() if quote}
        found = waits.get(one) or fault or liquidity_pnl(own, account, one, moves, held, now, priced)
        if found is None:
            continue
        if not isinstance(found, str) and found.lacks and unit != BASE:
            found = replace(found, lacks=f"{found.lacks} in {unit}")
        pool, is_in = pools.get(one), one in there
        rows.append(
            PoolProfit(
                market_id=one,
                name=names.get(one, one) if pool is None else f"{pool.name} {pool.token0.symbol}/{pool.token1.symbol}",
                token_ids=tuple(token_id for token_id in there[one].liquidity if token_id != SHARES) if is_in else (),
                worth=tuple(Amount(token, raw) for token, raw in there[one].amounts.items()) if is_in else (),
                found=found,
                left=held is not None and not is_in,
                unit=unit,
            )
        )
    return tuple(rows)


async def _moves(
    node: Node,
    job: Job,
    observed: Sequence[Observation],
    own: Sequence[Entry],
    view: LiquidityView,
    pasts: Sequence[PositionHistory | str],
) -> tuple[Moves, ByHand]:
    """Position events of our transactions, and of what the account did to these positions with other programs."""
    table = {manager for one in job.chain.exchanges if (manager := one.params.get("manager"))}
    managers = frozenset(checksummed(str(manager)) for manager in table)
    moves = await moves_of(node, [e.hash for e in own if e.kind in (EntryKind.LIQUIDITY, EntryKind.GAS)], managers)
    states = {market_id(state.pool): state for state in view.states.values()}
    held = [p for p in view.positions if p.token_id is not None]
    places = {p.token_id: (market_id(p.state.pool), p.state.pool) for p in held if p.token_id is not None}
    hashes = {name for past in pasts if not isinstance(past, str) for name in past.hashes}
    left: dict[int, int] = {}
    for entry in own:
        for one in moves.get(entry.hash, ()):
            left[one.position] = left.get(one.position, 0) + one.liquidity
            state = states.get(entry.market_id) if entry.market_id else None
            if state is not None and one.position not in places:
                places[one.position] = (market_id(state.pool), state.pool)
    for number in left.keys() & places.keys() - {p.token_id for p in held}:
        if left[number]:  # we put it in, and it is not there
            state = states[places[number][0]]
            gone = PoolPosition(state=state, token_id=number, ticks=None, liquidity=0, amounts=(0, 0), fees=(0, 0))
            past = await past_of(node, gone, view.block)
            hashes |= frozenset() if isinstance(past, str) else past.hashes
    owner, ours = job.wallet.address, {entry.hash.lower() for entry in own}
    also = {token for one, _ in observed if one.chain == job.chain and (token := unit_of(one)[1]) is not None}
    hand = await by_hand(node, job.chain, owner, sorted(hashes - ours), places, managers, also)
    return {**moves, **hand.moves}, hand


def _held(view: LiquidityView, pasts: Sequence[PositionHistory | str]) -> dict[MarketId, PoolHoldings]:
    """Our liquidity and amounts in each pool."""
    found: dict[MarketId, PoolHoldings] = {}
    for position, past in zip(view.positions, pasts, strict=True):
        pool = position.state.pool
        number = SHARES if position.token_id is None else position.token_id
        units = position.shares if position.token_id is None else position.liquidity
        paid_out = {} if isinstance(past, str) or position.token_id is None else {number: past.collected}
        before = found.get(market_id(pool), PoolHoldings(amounts={pool.token0: 0, pool.token1: 0}))
        parts = zip((pool.token0, pool.token1), position.amounts, position.fees, strict=True)
        found[market_id(pool)] = PoolHoldings(
            liquidity={**before.liquidity, number: units},
            amounts={token: before.amounts[token] + amount + fee for token, amount, fee in parts},
            collected={**before.collected, **paid_out},
        )
    return found


def _tokens(pool: Pool | None, entries: Sequence[Entry]) -> set[Token]:
    """A pool's tokens; if the pool was not read, those that the entries name."""
    if pool is not None:
        return {pool.token0, pool.token1}
    return {delta.token for entry in entries for delta in entry.changes if delta.token not in entry.shares}


def _unit(
    observed: Sequence[Observation], account: Account, tokens: set[Token]
) -> tuple[str, Token | None, Snapshot | None]:
    """(unit, token, snapshot): the unit of the account's jobs over a pool's tokens if they share one, else US dollars;
    the native token if that is the unit; and a snapshot that prices it."""
    own = [(job, snapshot) for job, snapshot in observed if (job.chain.chain, job.wallet.address) == account]
    units = {unit_of(job) for job, _ in own if tokens & set(job.assets)}
    snapshot = next((one for _, one in own if not isinstance(one, str)), None)
    return (*(units.pop() if len(units) == 1 else (BASE, None)), snapshot)
