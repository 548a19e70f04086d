"""The holdings after a plan if every leg does exactly what the snapshot says: snapshot + plan -> holdings. Pure.

The only simulation of plans: backtests and paper wallets both use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yieldbot.allocator.claims import claim_of
from yieldbot.model.amounts import Token
from yieldbot.model.fees import ENTER_TXS, LEAVE_TXS, SWAP_TXS
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Exchanged, Leg, LegKind, Plan
from yieldbot.model.units import BPS


@dataclass(frozen=True, slots=True)
class Asked:
    """Money that is on its way out of a market with a two-step exit."""

    raw: int
    """Base units."""
    until: int | None
    """Unix seconds from which it can be collected; None: when the protocol's operator serves the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedHoldings:
    """What a simulated wallet has, in base units."""

    idle: Mapping[Token, int] = field(default_factory=dict)
    """Base units in the wallet itself, by token."""
    held: Mapping[MarketId, int] = field(default_factory=dict)
    """Base units in each market, without what is leaving it."""
    asked: Mapping[MarketId, Asked] = field(default_factory=dict)
    """Money that is leaving a market by a two-step exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The effect of a plan. Costs are in whole tokens of the snapshot's first asset."""

    holdings: SimulatedHoldings
    """What the wallet has after the plan."""
    gas: float
    """Gas (on Solana fees and rent) of all legs except swaps, at the snapshot's prices; it is not taken from the
    holdings."""
    swap_gas: float
    """Gas of the swaps, as the plan's quotes state it."""
    swaps: int
    """Swaps made."""
    swapped: float
    """What swaps lost against the feeds' prices, their own price impact included; negative: they gained."""
    entered: float
    """Fees that markets charged on deposits, those of the later exits included."""
    touched: int
    """Number of legs that touched a market."""
    claimed: Mapping[MarketId, float]
    """What claimed rewards are worth by the feeds, by the claims' ids."""


def carry_out(snapshot: Snapshot, plan: Plan, before: SimulatedHoldings) -> Carried:
    """Carries out each leg in order, at the snapshot's prices; swaps bring what the plan's own quotes say. Raises
    ValueError if a leg takes more than there is."""
    work = _Work(snapshot, dict(before.idle), dict(before.held), dict(before.asked))
    quoted = {(swap.given.token, swap.gets.token): swap for swap in plan.allocation.swaps}
    for leg in plan.legs:
        match leg.kind:
            case LegKind.WITHDRAW:
                work.withdraw(leg)
            case LegKind.SWAP:
                assert leg.gets is not None
                work.swap(leg, quoted.get((leg.amount.token, leg.gets.token)))
            case LegKind.DEPOSIT:
                work.deposit(leg)
            case LegKind.CLAIM:
                work.claim(leg)
            case LegKind.REQUEST | LegKind.COLLECT | LegKind.CANCEL:
                work.step(leg)
            case LegKind.REBALANCE:
                raise ValueError(f"{leg.market_id}: liquidity is not simulated")
    return Carried(
        holdings=SimulatedHoldings(
            idle=work.idle,
            held={market_id: raw for market_id, raw in work.held.items() if raw},
            asked={market_id: one for market_id, one in work.asked.items() if one.raw},
        ),
        gas=work.gas,
        swap_gas=work.swap_gas,
        swaps=work.swaps,
        swapped=work.swapped,
        entered=work.entered,
        touched=work.touched,
        claimed=work.claimed,
    )


