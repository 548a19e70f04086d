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
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.liquidity import LpMarket


class Kind(StrEnum):
    LENDING = "lending"
    VAULT = "vault"
    LP = "lp"
    STAKING = "staking"
    IDLE = "idle"
    EXCHANGE = "exchange"  # nothing stays there: what a swap's leg is carried out at


class Status(StrEnum):
    ACTIVE = "active"
    FROZEN = "frozen"  # withdrawals only
    PAUSED = "paused"  # nothing


class ExitKind(StrEnum):
    """How money leaves a market."""

    INSTANT = "instant"  # in one transaction, as far as there is cash
    COOLDOWN = "cooldown"  # asked for, then paid after a fixed time
    REQUEST = "request"  # asked for, then paid when somebody serves the queue
    WINDOW = "window"  # at certain times alone
    MATURITY = "maturity"  # at one time


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The way out of a market, as its contracts say: a claim, until a rehearsal has shown it."""

    kind: ExitKind = ExitKind.INSTANT
    seconds: int | None = 0
    """From asking until the money is there, at the longest; None where nothing bounds it."""
    cash: Amount | None = None
    """What all suppliers together could take out now, in the market's asset; None where that cannot be told (or where
    the market's ``liquidity`` says it)."""
    limit: str = ""
    """What limits it, in words; empty where nothing but the cash does."""
    priced: bool = False
    """A withdrawal needs an oracle's fresh price. On a fork nobody writes prices: it is rehearsed without waiting."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Money of ours on its way out of a market that is left in two steps; all of it is part of what we hold there.

    asked: what was asked for and cannot be had yet; ready: what can be collected now, and ready_shares: the raw shares
    that this names, 0 where it names none; back: of a request that was called back, what can be taken in again. until:
    unix seconds at which all that is asked for can be collected, None where somebody has to serve it. cancels: whether
    what is asked for can be called back now. request_id: which request the next cancellation names (EIP-7540).
    """

    asked: Amount
    ready: Amount
    back: Amount
    ready_shares: int = 0
    until: int | None = None
    cancels: bool = False
    request_id: int = 0

    @property
    def whole(self) -> Amount:
        """All of it."""
        return self.asked + self.ready + self.back


