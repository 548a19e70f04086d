"""Profit and loss of liquidity in a pool since it was entered, in the base currency, without gas. Pure.

Profit is the present value (uncollected fees included) plus what came out, less what went in, each at its price when it
moved. A lot is liquidity of one position, or LP tokens of a pair; it costs what was put in for it. Tokens that reach
the wallet are realised, less the first-in-first-out cost of the liquidity removed for them; collected fees have no
cost. A swap on the way in or out realises what it brought less what it took. All positions in a pool form one stay,
from the first deposit of liquidity until none is left; an order that takes all out and puts it in again (a rebalanced
range) continues the stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction

from yieldbot.books.entries import Account, Entry, EntryKind
from yieldbot.books.ledger import PriceQuote, QuoteOf, value_of
from yieldbot.books.lots import Lot, Lots, cost, put, take, total
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.tx import Delta

SHARES = 0
"""Number that stands for LP tokens of a pair, which have no position number."""
NOTHING = (0, 0)
ROUNDING = 10
"""Base units by which a pool may pay out less than the manager's Collect event says
(NonfungiblePositionManager.collect)."""


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """An event of a position."""

    position: int
    """The position's number."""
    liquidity: int
    """Units of liquidity added; negative: removed; 0: tokens were collected."""
    amounts: tuple[int, int] = NOTHING
    """Base units of token0 and token1."""


@dataclass(frozen=True, slots=True)
class PoolHoldings:
    """Our liquidity in a pool now, read from the chain."""

    liquidity: Mapping[int, int] = field(default_factory=dict)
    """Units of liquidity, by position."""
    amounts: Mapping[Token, int] = field(default_factory=dict)
    """Base units by token, uncollected fees included."""
    collected: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Base units of token0 and token1 that each position has paid out since it was last empty; positions for which the
    chain does not show this are left out."""


@dataclass(frozen=True, slots=True)
class LiquidityPnl:
    """Profit and loss of a pool's liquidity. Money is in the base currency; None where a price is missing."""

    since: int
    """Unix seconds of the first entry of the stay."""
    put_in: tuple[Amount, ...]
    """Base units put in since then, by token, swaps not included."""
    taken_out: tuple[Amount, ...]
    """Base units taken out since then, by token, swaps not included."""
    swaps: Fraction | None
    """What swaps brought less what they took; included in ``realised``."""
    realised: Fraction | None
    """Profit on what was taken out."""
    unrealised: Fraction | None
    """Profit on what is in the pool now."""
    gas: Amount | None
    """Native tokens paid for fees since then; None if a fee is unknown."""
    gas_base: Fraction | None
    """Value of those fees when they were paid."""
    lacks: str | None = None
    """Which price is missing, as a phrase."""

    @property
    def base(self) -> Fraction | None:
        """Realised plus unrealised profit."""
        return None if self.realised is None or self.unrealised is None else self.realised + self.unrealised


def liquidity_pnl(
    entries: Iterable[Entry],
    account: Account,
    market_id: MarketId,
    moves: Mapping[str, Sequence[PositionEvent]],
    held: PoolHoldings | None,
    now: Mapping[Token, PriceQuote],
    quote_of: QuoteOf,
) -> LiquidityPnl | str | None:
    """A pool's profit and loss over the present stay or, if nothing is in the pool, over the last one.

    entries: in order. moves: the position events of each entry's transaction, by hash (LP tokens of a pair need none).
    held: None if the pool could not be read. now: present prices. Returns None if no entry belongs to the pool, and a
    message if something is missing.
    """
    stay, ended = _Stay(), None
    for entry in entries:
        if entry.account != account or entry.market_id != market_id:
            continue
        if stay.over and (not entry.plan or entry.plan != stay.plan):
            stay, ended = _Stay(), stay
        stay.plan = entry.plan
        stay.take_in(entry, _moved(entry, market_id, moves), quote_of)
    shown = ended if stay.since is None and ended is not None and not stay.fault else stay
    fault = shown.fault or shown.differs(held)
    if fault:
        return f"not known: {fault}"
    return None if shown.since is None else shown.result(held or PoolHoldings(), now)


