"""Exits that an alarm or a person demands: what can be taken out of which market now, what stays and why. Pure.

No gain is weighed here. An exit is limited by the market (its cash, its pauses, its cooldown), by the signer's fee
ceiling, and by gas: an amount that is worth less than the gas of its withdrawal stays. Where low cash is the only
alarm, it also stays if gas would take more of it than ``alarms.cash_exit_bps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.share_terms import with_terms
from yieldbot.model.alarm_limits import ABOUT_CASH
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import LEAVE_TXS, ChainFees
from yieldbot.model.ids import MarketId
from yieldbot.model.market import ExitKind, Leaving, MarketState, Snapshot, Status
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan, identified
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act, Alarm
from yieldbot.model.text import one_line
from yieldbot.model.units import BPS, GWEI

ORDERED = "EXIT_ORDERED"
"""Code of the alarm that a person's order to leave a market raises; its legs come after those of every other alarm."""
TWO_STEPS = (ExitKind.COOLDOWN, ExitKind.REQUEST)
LONGEST_REASON = 300
"""Most characters of an alarm's text that a plan repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillIn:
    """Money of ours that stays for now in a market that is to be left."""

    market_id: MarketId
    """The market."""
    name: str
    """Its name in tables."""
    held: Amount
    """Amount that stays in the market."""
    why: str
    """Why it stays there, as a sentence."""
    after: str
    """What happens next, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """What can be done now about the markets that are to be left."""

    plan: Plan | None
    """Takes out what can be taken out; None if nothing can."""
    stays: tuple[StillIn, ...]
    """What stays in afterwards, the most dangerous market first."""
    waits: str = ""
    """Why nothing is taken out although something could be; empty if nothing holds it up."""

    @property
    def why(self) -> str:
        """Why there is no plan, in one line."""
        left = "; ".join(f"{one.held} stay in {one.name}: {one.why}" for one in self.stays)
        return "; ".join(part for part in (self.waits, left) if part) or "nothing of ours is in a market to be left"


def leave_alarms(state: MarketState) -> tuple[Alarm, ...]:
    """The alarms that ask for what we hold to be taken out, the oldest first."""
    return tuple(sorted((one for one in state.alarms if one.act is Act.LEAVE), key=lambda one: one.since))


def to_be_left(snapshot: Snapshot) -> list[MarketState]:
    """The markets that an alarm or a person wants left and that hold money of ours, the most dangerous first.

    Order: markets with an alarm before those that only a person's order names; then by the number of alarms, most
    first; then the oldest alarm first; then the smaller the part of our holding that the cash covers (unknown cash
    counts as none); then the larger holding.
    """

    def order(state: MarketState) -> tuple[object, ...]:
        alarms = leave_alarms(state)
        dangers = [one for one in alarms if one.code != ORDERED]
        since = min(one.since for one in dangers or alarms)
        cash = 0 if state.cash is None else min(state.cash.raw, state.held.raw)
        worth = float(state.held) * price_of(snapshot, state.market.asset)
        return (not dangers, -len(dangers), since, cash / state.held.raw, -worth, state.market.id)

    return sorted((state for state in snapshot.markets if state.leave and state.held.raw > 0), key=order)