@dataclass(frozen=True, slots=True)
class Market:
    """One place to put one asset. ``address``: the contract that takes the deposit; ``params``: the adapter's own;
    ``deployment``: what its table in chains/ is called, filled in by who observes."""

    id: MarketId
    protocol: str
    kind: Kind
    chain: ChainId
    name: str
    asset: Token
    address: Address
    params: Mapping[str, Any] = field(default_factory=dict, compare=False)
    deployment: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """An incentive that a market pays beside its yield, as a claim of its own.

    claimable: what claiming now would bring us; in_wallet: what we have of that token already. raw_per_second: base
    units of it to all who share it; ends_at: unix seconds when that ends, None where no end is known. others: what
    everybody else shares it by, in whole tokens of the market's asset. distributor: the contract that is claimed from.
    gas: typical units of a claim. proof: what a claim must show (``Proof``), None where the chain itself knows.
    price: whole asset tokens for one whole token of it, by the chain's feeds alone, None without one; claim_cost: of a
    claim now, in whole asset tokens. These two are filled in by who observes.
    """

    token: Token
    claimable: Amount
    in_wallet: Amount
    raw_per_second: float
    ends_at: int | None
    others: float
    distributor: Address
    gas: int
    proof: Proof | None = None
    price: float | None = None
    claim_cost: float = 0.0

    def claim_id(self, market_id: MarketId) -> MarketId:
        """What a claim of it is journalled under: the id of no market (``is_market``)."""
        return MarketId(f"claim/{market_id}/{self.token.address.lower()}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A leaf of a distribution's Merkle tree. total_raw: all that was ever ours, what is claimed already included."""

    total_raw: int
    siblings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """A market at one block, seen by one owner. Amounts are in the market's asset.

    held: what withdrawing all would pay (protocol's own rounding). shares: raw units of ``share_token`` (or of the
    protocol's internal shares where there is no token). liquidity: what all suppliers together could withdraw now.
    capacity: what can still be deposited, None where unlimited. pools: keys of the pools where the money ends; two
    markets naming one pool compete for the same borrowers, so their incomes are not independent. gas_deposit and
    gas_withdraw: typical gas units (Solana: compute units) of the whole leg, its allowance included, before simulation
    tells the exact figure. rent_deposit: lamports that a first deposit locks in new accounts (Solana; 0 elsewhere).
    entry_cost_bps: what fees take at once of a deposit, those of the way out included; the curve counts it, for what is
    put in beyond ``held``. rewards: incentives beside the yield; neither curve nor quoted counts them. lp: the pool,
    where the market is liquidity in one. exit: how one gets out. rounding_raw: base units of the asset that the
    protocol's own rounding may take of a deposit and its withdrawal together. no_way_out: why nothing goes in: what a
    rehearsal put in did not come out again; empty where it did, or was not tried. untried: the policy wants the first
    real money to be tried (``policy.try_first``), and none has come out of the market as it is.
    opaque: nobody can see where the money ends, so that what we put in is no cash for us to take out again, and
    ``exit.cash`` None means that its cash is not known (``liquidity`` is then 0). offered: what of ours may be asked
    for where ``liquidity`` does not say it (the rehearsal decides what is paid); None where it does. doubts: readings
    of one thing that contradict each other, with both numbers; they stop new money, and are among the flags.
    leaving: what of ``held`` is on its way out by two steps; None where nothing is.
    stuck: why what is held cannot be taken out now, as a rehearsal or the chain showed: nothing is asked for, and no
    new money goes in; empty where it can. again: it may be asked for once more, when nothing else is to be done.
    index: what one share is worth, or the protocol's own index of what suppliers earned; of two of them the growth is
    what was earned in between. None where the adapter does not read one.
    """

    market: Market
    block: BlockRef
    held: Amount
    shares: int
    share_token: Token | None
    liquidity: Amount
    capacity: Amount | None
    supplied: Amount
    borrowed: Amount | None
    status: Status
    curve: YieldCurve
    quoted: Apr
    pools: frozenset[str]
    gas_deposit: int
    gas_withdraw: int
    flags: tuple[str, ...] = ()
    rent_deposit: int = 0
    entry_cost_bps: float = 0.0
    rewards: tuple[Reward, ...] = ()
    lp: LpMarket | None = None
    exit: Exit = Exit()
    rounding_raw: int = 4
    no_way_out: str = ""
    untried: bool = False
    opaque: bool = False
    offered: Amount | None = None
    doubts: tuple[str, ...] = ()
    leaving: Leaving | None = None
    stuck: str = ""
    again: bool = False
    index: float | None = None
    forecast: RateForecast | None = None
    """What history says that it will pay; None: what it pays now is expected to last."""

    @property
    def barred(self) -> bool:
        """Whether nothing of ours is asked for."""
        return bool(self.stuck) and not self.again

    @property
    def inside(self) -> Amount:
        """What we hold less what is on its way out."""
        return self.held - self.leaving.whole if self.leaving else self.held

    @property
    def withdrawable(self) -> Amount:
        """What we could take out now: the lesser of what we hold and the market's cash; 0 while paused, and while it
        is known not to come."""
        if self.status is Status.PAUSED or self.barred:
            return Amount(self.market.asset, 0)
        return min(self.held, self.liquidity if self.offered is None else self.offered)

    @property
    def cash(self) -> Amount | None:
        """What all suppliers together could take out now, None where nobody can tell."""
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
    """Why what a market's contracts answer cannot be true, None when it can. Pure.

    Contracts may answer anything; what is decided from a state that cannot be is worth nothing.
    """
    amounts = {"holding": state.held, "cash": state.liquidity, "supply": state.supplied}
    amounts |= {name: a for name, a in (("capacity", state.capacity), ("debt", state.borrowed)) if a is not None}
    for name, amount in amounts.items():
        if not 0 <= amount.raw < MOST_RAW:
            return f"its {name} of {amount.raw} base units cannot be"
    if state.held.raw > state.supplied.raw + state.supplied.raw // 10**6 + 100:  # two roundings may differ
        return f"it says that we hold {state.held} of {state.supplied} in all"
    held, more = float(state.held), float(state.held) + float(state.supplied) + 1.0
    # Where nearly all of a pool's liquidity is ours, the first unit alone would earn all of its fees; we hold more.
    at = (held, more) if state.lp is not None and held else (0.0, held, more)
    try:
        rates = [state.quoted.value, *(state.curve.apr(x, 30 * 86_400.0) for x in at)]
    except (ArithmeticError, ValueError) as failure:
        return f"no rate follows from what it says ({failure})"
    if not all(math.isfinite(rate) and abs(rate) <= MOST_RATE for rate in rates):
        return f"a rate of {max(rates, key=abs):.3g} a year cannot be"
    return None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A market that could not be read this cycle, and why (one line)."""

    market: Market
    reason: str


ENTER_TXS, LEAVE_TXS, SWAP_TXS, RERANGE_TXS = 2, 1, 2, 8
"""Transactions of a leg on an EVM chain, its allowance among them (a range laid anew: taken out, swapped, put in)."""
LP_TX_GAS = 120_000
"""Gas of each transaction of a leg of liquidity, on average (``allocator/liquidity``: 740,000 for 6, 960,000 for 8)."""


@dataclass(frozen=True, slots=True)
class ChainFees:
    """Fees at the block: wei per gas, and the native token's price in whole asset tokens per whole native token.

    tx_wei: what a usual transaction pays for its data on L1, and an operator's constant; unit_wei: an operator's fee
    for a unit of gas (rollups; 0 elsewhere).
    """

    base_fee_wei: int
    priority_fee_wei: int
    native_price: float
    tx_wei: int = 0
    unit_wei: float = 0.0

    def cost(self, gas: int, rent: int = 0, txs: int = 1) -> float:
        """What ``gas`` units in ``txs`` transactions cost now, in whole asset tokens; nothing for a leg that does
        nothing. ``rent`` is Solana's alone."""
        return gas * self.unit_cost + txs * self.tx_cost if gas else 0.0

    @property
    def unit_cost(self) -> float:
        """What one more unit of a transaction costs, in whole asset tokens."""
        return (self.base_fee_wei + self.priority_fee_wei + self.unit_wei) / 10**18 * self.native_price

    @property
    def tx_cost(self) -> float:
        """What one more transaction costs beside its gas, in whole asset tokens."""
        return self.tx_wei / 10**18 * self.native_price


@dataclass(frozen=True, slots=True)
class SvmFees:
    """Fees at the slot: micro-lamports bid for a compute unit, lamports a transaction pays for its signature, and
    SOL's price in whole asset tokens."""

    unit_micro_lamports: int
    signature_lamports: int
    native_price: float

    def cost(self, gas: int, rent: int = 0, txs: int = 1) -> float:
        """What a leg of ``gas`` compute units costs now, in whole asset tokens, ``rent`` lamports of new accounts
        included; nothing for a leg that does nothing. ``txs`` is for EVM chains: here a leg is one transaction."""
        if gas == 0:
            return 0.0
        lamports = self.signature_lamports + gas * self.unit_micro_lamports / 1e6 + rent
        return lamports / 1e9 * self.native_price

    @property
    def unit_cost(self) -> float:
        """What one more compute unit of a transaction costs, in whole asset tokens; its signature apart."""
        return self.unit_micro_lamports / 1e15 * self.native_price

    @property
    def tx_cost(self) -> float:
        """Nothing: a swap's ways share one transaction, whose signature ``cost`` counts."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One chain at one block for one owner: every state, the idle balance being the IDLE market among them.

    native_balance_raw: wei or lamports of ours. asset_usd, native_usd: US dollars for one whole token by the feeds,
    None where none was read; for the books alone, nothing is decided by them. Of several assets there is an IDLE market
    each, the first being that of the asset which amounts are counted in; exchange: where they are exchanged, and by
    whose word they are worth what; None where there is one asset. pegs: of the job's assets that are meant to be worth
    a dollar, their feed's word, None where it has none.
    """

    block: BlockRef
    owner: Address
    states: Mapping[MarketId, MarketState]
    quarantined: tuple[Quarantined, ...]
    fees: ChainFees | SvmFees
    native_balance_raw: int
    asset_usd: float | None = None
    native_usd: float | None = None
    exchange: Exchange | None = None
    pegs: Mapping[Token, Price | None] = field(default_factory=dict)

    def of(self, market_id: MarketId) -> MarketState:
        return self.states[market_id]

    @property
    def idle(self) -> tuple[MarketState, ...]:
        """The wallet's own money, an asset each."""
        return tuple(state for state in self.states.values() if state.market.kind is Kind.IDLE)

    @property
    def markets(self) -> tuple[MarketState, ...]:
        """Every market but the wallet."""
        return tuple(state for state in self.states.values() if state.market.kind is not Kind.IDLE)

    @property
    def assets(self) -> tuple[Token, ...]:
        return tuple(state.market.asset for state in self.idle)

    def price(self, token: Token) -> float:
        """What a whole token is worth, in whole tokens of the first asset, by the feeds."""
        first = self.assets[0]
        if token == first or self.exchange is None:
            return 1.0
        return self.exchange.usd[token].usd / self.exchange.usd[first].usd

    def wealth(self, token: Token) -> Amount:
        """Everything of ours, as an amount of ``token``: exact for that token, the others by the feeds."""
        raw = sum(state.held.raw for state in self.states.values() if state.market.asset == token)
        others = [state for state in self.states.values() if state.market.asset != token]
        worth = sum(float(state.held) * self.price(state.market.asset) for state in others)
        return Amount(token, raw + int(worth / self.price(token) * token.one) if others else raw)

    def of_asset(self, token: Token) -> Snapshot:
        """What there is of one asset."""
        states = {key: state for key, state in self.states.items() if state.market.asset == token}
        unread = tuple(bad for bad in self.quarantined if bad.market.asset == token)
        usd = self.asset_usd if self.exchange is None else self.exchange.usd[token].usd
        return replace(self, states=states, quarantined=unread, asset_usd=usd, exchange=None)
