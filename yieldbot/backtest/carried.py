"""The holdings after a plan if every leg does exactly what the snapshot says: snapshot + plan -> holdings. Pure.

The only simulation of plans: backtests and paper wallets both use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction

from yieldbot.allocator.claims import claim_of
from yieldbot.allocator.liquidity_advice import GAS_REBALANCE
from yieldbot.allocator.liquidity_market import fees_of, share_for
from yieldbot.allocator.route import route
from yieldbot.backtest import paper_liquidity
from yieldbot.backtest.paper_liquidity import LiquidityStep, SimulatedPosition
from yieldbot.math.concentrated import Unswappable, V3Pool
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_entry import with_position
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ENTER_TXS, LEAVE_TXS, REBALANCE_TXS, SWAP_TXS
from yieldbot.model.ids import MarketId
from yieldbot.model.liquidity import LiquidityMarket
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Exchanged, Leg, LegKind, Plan
from yieldbot.model.units import BPS


@dataclass(frozen=True, slots=True)
class Asked:
    """Money that is on its way out of a market with a two-step exit."""

    raw: int
    """Amount in base units."""
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
    liquidity: Mapping[MarketId, SimulatedPosition] = field(default_factory=dict)
    """Positions in pools; ``held`` has what leaving each would bring."""
    rewards: Mapping[Token, int] = field(default_factory=dict)
    """Claimed reward tokens that are no assets of the job, in base units."""


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
    """Number of swaps made."""
    swapped: float
    """What swaps lost against the feeds' prices, their own price impact included; negative: they gained."""
    entered: float
    """Fees that markets charged on deposits, those of the later exits included."""
    touched: int
    """Number of legs that touched a market."""
    claimed: Mapping[MarketId, float]
    """What claimed rewards are worth by the feeds, by the claims' ids."""
    sold: float
    """What sales of claimed rewards brought."""