def exit_plan(snapshot: Snapshot, policy: Policy, now: int, *, max_fee_wei: int | None = None) -> Exits:
    """The legs that leave the markets that are to be left, as far as possible now. now: unix seconds; the plan expires
    ``plan_ttl_seconds`` later. max_fee_wei: the signer's ceiling for the price of gas, above which no leg is made.

    Leaving a pool swaps, which a person must approve. Where other exits need no approval (``auto_exit``), pools wait
    until nothing else can be taken out.
    """
    legs, stays, why, cost = list[Leg](), list[StillIn](), list[str](), 0.0
    ways = [(state, *_way_out(snapshot, state, policy)) for state in to_be_left(snapshot)]
    apart = policy.auto_exit and any(found for state, found, _ in ways if state.liquidity_market is None)
    for state, found, left in ways:
        if apart and found and state.liquidity_market is not None:
            why_not = "leaving a pool swaps: it has a plan of its own, after the other markets"
            stays.append(_stays(state, state.held, why_not, "it comes out next"))
            continue
        stays += [left] if left is not None else []
        if found:
            legs += found
            cost += len(found) * gas_cost(snapshot, state)
            why.append(reason_of(state))
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    if legs and max_fee_wei is not None and fee_wei > max_fee_wei:
        waits = (
            f"gas is at {significant(fee_wei / GWEI, 3)} gwei, above the ceiling of "
            f"{significant(max_fee_wei / GWEI, 3)} (max_fee_gwei of the "
            "chain's file): the exit waits for it, or for a higher ceiling"
        )
        return Exits(plan=None, stays=tuple(stays), waits=waits)
    if not legs:
        return Exits(plan=None, stays=tuple(stays))
    return Exits(plan=_plan(snapshot, legs, why, cost, now + policy.plan_ttl_seconds), stays=tuple(stays))


def reason_of(state: MarketState) -> str:
    """Why a market is left, in one line: each alarm with what it observed."""
    seen = "; ".join(f"{one.code}: {one.saw}" for one in leave_alarms(state))
    return one_line(f"{state.market.name}: {seen}", LONGEST_REASON)


def gas_cost(snapshot: Snapshot, state: MarketState) -> float:
    """What the gas of one leg out of the market costs, in whole tokens of the first asset."""
    return snapshot.fees.cost(state.gas_withdraw, txs=LEAVE_TXS)


def price_of(snapshot: Snapshot, token: Token) -> float:
    """As ``Snapshot.price``, but 1 if there is no price: an exit does not wait for a feed."""
    try:
        return snapshot.price(token)
    except (KeyError, ZeroDivisionError):
        return 1.0


def _way_out(snapshot: Snapshot, state: MarketState, policy: Policy) -> tuple[list[Leg], StillIn | None]:
    """The legs that leave one market now, and what stays in it afterwards."""
    if state.status is Status.PAUSED:
        return [], _stays(state, state.held, "the market is paused", "it comes out once the market is no longer paused")
    if state.barred:
        after = "it is tried again a day after the last try"
        return [], _stays(state, state.held, f"it cannot be taken out now: {state.stuck}", after)
    if state.exit.kind in TWO_STEPS:
        return _steps(snapshot, state)
    amount = state.withdrawable
    if amount.raw <= 0:
        after = "it comes out as cash appears"
        return [], _stays(state, state.held, "the market has no cash to pay it with", after)
    if (dust := _dust(snapshot, state, amount) or _too_dear(snapshot, state, amount, policy)) is not None:
        return [], dust
    whole = amount >= state.held
    if not whole and state.liquidity_market is not None:
        return [], _stays(state, state.held, "only a part of the pool's position can be taken out", "it is tried again")
    leg = with_terms(state, Leg(LegKind.WITHDRAW, state.market.id, amount, all=whole))
    if whole:
        return [leg], None
    why = f"the market has cash for {amount} of {state.held} alone"
    return [leg], _stays(state, state.held - amount, why, "the rest comes out as cash appears")


def _steps(snapshot: Snapshot, state: MarketState) -> tuple[list[Leg], StillIn | None]:
    """The legs of a two-step exit that are due: what is ready is collected, what a cancellation returned is added to
    the shares again (to be requested next), and what is still in the market is requested."""
    market_id, gone = state.market.id, state.leaving
    if gone is None:
        if (dust := _dust(snapshot, state, state.inside, legs=2)) is not None:
            return [], dust
        request = Leg(LegKind.REQUEST, market_id, state.inside, all=True)
        return [request], _stays(
            state, state.held, f"it leaves by {state.exit.words}", "it is collected once it is due"
        )
    legs = list[Leg]()
    if gone.ready and _dust(snapshot, state, gone.ready) is None:
        legs.append(Leg(LegKind.COLLECT, market_id, gone.ready, all=gone.ready == state.held))
    if gone.back and _dust(snapshot, state, gone.back, legs=2) is None:
        legs.append(Leg(LegKind.CANCEL, market_id, gone.back))
    if gone.entering and gone.cancels and not legs and _dust(snapshot, state, gone.requested, legs=2) is None:
        legs.append(Leg(LegKind.CANCEL, market_id, gone.requested))
    comes = sum(leg.amount.raw for leg in legs if leg.kind is LegKind.COLLECT)
    rest = Amount(state.held.token, state.held.raw - comes)
    return legs, _stays(state, rest, _on_its_way(gone), "it is collected once it is due") if rest.raw else None