@dataclass(slots=True)
class _Work:
    """A plan that is being carried out."""

    snapshot: Snapshot
    """The snapshot that the plan was made from."""
    idle: dict[Token, int]
    """Base units in the wallet, by token."""
    held: dict[MarketId, int]
    """Base units in each market."""
    asked: dict[MarketId, Asked]
    """What is on its way out of two-step exits, by market."""
    gas: float = 0.0
    """Gas paid for markets, in the first asset."""
    swap_gas: float = 0.0
    """Gas paid for swaps, in the first asset."""
    swaps: int = 0
    """Number of swaps made."""
    swapped: float = 0.0
    """What swaps lost against the feeds' prices, in the first asset."""
    entered: float = 0.0
    """Entry fees, in the first asset."""
    touched: int = 0
    """Number of legs that touched a market."""
    claimed: dict[MarketId, float] = field(default_factory=dict)
    """What claimed rewards are worth by the feeds, by the claims' ids."""

    def withdraw(self, leg: Leg) -> None:
        state = self.snapshot.of(leg.market_id)
        raw = self.held.get(leg.market_id, 0) if leg.all else leg.amount.raw
        self._out_of(leg.market_id, raw)
        self._into_wallet(state.market.asset, raw)
        self._touch(self.snapshot.fees.cost(state.gas_withdraw, txs=LEAVE_TXS))

    def deposit(self, leg: Leg) -> None:
        """Deposit the leg's amount, or all that the wallet has of it: swaps may have brought a little less."""
        state, token = self.snapshot.of(leg.market_id), leg.amount.token
        raw = min(leg.amount.raw, self.idle.get(token, 0))
        self._out_of_wallet(token, raw)
        kept = raw - int(raw * state.entry_cost_bps / BPS)
        rent = 0 if self.held.get(leg.market_id) else state.rent_deposit
        self.held[leg.market_id] = self.held.get(leg.market_id, 0) + kept
        self.entered += (raw - kept) / token.one * self.snapshot.price(token)
        self._touch(self.snapshot.fees.cost(state.gas_deposit, rent, ENTER_TXS))

    def swap(self, leg: Leg, quoted: Exchanged | None) -> None:
        """Swap by the exact quote in the plan's allocation; a leg without a quote brings its minimum out."""
        assert leg.gets is not None
        given, wanted = leg.amount.token, leg.gets.token
        exact = quoted is not None and quoted.given == leg.amount
        got = quoted.gets.raw if exact and quoted is not None else leg.gets.raw
        self._out_of_wallet(given, leg.amount.raw)
        self._into_wallet(wanted, got)
        price = self.snapshot.price
        self.swapped += float(leg.amount) * price(given) - got / wanted.one * price(wanted)
        self.swaps += 1
        if quoted is not None:
            self.swap_gas += self.snapshot.fees.cost(quoted.gas, txs=SWAP_TXS * quoted.parts)

    def claim(self, leg: Leg) -> None:
        found = claim_of(self.snapshot, leg.market_id)
        if found is None:
            raise ValueError(f"{leg.market_id}: there is no such reward")
        state, reward = found
        worth = float(reward.claimable) * (reward.price or 0.0) * self.snapshot.price(state.market.asset)
        self.claimed[leg.market_id] = worth
        self._touch(self.snapshot.fees.cost(reward.gas))

    def step(self, leg: Leg) -> None:
        """One step of a two-step exit."""
        state = self.snapshot.of(leg.market_id)
        gone = self.asked.get(leg.market_id, Asked(0, None))
        if leg.kind is LegKind.REQUEST:
            raw = self.held.get(leg.market_id, 0) if leg.all else leg.amount.raw
            self._out_of(leg.market_id, raw)
            waits = state.exit.seconds
            until = None if waits is None else self.snapshot.block.timestamp + waits
            self.asked[leg.market_id] = Asked(gone.raw + raw, until)
        else:
            raw = min(leg.amount.raw, gone.raw)
            self.asked[leg.market_id] = Asked(gone.raw - raw, gone.until)
            if leg.kind is LegKind.COLLECT:
                self._into_wallet(state.market.asset, raw)
            else:
                self.held[leg.market_id] = self.held.get(leg.market_id, 0) + raw
        self._touch(self.snapshot.fees.cost(state.gas_withdraw, txs=LEAVE_TXS))

    def _touch(self, cost: float) -> None:
        self.gas += cost
        self.touched += 1

    def _into_wallet(self, token: Token, raw: int) -> None:
        self.idle[token] = self.idle.get(token, 0) + raw

    def _out_of_wallet(self, token: Token, raw: int) -> None:
        if not 0 <= raw <= self.idle.get(token, 0):
            raise ValueError(f"{raw} base units are taken where there are {self.idle.get(token, 0)}")
        self.idle[token] -= raw

    def _out_of(self, market_id: MarketId, raw: int) -> None:
        if not 0 <= raw <= self.held.get(market_id, 0):
            raise ValueError(f"{raw} base units are taken where there are {self.held.get(market_id, 0)}")
        self.held[market_id] -= raw