def carry_out(snapshot: Snapshot, plan: Plan, before: SimulatedHoldings) -> Carried:
    """Carries out each leg in order, at the snapshot's prices; swaps bring what the plan's own quotes say, and swaps
    without a quote in the plan (sales of rewards) what the best route over the snapshot's pools brings.

    Raises ValueError if a leg takes more than there is, or a pool cannot take it.
    """
    work = _Work(
        snapshot, dict(before.idle), dict(before.held), dict(before.asked), dict(before.liquidity), dict(before.rewards)
    )
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
                work.rebalance(leg)
    return Carried(
        holdings=SimulatedHoldings(
            idle=work.idle,
            held={market_id: raw for market_id, raw in work.held.items() if raw},
            asked={market_id: one for market_id, one in work.asked.items() if one.raw},
            liquidity=work.liquidity,
            rewards={token: raw for token, raw in work.rewards.items() if raw},
        ),
        gas=work.gas,
        swap_gas=work.swap_gas,
        swaps=work.swaps,
        swapped=work.swapped,
        entered=work.entered,
        touched=work.touched,
        claimed=work.claimed,
        sold=work.sold,
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
    liquidity: dict[MarketId, SimulatedPosition]
    """Positions in pools."""
    rewards: dict[Token, int]
    """Claimed reward tokens."""
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
    sold: float = 0.0
    """What sales of rewards brought, in the first asset."""
    pools: dict[MarketId, V3Pool] = field(default_factory=dict)
    """Pools of positions that the plan has changed, with the changed position."""

    def withdraw(self, leg: Leg) -> None:
        state = self.snapshot.of(leg.market_id)
        if state.liquidity_market is not None:
            self._withdraw_liquidity(leg, state, state.liquidity_market)
            return
        raw = self.held.get(leg.market_id, 0) if leg.all else leg.amount.raw
        self._out_of(leg.market_id, raw)
        self._into_wallet(state.market.asset, raw)
        self._touch(self.snapshot.fees.cost(state.gas_withdraw, txs=LEAVE_TXS))

    def deposit(self, leg: Leg) -> None:
        """Deposit the leg's amount, or all that the wallet has of it: swaps may have brought a little less."""
        state, token = self.snapshot.of(leg.market_id), leg.amount.token
        raw = min(leg.amount.raw, self.idle.get(token, 0))
        if state.liquidity_market is not None:
            self._provide(leg, state, state.liquidity_market, raw)
            return
        self._out_of_wallet(token, raw)
        kept = raw - int(raw * state.entry_cost_bps / BPS)
        rent = 0 if self.held.get(leg.market_id) else state.rent_deposit
        self.held[leg.market_id] = self.held.get(leg.market_id, 0) + kept
        self.entered += (raw - kept) / token.one * self.snapshot.price(token)
        self._touch(self.snapshot.fees.cost(state.gas_deposit, rent, ENTER_TXS))

    def swap(self, leg: Leg, quoted: Exchanged | None) -> None:
        """Swap by the plan's quote (if it is of another amount, for the leg's minimum out); without a quote by the best
        route over the snapshot's pools (if there is none, for the minimum out)."""
        assert leg.gets is not None
        given, wanted, price = leg.amount.token, leg.gets.token, self._price
        cost = 0.0
        if quoted is None:
            got, cost = self._routed(leg.amount, wanted) or (leg.gets.raw, 0.0)
        else:
            got = quoted.gets.raw if quoted.given == leg.amount else leg.gets.raw
            cost = self.snapshot.fees.cost(quoted.gas, txs=SWAP_TXS * quoted.parts)
        brought = got / wanted.one * price(wanted)
        if given in self.snapshot.assets:
            self._out_of_wallet(given, leg.amount.raw)
        else:
            if not 0 <= leg.amount.raw <= self.rewards.get(given, 0):
                raise ValueError(f"{leg.amount} are sold where there are {self.rewards.get(given, 0)} base units")
            self.rewards[given] -= leg.amount.raw
            self.sold += brought
        self._into_wallet(wanted, got)
        self.swapped += float(leg.amount) * price(given) - brought
        self.swaps += 1
        self.swap_gas += cost

    def _routed(self, given: Amount, wanted: Token) -> tuple[int, float] | None:
        """(base units out, cost of gas in the first asset) of the best route; None if there is none."""
        exchange, fees = self.snapshot.exchange, self.snapshot.fees
        if exchange is None:
            return None
        price = self._price(wanted)
        try:
            found = route(
                exchange.sent_by_pair,
                given,
                wanted,
                fees.unit_cost / price * wanted.one,
                SWAP_TXS * fees.tx_cost / price * wanted.one,
            )
        except Unswappable:
            return None
        return found.given.raw, float(found.cost) * price

    def claim(self, leg: Leg) -> None:
        """Put the claimed tokens into the wallet and count their value by the feeds as income."""
        found = claim_of(self.snapshot, leg.market_id)
        if found is None:
            raise ValueError(f"{leg.market_id}: there is no such reward")
        state, reward = found
        worth = float(reward.claimable) * (reward.price or 0.0) * self.snapshot.price(state.market.asset)
        if reward.token in self.snapshot.assets:
            self._into_wallet(reward.token, reward.claimable.raw)
        else:
            self.rewards[reward.token] = self.rewards.get(reward.token, 0) + reward.claimable.raw
        self.claimed[leg.market_id] = worth
        self._touch(self.snapshot.fees.cost(reward.gas))

    def rebalance(self, leg: Leg) -> None:
        """Move a position into a new range around the price; its swap's loss counts as a swap's."""
        state = self.snapshot.of(leg.market_id)
        lp, own = state.liquidity_market, self.liquidity.get(leg.market_id)
        if lp is None or own is None:
            raise ValueError(f"{leg.market_id}: there is no position")
        made = paper_liquidity.rebalance(lp, self._pool(leg.market_id, lp), own, leg.ticks or lp.ticks, self._now)
        self.swapped += self._settle(state, lp, made)
        self._touch(self.snapshot.fees.cost(GAS_REBALANCE, txs=REBALANCE_TXS))

    def _provide(self, leg: Leg, state: MarketState, lp: LiquidityMarket, raw: int) -> None:
        """Deposit into a pool: what the swaps of entering and of the later exit take counts as an entry fee."""
        token, own = leg.amount.token, self.liquidity.get(leg.market_id)
        given = (raw, 0) if token == lp.state.pool.token0 else (0, raw)
        made = paper_liquidity.enter(lp, self._pool(leg.market_id, lp), own, given, leg.ticks or lp.ticks, self._now)
        self._out_of_wallet(token, raw)
        self.entered += raw / token.one * self._price(token) + self._settle(state, lp, made)
        self._touch(self.snapshot.fees.cost(state.gas_deposit, txs=ENTER_TXS))

    def _withdraw_liquidity(self, leg: Leg, state: MarketState, lp: LiquidityMarket) -> None:
        own = self.liquidity.get(leg.market_id)
        if own is None:
            raise ValueError(f"{leg.market_id}: there is no position")
        held = self.held.get(leg.market_id, 0)
        share = Fraction(1) if leg.all else share_for(leg.amount.raw, held, fees_of(state, lp))
        made = paper_liquidity.leave(
            self._pool(leg.market_id, lp), own, share, leg.amount.token == lp.state.pool.token0
        )
        self.swapped += self._settle(state, lp, made)
        self._touch(self.snapshot.fees.cost(state.gas_withdraw, txs=LEAVE_TXS))

    def _settle(self, state: MarketState, lp: LiquidityMarket, made: LiquidityStep) -> float:
        """Take over a position's new state and what goes back to the wallet; returns the loss of worth, in the first
        asset."""
        market_id, token = state.market.id, state.market.asset
        before, tokens = self.liquidity.pop(market_id, None), (lp.state.pool.token0, lp.state.pool.token1)
        rest, after = self._pool(market_id, lp), 0
        if before is not None:
            rest = with_position(rest, Range(*before.ticks), -before.liquidity)
        self.pools[market_id] = rest
        if made.position is not None:
            self.liquidity[market_id] = made.position
            self.pools[market_id] = with_position(rest, Range(*made.position.ticks), made.position.liquidity)
            try:
                after = paper_liquidity.value(rest, made.position, token == tokens[0])
            except Unswappable as refused:
                raise ValueError(f"{lp.state.pool.name}: {refused}") from None
        lost = (self.held.get(market_id, 0) - after) / token.one * self._price(token)
        self.held[market_id] = after
        for one, raw in zip(tokens, made.back, strict=True):
            self._into_wallet(one, raw)
            lost -= raw / one.one * self._price(one)
        return lost

    def _pool(self, market_id: MarketId, lp: LiquidityMarket) -> V3Pool:
        """The pool with our position in it, at the snapshot's price: the plan's own swaps do not move it."""
        pool = self.pools.get(market_id) or paper_liquidity.pool_of(self.snapshot, lp)
        if pool is None:
            raise ValueError(f"{lp.state.pool.name}: the pool's ticks could not be read")
        return pool

    def _price(self, token: Token) -> float:
        """Whole tokens of the first asset for one whole token, by the feeds; 0 for a reward without a feed."""
        exchange = self.snapshot.exchange
        if token in self.snapshot.assets or exchange is None or token in exchange.usd:
            return self.snapshot.price(token)
        return 0.0

    @property
    def _now(self) -> int:
        return self.snapshot.block.timestamp

    def step(self, leg: Leg) -> None:
        """Carry out one step of a two-step exit: request, collection or cancellation."""
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