def _on_its_way(gone: Leaving) -> str:
    if gone.entering:
        waits = f"{gone.requested} wait to be deposited by request"
        return f"{waits}, and are called back" if gone.cancels else f"{waits}, and can be taken out once that is served"
    if not gone.requested:
        return "what a request returned is requested again" if gone.back else "the rest is requested next"
    return f"{gone.requested} are requested" + ("" if gone.until else ", and paid when somebody serves the request")


def _dust(snapshot: Snapshot, state: MarketState, amount: Amount, legs: int = 1) -> StillIn | None:
    """What stays because taking it out would cost more gas than it is worth; None if it would not."""
    worth, cost = float(amount) * price_of(snapshot, amount.token), legs * gas_cost(snapshot, state)
    if worth > cost:
        return None
    what = "all of it is" if amount >= state.held else f"the {amount} that could be taken out are"
    first = snapshot.assets[0].symbol if snapshot.assets else ""
    why = f"{what} worth less than the {cost:z,.4f} {first} of gas that it takes"
    return _stays(state, state.held, why, "it comes out once it is worth its gas")


def _too_dear(snapshot: Snapshot, state: MarketState, amount: Amount, policy: Policy) -> StillIn | None:
    """What stays because low cash is its only alarm, and the gas of leaving and entering again would take too large a
    part of it; None if nothing stays."""
    if any(one.code not in ABOUT_CASH for one in leave_alarms(state)):
        return None
    worth = float(amount) * price_of(snapshot, amount.token)
    cost = snapshot.fees.cost(state.gas_withdraw + state.gas_deposit, txs=2 * LEAVE_TXS)
    most = policy.alarms.cash_exit_bps
    if cost * BPS <= most * worth:
        return None
    part = "all" if not worth else f"{cost / worth * BPS:z.1f} bp"
    why = f"only its cash is doubted, and gas would take {part} of {amount} (alarms.cash_exit_bps is {most:g})"
    return _stays(state, state.held, why, "it comes out when another alarm joins, or for less gas")


def _stays(state: MarketState, held: Amount, why: str, after: str) -> StillIn:
    return StillIn(
        market_id=state.market.id, name=state.market.name, held=held, why=one_line(why, LONGEST_REASON), after=after
    )


def held_as_it_is(snapshot: Snapshot) -> Allocation:
    """The present holdings as an allocation that no solver computed: its income is 0 and its certificate states no
    bound."""
    targets = {state.market.id: state.held for state in snapshot.states.values()}
    return Allocation(targets, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())


def _plan(snapshot: Snapshot, legs: Sequence[Leg], why: Sequence[str], cost: float, expires_at: int) -> Plan:
    """The plan of these legs. Its gain is 0 and its certificate states no bound; its targets are what remains after the
    legs."""
    allocation = held_as_it_is(snapshot)
    targets = allocation.targets
    wallets = {state.market.asset: state.market.id for state in snapshot.idle}
    for leg in legs:
        if leg.kind in (LegKind.WITHDRAW, LegKind.COLLECT):
            targets[leg.market_id] -= leg.amount
            if (wallet := wallets.get(leg.amount.token)) is not None:
                targets[wallet] += leg.amount
    return identified(
        Plan(
            id="",
            block=snapshot.block,
            owner=snapshot.owner,
            moves=(),
            legs=tuple(legs),
            allocation=replace(allocation, cost=cost),
            gain_per_year=0.0,
            cost=cost,
            grade=0,
            expires_at=expires_at,
            why=tuple(why),
        )
    )
