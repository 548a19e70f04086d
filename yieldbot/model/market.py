"""Markets and their states at one block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.durations import duration
from yieldbot.model.exchange import Exchange, Price
from yieldbot.model.fees import ChainFees, SvmFees
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.liquidity import LiquidityMarket
from yieldbot.model.look_through import Backing
from yieldbot.model.rewards import Reward
from yieldbot.model.risk import Act, Alarm, Grade
from yieldbot.model.share_prices import SharePrices

if TYPE_CHECKING:
    from yieldbot.model.glance import Glance


class Kind(StrEnum):
    """The sort of a market."""

    LENDING = "lending"
    VAULT = "vault"
    LIQUIDITY = "lp"
    """A pool of two tokens (``lp`` in documents)."""
    STAKING = "staking"
    IDLE = "idle"
    """The wallet itself."""
    EXCHANGE = "exchange"
    """The place of a swap's leg, where no money stays."""


class Status(StrEnum):
    """What a market allows now."""

    ACTIVE = "active"
    """Deposits and withdrawals are possible."""
    FROZEN = "frozen"
    """Only withdrawals are possible."""
    PAUSED = "paused"
    """Neither deposits nor withdrawals."""


class ExitKind(StrEnum):
    """How money leaves a market."""

    INSTANT = "instant"
    """Money leaves in one transaction, as far as there is cash."""
    COOLDOWN = "cooldown"
    """A withdrawal is requested, then paid after a fixed time."""
    REQUEST = "request"
    """A withdrawal is requested, then paid when the protocol's operator serves the queue."""
    WINDOW = "window"
    """Money leaves only at certain times."""
    MATURITY = "maturity"
    """Money leaves only from one date on, the maturity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How money leaves a market, as its contracts state it; only a rehearsal shows whether that is true."""

    kind: ExitKind = ExitKind.INSTANT
    """How money leaves."""
    seconds: int | None = 0
    """Most seconds from the request until the money is paid; None: unbounded."""
    cash: Amount | None = None
    """What all suppliers together could withdraw now, in the market's asset; None: unknown, or stated by the market's
    ``liquidity``."""
    limit: str = ""
    """What limits the exit in addition to the pool's cash, as a phrase; empty: nothing."""
    priced: bool = False
    """Whether a withdrawal needs a fresh oracle price. On a fork nobody updates prices, so such an exit is rehearsed
    without waiting."""

    @property
    def hours(self) -> float:
        """Hours from the request until the money is paid; infinite if unbounded."""
        return math.inf if self.seconds is None else self.seconds / 3600

    @property
    def words(self) -> str:
        """The exit as tables show it: "instant", "cooldown 7 days", "request, no end known"."""
        if self.kind is ExitKind.INSTANT:
            return self.kind.value
        return f"{self.kind.value}{', no end known' if self.seconds is None else f' {duration(self.seconds)}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateForecast:
    """What a market is expected to pay its suppliers if we add no more money."""

    mean: float
    """Mean supply rate over the horizon, a simple annual fraction."""
    low: float
    """Lower end of the 80 % interval."""
    high: float
    """Upper end of the 80 % interval."""
    days: float
    """The horizon."""
    by: str = ""
    """Whose forecast it is (``policy.forecaster``)."""
    reason: str = ""
    """Why it differs from the quoted rate, in words; empty if it does not."""
    since: int | None = None
    """Unix seconds from which on memory knows the market's rates; None: not said."""
    ours: float | None = None
    """How much of our holding (whole tokens) the forecast already counts as being in the market; None: all that we hold
    now. Money that has just arrived is not in the rates that the forecast was made from, and lowers what is paid from
    now on."""
    beside: float = 0.0
    """How much more of our other wallets' money (whole tokens) is in the market now than was on average while the rates
    were observed that the forecast was made from; below 0: less. It lowers what is paid from now on as ours does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Our money that is leaving a market by a two-step exit; all of it is part of our holding there."""

    requested: Amount
    """Requested and not paid out yet."""
    ready: Amount
    """What can be collected now."""
    back: Amount
    """What a cancellation has returned and can be put into the market again."""
    ready_shares: int = 0
    """Shares, in base units, that collecting ``ready`` redeems; 0 if the collection names no shares."""
    until: int | None = None
    """Unix seconds at which all of it can be collected; None: when the protocol's operator serves the request."""
    cancels: bool = False
    """Whether the request can be cancelled now."""
    entering: int = 0
    """Base units of the asset that wait to be deposited by request (EIP-7540); part of ``requested``."""
    returned: int = 0
    """Base units of the asset that a cancelled deposit request has returned; part of ``ready``."""
    entered: int = 0
    """Raw shares that a served deposit request (EIP-7540) lets us claim; their worth is part of ``back``."""
    requested_shares: int = 0
    """Shares, in base units, of ``requested``, for a cancellation that names them; 0 elsewhere."""
    request_id: int = 0
    """The request that the next cancellation names (EIP-7540)."""

    @property
    def entry(self) -> bool:
        """Whether it is a deposit by request, and no exit."""
        return bool(self.entering or self.returned or self.entered)

    @property
    def whole(self) -> Amount:
        """The sum of requested, ready and returned."""
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
    """The chain that it is on."""
    name: str
    """Name in tables."""
    asset: Token
    """What is deposited and withdrawn."""
    address: Address
    """The contract (or account) that takes the deposit."""
    params: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Parameters that only the adapter uses."""
    deployment: str = field(default="", compare=False)
    """Name of its table in chains/; set by ``observe``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """A market at one block, as one owner sees it. Amounts are in the market's asset."""

    market: Market
    """The market."""
    block: BlockRef
    """The block at which it was read."""
    held: Amount
    """What withdrawing everything would pay, after the protocol's own rounding."""
    shares: int
    """Our shares in base units of ``share_token``, or of the protocol's internal shares if there is no token."""
    share_token: Token | None
    """The token of its shares; None if the protocol keeps positions itself."""
    liquidity: Amount
    """What all suppliers together could withdraw now."""
    capacity: Amount | None
    """What can still be deposited; None: unlimited."""
    supplied: Amount
    """What all suppliers own."""
    borrowed: Amount | None
    """What is lent out; None for a market without borrowers."""
    status: Status
    """What it allows now."""
    curve: YieldCurve
    """Its rate as a function of our whole holding, rewards apart."""
    quoted: Apr
    """The quoted rate: what the protocol shows now, before our own deposit."""
    pools: frozenset[str]
    """Keys of the pools that the money ends up in. Markets with a common pool have the same borrowers, so their incomes
    are not independent."""
    gas_deposit: int
    """Typical gas (Solana: compute units) of a deposit, its allowance included, before simulation."""
    gas_withdraw: int
    """Typical gas (Solana: compute units) of a withdrawal, before simulation."""
    flags: tuple[str, ...] = ()
    """Unusual facts about it, as short codes or phrases."""
    rent_deposit: int = 0
    """Lamports that a first deposit locks in new accounts (Solana; 0 elsewhere)."""
    entry_cost_bps: float = 0.0
    """Fees on a deposit, those of its later exit included; the curve charges them on what is added to ``held``."""
    rewards: tuple[Reward, ...] = ()
    """Incentives in addition to the yield; neither ``curve`` nor ``quoted`` includes them."""
    liquidity_market: LiquidityMarket | None = None
    """The pool, if the market is liquidity in one; else None."""
    exit: Exit = Exit()
    """How money leaves it."""
    rounding_raw: int = 4
    """Base units that the protocol's own rounding may take off in a deposit and its withdrawal together."""
    no_way_out: str = ""
    """Why it gets no new money: a deposit did not come out again in a rehearsal. Empty: it did, or was not tried."""
    untried: bool = False
    """Whether the first deposit must begin with a trial (``policy.try_first``): no real money has come out of the
    market as it is now."""
    enters_by_request: bool = False
    """Whether a deposit is a request that somebody else serves (EIP-7540)."""
    opaque: bool = False
    """Whether the vault's investments cannot be read, so that our own deposit does not count as cash; ``exit.cash``
    None then means that its cash is unknown, and ``liquidity`` is 0."""
    offered: Amount | None = None
    """How much of our holding may be withdrawn, for a market whose ``liquidity`` does not state it (a rehearsal shows
    what is really paid); None: ``liquidity`` states it."""
    doubts: tuple[str, ...] = ()
    """Pairs of readings that contradict each other, with both numbers. They stop new money, and are among the flags."""
    leaving: Leaving | None = None
    """The part of ``held`` that is leaving by a two-step exit; None: none is."""
    prices: SharePrices | None = None
    """How its shares are bought and sold at a price that our own trade moves; None: a deposit makes them at their
    worth."""
    stuck: str = ""
    """Why our holding cannot be withdrawn now, according to a rehearsal or the chain: nothing is requested, and no new
    money goes in. Empty: it can."""
    again: bool = False
    """A stuck withdrawal may be tried once more, when nothing else is to be done."""
    index: float | None = None
    """Index that grows with what suppliers earn: only its growth between two readings means something; None: not
    read."""
    forecast: RateForecast | None = None
    """The forecast from history; None: the quoted rate is expected to last."""
    alarms: tuple[Alarm, ...] = ()
    """Alarms that stand now (risk/)."""
    grade: Grade | None = field(default=None, compare=False)
    """The market's safety grade, which is a judgement and not a reading; None: it was not graded."""
    others_held: int = 0
    """Base units that our other wallets hold there; their cash must be left too."""
    others_coming: int = 0
    """Base units more that plans of theirs would put in before ours (decision/pending.py)."""
    backing: Backing | None = field(default=None, compare=False)
    """What backs its money in the end, by the last look; None: no look has read it."""

    @property
    def leave(self) -> bool:
        """Whether an alarm asks to take out what we hold."""
        return any(alarm.act is Act.LEAVE for alarm in self.alarms)

    @property
    def barred(self) -> bool:
        """Whether no withdrawal is tried because the holding is stuck."""
        return bool(self.stuck) and not self.again

    @property
    def inside(self) -> Amount:
        """Our holding minus what is leaving."""
        return self.held - self.leaving.whole if self.leaving else self.held

    @property
    def withdrawable(self) -> Amount:
        """What we could withdraw now: the lesser of our holding and the market's cash; 0 while paused or stuck."""
        if self.status is Status.PAUSED or self.barred:
            return Amount(self.market.asset, 0)
        return min(self.held, self.liquidity if self.offered is None else self.offered)

    @property
    def cash(self) -> Amount | None:
        """What all suppliers together could withdraw now; None: unknown."""
        return self.exit.cash if self.opaque or self.prices is not None else self.liquidity

    @property
    def utilisation(self) -> float | None:
        """Borrowed over supplied; None for a market without borrowers."""
        if self.borrowed is None:
            return None
        return self.borrowed.raw / self.supplied.raw if self.supplied.raw else 0.0


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A market that could not be read this cycle."""

    market: Market
    """The market."""
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One chain at one block, for one owner. The owner's idle money is the IDLE market of each asset.

    The class has no slots, because ``cached_property`` needs a ``__dict__``: a decision asks for the same figures many
    times.
    """

    block: BlockRef
    """The block (on Solana: about the slot)."""
    owner: Address
    """The account whose holdings it has."""
    states: Mapping[MarketId, MarketState]
    """Every market that could be read, by id, IDLE included."""
    quarantined: tuple[Quarantined, ...]
    """Markets that could not be read."""
    fees: ChainFees | SvmFees
    """The price of gas, or of compute units."""
    native_balance_raw: int
    """Our balance of the native token, in wei or lamports."""
    asset_usd: float | None = None
    """US dollars for one whole token of the first asset, by its feed; None: there is no feed. Only for accounting."""
    native_usd: float | None = None
    """US dollars for one whole native token, by its feed; None: there is no feed."""
    exchange: Exchange | None = None
    """Pools and prices of the job's assets; None: nothing is swapped."""
    pegs: Mapping[Token, Price | None] = field(default_factory=dict)
    """The feed's price of each of the job's assets that is pegged to the dollar; None: it has no feed."""
    growth: Mapping[Token, float] = field(default_factory=dict)
    """What each asset earns by itself, wherever it lies: its growth against the base's unit (staked ether in ether), a
    simple annual fraction; assets without an entry do not grow."""
    worths: Mapping[Token, float] = field(default_factory=dict)
    """What one of each growing asset is worth by its own contract or pool, in a unit of that contract's: only the ratio
    of two readings means something."""
    supplies: Mapping[Address, int] = field(default_factory=dict)
    """How many base units exist of each token that is an asset or a collateral here (``model/backing.py``)."""
    glanced: tuple[Glance, ...] = ()
    """Markets that were glanced at and not read in full, because none of our money is there and others pay more. No new
    money goes into them."""
    contradicted: tuple[str, ...] = ()
    """Statements of memory about its markets that the chain contradicts, a line each; the chain is believed."""

    def of(self, market_id: MarketId) -> MarketState:
        """The state of a market. Raises KeyError for one that the snapshot lacks."""
        return self.states[market_id]

    @cached_property
    def idle(self) -> tuple[MarketState, ...]:
        """The wallet's own money: a state for each asset."""
        return tuple(state for state in self.states.values() if state.market.kind is Kind.IDLE)

    @cached_property
    def markets(self) -> tuple[MarketState, ...]:
        """The state of every market but the wallet."""
        return tuple(state for state in self.states.values() if state.market.kind is not Kind.IDLE)

    @cached_property
    def assets(self) -> tuple[Token, ...]:
        """The assets, the first being the one that amounts are counted in."""
        return tuple(state.market.asset for state in self.idle)

    def price(self, token: Token) -> float:
        """Whole tokens of the first asset for one whole token: the quotient of the feeds' dollar prices; 1 for a single
        asset. Raises KeyError for a token without a price."""
        first = self.assets[0]
        if token == first or self.exchange is None:
            return 1.0
        return self.exchange.usd[token].usd / self.exchange.usd[first].usd

    def dollars(self, token: Token) -> float | None:
        """US dollars for one whole token, by the feeds; None without a feed."""
        if (peg := self.pegs.get(token)) is not None:
            return peg.usd
        if self.exchange is not None and token in self.exchange.usd:
            return self.exchange.usd[token].usd
        return self.asset_usd if self.assets and token == self.assets[0] else None

    def wealth(self, token: Token) -> Amount:
        """Everything that we have, as an amount of ``token``; other tokens are valued by the feeds (``price``), their
        worth rounded down. Raises KeyError for a token without a price."""
        raw = sum(state.held.raw for state in self.states.values() if state.market.asset == token)
        others = [state for state in self.states.values() if state.market.asset != token]
        worth = sum(float(state.held) * self.price(state.market.asset) for state in others if state.held)
        return Amount(token, raw + int(worth / self.price(token) * token.one) if others else raw)

    def of_asset(self, token: Token) -> Snapshot:
        """The snapshot with the markets of one asset only."""
        states = {key: state for key, state in self.states.items() if state.market.asset == token}
        unread = tuple(bad for bad in self.quarantined if bad.market.asset == token)
        usd = self.asset_usd if self.exchange is None else self.exchange.usd[token].usd
        glanced = tuple(glance for glance in self.glanced if glance.market.asset == token)
        return replace(self, states=states, quarantined=unread, glanced=glanced, asset_usd=usd, exchange=None)
