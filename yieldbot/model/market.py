"""Markets and their states at one block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.exchange import Exchange, Price
from yieldbot.model.fees import ChainFees, SvmFees
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.liquidity import LiquidityMarket


class Kind(StrEnum):
    """What sort of thing a market is."""

    LENDING = "lending"
    VAULT = "vault"
    LIQUIDITY = "lp"
    """A pool of two tokens (``lp`` in documents)."""
    STAKING = "staking"
    IDLE = "idle"
    """The wallet itself."""
    EXCHANGE = "exchange"
    """No money stays there: what a swap's leg is carried out at."""


class Status(StrEnum):
    """What a market allows now."""

    ACTIVE = "active"
    """Deposits and withdrawals."""
    FROZEN = "frozen"
    """Withdrawals only."""
    PAUSED = "paused"
    """Nothing."""


class ExitKind(StrEnum):
    """How money leaves a market."""

    INSTANT = "instant"
    """In one transaction, as far as there is cash."""
    COOLDOWN = "cooldown"
    """Requested, then paid after a fixed time."""
    REQUEST = "request"
    """Requested, then paid when somebody serves the queue."""
    WINDOW = "window"
    """Only at certain times."""
    MATURITY = "maturity"
    """Only at one time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How money leaves a market, as its contracts state it: a claim, until a rehearsal has shown it."""

    kind: ExitKind = ExitKind.INSTANT
    """How money leaves."""
    seconds: int | None = 0
    """From asking until the money is there, at the longest; None where nothing bounds it."""
    cash: Amount | None = None
    """What all suppliers together could withdraw now, in the market's asset; None where that is not known, or where the
    market's ``liquidity`` states it."""
    limit: str = ""
    """What limits it beside the cash, as a phrase; empty: nothing does."""
    priced: bool = False
    """A withdrawal needs an oracle's fresh price. On a fork nobody updates prices: it is rehearsed without waiting."""

    @property
    def hours(self) -> float:
        """Hours from asking until the money is there; infinite where nothing bounds it."""
        return math.inf if self.seconds is None else self.seconds / 3600

    @property
    def words(self) -> str:
        """The way out as tables show it: "instant", "cooldown 168 h", "request, no end known"."""
        if self.kind is ExitKind.INSTANT:
            return self.kind.value
        return f"{self.kind.value}, no end known" if self.seconds is None else f"{self.kind.value} {self.hours:g} h"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateForecast:
    """What a market is expected to pay those who are in it, with no further money of ours."""

    mean: float
    """Mean supply rate over the horizon, a simple annual fraction."""
    low: float
    """Lower end of the 80 % interval."""
    high: float
    """Upper end of the 80 % interval."""
    days: float
    """The horizon."""
    reason: str = ""
    """Why it differs from what is quoted, in words; empty where it does not."""
    ours: float | None = None
    """Whole tokens of ours that it counts as being there, of our holding; None: what we hold now. Money that has just
    come is not in the rates that it was made from, and lowers what is paid from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Money of ours on its way out of a market with a two-step exit; all of it is part of what we hold there."""

    requested: Amount
    """Requested and not paid out yet."""
    ready: Amount
    """What can be collected now."""
    back: Amount
    """Of a request that was cancelled, what can be taken in again."""
    ready_shares: int = 0
    """The raw shares that collecting ``ready`` names; 0 where it names none."""
    until: int | None = None
    """Unix seconds at which all that was requested can be collected; None where somebody has to serve it."""
    cancels: bool = False
    """Whether the request can be cancelled now."""
    request_id: int = 0
    """The request that the next cancellation names (EIP-7540)."""

    @property
    def whole(self) -> Amount:
        """All of it: requested, ready and called back."""
        return self.requested + self.ready + self.back