def _moved(
    entry: Entry, market_id: MarketId, moves: Mapping[str, Sequence[PositionEvent]]
) -> Sequence[PositionEvent] | None:
    """What an entry did to positions; None if unknown. A pair's LP tokens follow from the wallet's changes."""
    if entry.kind in (EntryKind.SWAP, EntryKind.REVERTED):
        return ()
    pair = market_id.rpartition("/")[2].lower()
    shares = sum(delta.raw for delta in entry.changes if delta.token.address.lower() == pair)
    if market_id.startswith("uniswap_v2_lp/"):
        return (PositionEvent(SHARES, shares),) if shares else ()
    return moves.get(entry.hash)


@dataclass(slots=True)
class _Stay:
    """One stay of liquidity in a pool, while its entries are added."""

    since: int | None = None
    """Unix seconds of the entry."""
    plan: str = ""
    """Plan of the last transaction."""
    put_in: dict[Token, int] = field(default_factory=dict)
    """Base units since the entry, by token."""
    taken_out: dict[Token, int] = field(default_factory=dict)
    """Base units since the entry, by token."""
    lots: dict[int, Lots] = field(default_factory=dict)
    """Lots that are in the pool, by position."""
    leaving: dict[int, Lots] = field(default_factory=dict)
    """Lots that were removed but not collected yet, by position."""
    collected: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Base units paid out by each position since it was last empty."""
    swaps: Fraction | None = field(default_factory=Fraction)
    """What swaps brought less what they took, in the base currency."""
    realised: Fraction | None = field(default_factory=Fraction)
    """Realised profit, in the base currency."""
    native: Token | None = None
    """Token that fees are paid in."""
    gas: int | None = 0
    """Native base units paid for fees; None if a fee is unknown."""
    gas_base: Fraction | None = field(default_factory=Fraction)
    """Its value in the base currency."""
    lacks: str | None = None
    """The first missing price."""
    fault: str | None = None
    """Why the figures cannot be known."""

    @property
    def over(self) -> bool:
        """Whether something was in the pool and nothing is left."""
        begun = self.since is not None or self.fault is not None
        return begun and not any((*self.lots.values(), *self.leaving.values()))

    def take_in(self, entry: Entry, moved: Sequence[PositionEvent] | None, quote_of: QuoteOf) -> None:
        """Account for one more entry."""
        changes = [delta for delta in entry.changes if delta.token not in entry.shares]
        if entry.kind is EntryKind.SWAP:
            brought = self._value(changes, entry, quote_of)
            self.swaps, self.realised = _plus(self.swaps, brought), _plus(self.realised, brought)
        elif moved is None:
            self.fault = self.fault or f"what {entry.hash} did to the position cannot be read"
        else:
            self._move(entry, moved, changes, quote_of)
        self._pay(entry, quote_of)

    def _move(self, entry: Entry, moved: Sequence[PositionEvent], changes: Sequence[Delta], quote_of: QuoteOf) -> None:
        gave, got = [d for d in changes if d.raw < 0], [d for d in changes if d.raw > 0]
        into, paid_out = [m for m in moved if m.liquidity > 0], [m for m in moved if not m.liquidity]
        agree = any(one.position == SHARES for one in moved) or (_agree(gave, into) and _agree(got, paid_out))
        if len(into) != bool(gave) or not agree:
            self.fault = self.fault or f"what {entry.hash} moved is not what its events tell"
        for one in into:
            paid = self._value(gave, entry, quote_of)
            self.since = entry.at if self.since is None else self.since
            if not self.lots.get(one.position):
                self.collected[one.position] = NOTHING
            lot = Lot(one.liquidity, None if paid is None else -paid, entry.at)
            self.lots[one.position] = put(self.lots.get(one.position, ()), lot)
        for one in moved:
            if one.liquidity < 0:
                taken, self.lots[one.position], missing = take(self.lots.get(one.position, ()), -one.liquidity)
                self.leaving[one.position] = (*self.leaving.get(one.position, ()), *taken)
                if missing:
                    self.fault = self.fault or f"{entry.hash} took out more than our transactions put in"
            elif not one.liquidity:
                so_far = self.collected.get(one.position, NOTHING)
                self.collected[one.position] = (so_far[0] + one.amounts[0], so_far[1] + one.amounts[1])
        for delta in gave:
            self.put_in[delta.token] = self.put_in.get(delta.token, 0) - delta.raw
        for delta in got:
            self.taken_out[delta.token] = self.taken_out.get(delta.token, 0) + delta.raw
        if got or paid_out:
            value = self._value(got, entry, quote_of)
            left = cost(tuple(lot for one in moved for lot in self.leaving.pop(one.position, ())))
            self.realised = _plus(self.realised, None if value is None or left is None else value - left)

    def _pay(self, entry: Entry, quote_of: QuoteOf) -> None:
        self.native = self.native or entry.native
        if entry.native is None or entry.fee_raw == 0:
            return
        self.gas = None if self.gas is None or entry.fee_raw is None else self.gas + entry.fee_raw
        quote = quote_of(entry, entry.native)
        self.gas_base = _plus(
            self.gas_base, None if entry.fee_raw is None else value_of(entry.native, entry.fee_raw, quote)
        )

    def _value(self, changes: Sequence[Delta], entry: Entry, quote_of: QuoteOf) -> Fraction | None:
        quotes = {delta.token: quote for delta in changes if (quote := quote_of(entry, delta.token)) is not None}
        return self._sum([(delta.token, delta.raw) for delta in changes], quotes, f"at block {entry.height}")

    def _sum(
        self, amounts: Iterable[tuple[Token, int]], quotes: Mapping[Token, PriceQuote], when: str
    ) -> Fraction | None:
        whole = Fraction(0)
        for token, raw in amounts:
            value = value_of(token, raw, quotes.get(token))
            if value is None and raw:
                self.lacks = self.lacks or f"no price of {token.symbol} {when} is known"
                return None
            whole += value or 0
        return whole

    def differs(self, held: PoolHoldings | None) -> str | None:
        """Why the entries cannot be complete, according to the chain; None if they can."""
        ours = {position: units for position, lots in self.lots.items() if (units := total(lots))}
        if held is None:
            return "the pool could not be read" if ours else None
        there = {position: units for position, units in held.liquidity.items() if units}
        for position in ours | there:
            if ours.get(position, 0) != there.get(position, 0):
                what = "shares of the pair" if position == SHARES else f"liquidity of position {position}"
                return f"{what} moved by a transaction that is not ours"
        for position, paid_out in held.collected.items():
            if self.collected.get(position, NOTHING) != paid_out:
                return f"position {position} paid out by a transaction that is not ours"
        return None

    def result(self, held: PoolHoldings, now: Mapping[Token, PriceQuote]) -> LiquidityPnl:
        assert self.since is not None
        remaining = cost(tuple(lot for lots in (*self.lots.values(), *self.leaving.values()) for lot in lots))
        worth = self._sum(held.amounts.items(), now, "now")
        return LiquidityPnl(
            since=self.since,
            put_in=_amounts(self.put_in),
            taken_out=_amounts(self.taken_out),
            swaps=self.swaps,
            realised=self.realised,
            unrealised=None if remaining is None or worth is None else worth - remaining,
            gas=None if self.gas is None or self.native is None else Amount(self.native, self.gas),
            gas_base=self.gas_base,
            lacks=self.lacks,
        )


def _agree(changes: Sequence[Delta], moved: Sequence[PositionEvent]) -> bool:
    """Whether the wallet's changes equal the amounts in the events."""
    stated = sorted(sum(one.amounts[side] for one in moved) for side in (0, 1))
    ours = sorted([0, 0, *(abs(delta.raw) for delta in changes)])[-2:]
    return len(changes) <= 2 and all(abs(a - b) <= ROUNDING for a, b in zip(stated, ours, strict=True))


def _amounts(sums: Mapping[Token, int]) -> tuple[Amount, ...]:
    """Amounts in the pool's order of tokens, which is that of their addresses."""
    return tuple(Amount(token, sums[token]) for token in sorted(sums, key=lambda token: token.address.lower()))


def _plus(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one + other