@dataclass(frozen=True, slots=True)
class Market:
    """One market of one asset."""

    id: MarketId
    """Stable across runs."""
    protocol: str
    """Name of the adapter."""
    kind: Kind
    """What sort of market it is."""
    chain: ChainId
    """Where it lies."""
    name: str
    """As tables show it."""
    asset: Token
    """What is deposited and withdrawn."""
    address: Address
    """The contract (or account) that takes the deposit."""
    params: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The adapter's own."""
    deployment: str = field(default="", compare=False)
    """Name of its table in chains/, filled in by the room that observes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """An incentive that a market pays beside its yield, as a claim of its own."""

    token: Token
    """What is paid."""
    claimable: Amount
    """What claiming now would bring us."""
    in_wallet: Amount
    """What our wallet has of that token already."""
    raw_per_second: float
    """Base units of it a second to all who share it."""
    ends_at: int | None
    """Unix seconds when that ends; None where no end is known."""
    others: float
    """What everybody else shares it by, in whole tokens of the market's asset."""
    distributor: Address
    """The contract that is claimed from."""
    gas: int
    """Typical gas units of a claim."""
    proof: Proof | None = None
    """What a claim must show; None where the chain itself knows."""
    price: float | None = None
    """Whole asset tokens for one whole token of it, by the chain's feeds; None without one. Filled in by the room that
    observes."""
    claim_cost: float = 0.0
    """Cost of a claim now, in whole asset tokens. Filled in by the room that observes."""

    def claim_id(self, market_id: MarketId) -> MarketId:
        """The id that a claim of it is journalled under: no market's (``is_market``)."""
        return MarketId(f"claim/{market_id}/{self.token.address.lower()}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A leaf of a distribution's Merkle tree."""

    total_raw: int
    """All that was ever ours, in base units; what is claimed already included."""
    siblings: tuple[bytes, ...]
    """The hashes on the path to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """A market at one block, as one owner sees it. Amounts are in the market's asset."""

    market: Market
    """Which market."""
    block: BlockRef
    """When."""
    held: Amount
    """What withdrawing everything would pay, with the protocol's own rounding."""
    shares: int
    """Raw units of ``share_token``, or of the protocol's internal shares where there is no token."""
    share_token: Token | None
    """The token that a deposit is given for; None where the protocol keeps shares itself."""
    liquidity: Amount
    """What all suppliers together could withdraw now."""
    capacity: Amount | None
    """What can still be deposited; None where unlimited."""
    supplied: Amount
    """What all suppliers own."""
    borrowed: Amount | None
    """What is lent out; None for a market without borrowers."""
    status: Status
    """What it allows now."""
    curve: YieldCurve
    """Its rate as a function of our whole holding, rewards apart."""
    quoted: Apr
    """The rate that the protocol shows now, before our money comes."""
    pools: frozenset[str]
    """Keys of the pools where the money ends. Two markets with a common pool compete for the same borrowers, so that
    their incomes are not independent."""
    gas_deposit: int
    """Typical gas units (Solana: compute units) of a deposit, its allowance included, before simulation."""
    gas_withdraw: int
    """The same of a withdrawal."""
    flags: tuple[str, ...] = ()
    """What is unusual about it, as short codes or phrases."""
    rent_deposit: int = 0
    """Lamports that a first deposit locks in new accounts (Solana; 0 elsewhere)."""
    entry_cost_bps: float = 0.0
    """Fees on a deposit, those of its later exit included; the curve charges them to what is put in beyond ``held``."""
    rewards: tuple[Reward, ...] = ()
    """Incentives beside the yield; neither ``curve`` nor ``quoted`` counts them."""
    liquidity_market: LiquidityMarket | None = None
    """The pool, where the market is liquidity in one; else None."""
    exit: Exit = Exit()
    """How money leaves it."""
    rounding_raw: int = 4
    """Base units that the protocol's own rounding may take of a deposit and its withdrawal together."""
    no_way_out: str = ""
    """Why nothing goes in: in a rehearsal what went in did not come out again. Empty where it did, or was not tried."""
    untried: bool = False
    """The policy wants the first real money to be tried (``policy.try_first``), and none has come out of the market as
    it is now."""
    opaque: bool = False
    """Nobody can see where the money ends, so that our own deposit is no cash for us to withdraw; ``exit.cash`` None
    then means that its cash is not known, and ``liquidity`` is 0."""
    offered: Amount | None = None
    """What of ours may be requested where ``liquidity`` does not say it (the rehearsal decides what is paid); None
    where it does."""
    doubts: tuple[str, ...] = ()
    """Readings of one thing that contradict each other, with both numbers; they stop new money, and are among the
    flags."""
    leaving: Leaving | None = None
    """What of ``held`` is on its way out by a two-step exit; None where nothing is."""
    stuck: str = ""
    """Why what is held cannot be withdrawn now, as a rehearsal or the chain showed: nothing is requested and no new
    money goes in. Empty where it can."""
    again: bool = False
    """A withdrawal of what is stuck may be tried once more, when nothing else is to be done."""
    index: float | None = None
    """By which its suppliers earn: only its growth between two readings says something; None where none is read."""
    forecast: RateForecast | None = None
    """What history says that it will pay; None: what it pays now is expected to last."""

    @property
    def barred(self) -> bool:
        """Whether no withdrawal is tried, because what is held is stuck."""
        return bool(self.stuck) and not self.again

    @property
    def inside(self) -> Amount:
        """What we hold less what is on its way out."""
        return self.held - self.leaving.whole if self.leaving else self.held

    @property
    def withdrawable(self) -> Amount:
        """What we could withdraw now: the lesser of our holding and the market's cash; 0 while paused or stuck."""
        if self.status is Status.PAUSED or self.barred:
            return Amount(self.market.asset, 0)
        return min(self.held, self.liquidity if self.offered is None else self.offered)

    @property
    def cash(self) -> Amount | None:
        """What all suppliers together could withdraw now; None where that is not known."""
        return self.exit.cash if self.opaque else self.liquidity

    @property
    def utilisation(self) -> float | None:
        """Borrowed over supplied, or None for a market without borrowers."""
        if self.borrowed is None:
            return None
        return self.borrowed.raw / self.supplied.raw if self.supplied.raw else 0.0


MOST_RAW = 2**128
"""Beyond this an amount is no amount: 3.4e20 whole tokens of 18 decimals."""
MOST_RATE = 1000.0
"""A simple annual rate beyond this (100,000 % a year) is a mistake or a trap."""


def contradiction(state: MarketState) -> str | None:
    """Why what a market's contracts answer cannot be true; None when it can. Pure.

    Contracts may answer anything, and nothing is decided from an impossible state.
    """
    amounts = {"holding": state.held, "cash": state.liquidity, "supply": state.supplied}
    amounts |= {name: a for name, a in (("capacity", state.capacity), ("debt", state.borrowed)) if a is not None}
    for name, amount in amounts.items():
        if not 0 <= amount.raw < MOST_RAW:
            return f"its {name} of {amount.raw} base units cannot be"
    if state.held.raw > state.supplied.raw + state.supplied.raw // 10**6 + 100:  # two roundings may differ
        return f"it says that we hold {state.held} of {state.supplied} in all"
    held, more = float(state.held), float(state.held) + float(state.supplied) + 1.0
    # Where nearly all of a pool's liquidity is ours, the rate at 0 would be all of its fees; we hold more.
    at = (held, more) if state.liquidity_market is not None and held else (0.0, held, more)
    try:
        rates = [state.quoted.value, *(state.curve.apr(x, 30 * 86_400.0) for x in at)]
    except (ArithmeticError, ValueError) as failure:
        return f"no rate follows from what it says ({failure})"
    if not all(math.isfinite(rate) and abs(rate) <= MOST_RATE for rate in rates):
        return f"a rate of {max(rates, key=abs):.3g} a year cannot be"
    return None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A market that could not be read this cycle."""

    market: Market
    """Which."""
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One chain at one block for one owner. The owner's idle money is the IDLE market, one an asset."""

    block: BlockRef
    """When (on Solana: the slot)."""
    owner: Address
    """Whose holdings."""
    states: Mapping[MarketId, MarketState]
    """Every market that could be read, by id, IDLE included."""
    quarantined: tuple[Quarantined, ...]
    """Those that could not."""
    fees: ChainFees | SvmFees
    """What transactions cost."""
    native_balance_raw: int
    """Wei or lamports of ours."""
    asset_usd: float | None = None
    """US dollars for one whole token of the asset, by the feeds; None where none was read. For accounting alone."""
    native_usd: float | None = None
    """The same for one whole native token."""
    exchange: Exchange | None = None
    """Pools and prices between several assets; None where there is one asset."""
    pegs: Mapping[Token, Price | None] = field(default_factory=dict)
    """Of the job's assets that are pegged to the dollar, the feed's price; None where there is no feed."""

    def of(self, market_id: MarketId) -> MarketState:
        """The state of a market. Raises KeyError."""
        return self.states[market_id]

    @property
    def idle(self) -> tuple[MarketState, ...]:
        """The wallet's own money, a state for each asset."""
        return tuple(state for state in self.states.values() if state.market.kind is Kind.IDLE)

    @property
    def markets(self) -> tuple[MarketState, ...]:
        """The state of every market but the wallet."""
        return tuple(state for state in self.states.values() if state.market.kind is not Kind.IDLE)

    @property
    def assets(self) -> tuple[Token, ...]:
        """The assets, the first being the one that amounts are counted in."""
        return tuple(state.market.asset for state in self.idle)

    def price(self, token: Token) -> float:
        """Whole tokens of the first asset for one whole token, by the feeds."""
        first = self.assets[0]
        if token == first or self.exchange is None:
            return 1.0
        return self.exchange.usd[token].usd / self.exchange.usd[first].usd

    def wealth(self, token: Token) -> Amount:
        """Everything of ours as an amount of ``token``: exact for that token, the others by the feeds."""
        raw = sum(state.held.raw for state in self.states.values() if state.market.asset == token)
        others = [state for state in self.states.values() if state.market.asset != token]
        worth = sum(float(state.held) * self.price(state.market.asset) for state in others)
        return Amount(token, raw + int(worth / self.price(token) * token.one) if others else raw)

    def of_asset(self, token: Token) -> Snapshot:
        """The part of the snapshot that concerns one asset."""
        states = {key: state for key, state in self.states.items() if state.market.asset == token}
        unread = tuple(bad for bad in self.quarantined if bad.market.asset == token)
        usd = self.asset_usd if self.exchange is None else self.exchange.usd[token].usd
        return replace(self, states=states, quarantined=unread, asset_usd=usd, exchange=None)
