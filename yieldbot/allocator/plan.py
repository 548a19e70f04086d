"""Turns targets into moves and legs, or into a Hold with its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import entry_gas, exchange_cost
from yieldbot.allocator.assess import haircut_bps
from yieldbot.allocator.convert import swap_id
from yieldbot.allocator.horizons import days_allowed, horizon_key
from yieldbot.allocator.market_curve import curve_of
from yieldbot.allocator.self_dilution import losing, without
from yieldbot.allocator.share_terms import with_terms
from yieldbot.allocator.shared import dilutions_of, income_change
from yieldbot.model.amounts import Amount, Apr, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.durations import days_long
from yieldbot.model.fees import ENTER_TXS, LEAVE_TXS, ChainFees
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Allocation, Exchanged, Hold, Leg, LegKind, Move, Plan, identified
from yieldbot.model.policy import Policy
from yieldbot.model.text import counted
from yieldbot.model.units import BPS, GWEI

NOTHING_PAYS = "nothing earns more than what is held, after costs"
"""Reason of a Hold when the solver changes nothing."""


def make_plan(
    snapshot: Snapshot, allocation: Allocation, policy: Policy, now: int, *, max_fee_wei: int | None = None
) -> Plan | Hold:
    """The legs that lead from the present holdings to the targets, or a Hold. now: unix seconds; the plan expires after
    the policy's ttl.

    Hold when nothing changes, when gas is above ``max_fee_wei``, when the moves together gain less a year than
    ``min_gain_bps`` of the wealth or ``min_gain`` for each, or when they do not earn their cost back within their
    horizons (``horizons.days_allowed``). No subset of the solver's moves gains more, so if all together gain too
    little, none is made.
    """
    changes = _changes(snapshot, allocation)
    if not changes and not allocation.swaps:
        if not any(state.held for state in snapshot.states.values()):
            names = " or ".join(token.symbol for token in snapshot.assets)
            return Hold(f"the wallet is empty: it has no {names}, and no market holds any of it", allocation)
        return Hold(f"{NOTHING_PAYS}{_below_buffer(snapshot, policy)}", allocation)
    if max_fee_wei is not None and isinstance(snapshot.fees, ChainFees):
        fee_wei = snapshot.fees.base_fee_wei + snapshot.fees.priority_fee_wei
        if fee_wei > max_fee_wei:
            ceiling = f"the ceiling of {significant(max_fee_wei / GWEI, 3)} (max_fee_gwei of the chain)"
            return Hold(f"gas is at {significant(fee_wei / GWEI, 3)} gwei, above {ceiling}", allocation)
    if (untried := _not_worth_trying(snapshot, changes)) is not None:
        return Hold(untried, allocation)
    moves = _moves(snapshot, allocation, policy, changes)
    if not allocation.swaps and (poor := losing(snapshot, moves)):
        return make_plan(snapshot, without(snapshot, allocation, poor, policy), policy, now, max_fee_wei=max_fee_wei)
    gain = sum(move.gain_per_year for move in moves)
    cost = sum(move.cost for move in moves)
    symbol = snapshot.assets[0].symbol
    if gain <= 0:
        return Hold("the moves together earn nothing more", allocation)
    wealth = sum(float(state.held) * snapshot.price(state.market.asset) for state in snapshot.states.values())
    if gain < (least := wealth * policy.min_gain_bps / BPS):
        return Hold(
            f"{gain:z,.2f} {symbol} a year more is less than {policy.min_gain_bps:g} bp of the wealth "
            f"({least:z,.2f} {symbol}, policy.min_gain_bps): not worth a transaction",
            allocation,
        )
    if gain < (least := float(policy.min_gain) * len(moves)):
        return Hold(
            f"{gain:z,.2f} {symbol} a year more by {counted(len(moves), 'move')} is less than policy.min_gain for each "
            f"({least:z,.2f} {symbol}): not worth a transaction",
            allocation,
        )
    allowed, days = days_allowed(moves, policy), cost / gain * 365
    if days > allowed:
        return Hold(
            f"{gain:z,.2f} {symbol} a year more would take {days_long(days)} to pay {cost:z,.2f} {symbol} of cost; "
            f"the policy allows {significant(allowed, 3)} ({horizon_key(moves, policy)})",
            allocation,
            late=True,
        )
    legs = _legs(snapshot, allocation, changes)
    return graded(snapshot, policy, now, legs, allocation, gain=gain, cost=cost, moves=moves, allowed=allowed)


def _below_buffer(snapshot: Snapshot, policy: Policy) -> str:
    """Sentence that is added to a Hold when the wallet has less than the idle buffer (people expect it to be filled
    up), or so little more that no market may get it."""
    idle = snapshot.idle[0]
    token = idle.held.token
    buffer, least = token.parse(policy.idle_buffer), token.parse(policy.min_position)
    if all(not s.held.raw for s in snapshot.states.values() if s is not idle):
        if idle.held and idle.held < buffer:
            return f"; the wallet has {idle.held}, less than idle_buffer ({buffer}): all of it stays there"
        if idle.held and idle.held - buffer < least:
            return f"; the wallet has {idle.held - buffer} beyond idle_buffer, less than min_position ({least})"
        return ""
    if idle.held >= buffer:
        return ""
    has = f"{idle.held}, less than idle_buffer ({buffer})"
    return f"; the wallet has {has}: new money fills it, nothing is withdrawn for it"


def _changes(snapshot: Snapshot, allocation: Allocation) -> dict[MarketId, Amount]:
    """Target minus holding for each market that changes, the wallet left out."""
    deltas = {s.market.id: allocation.targets[s.market.id] - s.held for s in snapshot.markets}
    return {market_id: delta for market_id, delta in deltas.items() if delta}


def _legs(snapshot: Snapshot, allocation: Allocation, changes: Mapping[MarketId, Amount]) -> tuple[Leg, ...]:
    """Withdrawals first, then swaps, largest first, so that every deposit finds its money in the wallet."""
    worth = {m: abs(float(c)) * snapshot.price(c.token) for m, c in changes.items()}
    ordered = sorted(changes.items(), key=lambda item: (-worth[item[0]], item[0]))
    out = [
        with_terms(
            snapshot.of(market_id),
            Leg(LegKind.WITHDRAW, market_id, Amount(change.token, -change.raw), all=not allocation.targets[market_id]),
        )
        for market_id, change in ordered
        if change.raw < 0
    ]
    swaps = [
        Leg(LegKind.SWAP, swap_id(swap.given.token, swap.gets.token), swap.given, gets=swap.least)
        for swap in _in_turn(allocation.swaps)
    ]
    into = [leg for market_id, change in ordered if change.raw > 0 for leg in _into(snapshot.of(market_id), change)]
    return (*out, *swaps, *into)


TRIAL, BACK = 100, 200
"""Trial deposit: first 1/TRIAL of the amount goes in, then 1/BACK of the whole comes out again."""


def _into(state: MarketState, change: Amount) -> tuple[Leg, ...]:
    """The legs of a deposit; with a trial: a hundredth in, half of that out again, then the rest in."""
    whole = Leg(LegKind.DEPOSIT, state.market.id, change, ticks=_range(state))
    if not state.untried or change.raw < BACK:
        return (with_terms(state, whole),)
    trial, back = Amount(change.token, change.raw // TRIAL), Amount(change.token, change.raw // BACK)
    legs = (
        replace(whole, amount=trial),
        Leg(LegKind.WITHDRAW, state.market.id, back),
        replace(whole, amount=change - trial + back),
    )
    return tuple(with_terms(state, leg) for leg in legs)


def _not_worth_trying(snapshot: Snapshot, changes: Mapping[MarketId, Amount]) -> str | None:
    """Why the market's trial would cost too much for the size of the deposit; None if it would not."""
    for market_id, change in changes.items():
        state = snapshot.of(market_id)
        if not state.untried or change.raw <= 0:
            continue
        cost = snapshot.fees.cost(state.gas_deposit + state.gas_withdraw, txs=ENTER_TXS + LEAVE_TXS)
        if change.raw < BACK or cost > float(change) / TRIAL * snapshot.price(change.token):
            trial = Amount(change.token, change.raw // TRIAL)
            message = f"{state.market.name}: its way out is to be tried with real money first (policy.try_first), and"
            return f"{message} a hundredth of {change} ({trial}) is not worth the {cost:z,.4f} of gas that this costs"
    return None


def _range(state: MarketState) -> tuple[int, int] | None:
    return state.liquidity_market.ticks if state.liquidity_market else None


def _in_turn(swaps: Sequence[Exchanged]) -> list[Exchanged]:
    """The swaps ordered so that those that bring an asset come before those that sell it."""
    left, found = list(swaps), list[Exchanged]()
    while left:
        wanted = {swap.gets.token for swap in left}
        ready = [swap for swap in left if swap.given.token not in wanted] or left[:1]
        found += ready
        left = [swap for swap in left if swap not in ready]
    return found


@dataclass(slots=True)
class _End:
    """One end of a move: the market that money leaves, or the one that it goes into."""

    market_id: MarketId
    """The market."""
    token: Token
    """The market's asset."""
    value: int
    """The part that is not yet paired with another end, in base units of the first asset."""
    whole: int
    """The whole amount that leaves or comes in, in base units of the first asset."""


def _moves(
    snapshot: Snapshot, allocation: Allocation, policy: Policy, changes: Mapping[MarketId, Amount]
) -> tuple[Move, ...]:
    """Pairs markets that lose money with markets that gain it: first those of the same asset, largest first; the wallet
    takes the difference.

    Amounts are in the first asset, converted at the feeds' prices if there are several assets.
    """
    first = snapshot.assets[0]
    sources, targets = _ends(snapshot, allocation, changes)
    dilutions = dilutions_of(snapshot.markets, policy)
    worth = {
        s.market.id: income_change(s, float(allocation.targets[s.market.id]), policy, dilutions)
        * snapshot.price(s.market.asset)
        for s in snapshot.markets
        if s.market.id in changes
    }
    costs = {m: snapshot.fees.cost(*_gas(snapshot.of(m), c)) for m, c in changes.items()}
    spread = sum(exchange_cost(snapshot, swap) for swap in allocation.swaps)
    swapped = sum(end.value for end in targets) - _within_assets(sources, targets)
    moves = []
    # a difference due to prices and rounding between assets
    dust = first.one // 10_000 if len(snapshot.assets) > 1 else 0
    for source, target, value in _paired(sources, targets, dust, first.one // 100):
        parts = ((source.market_id, value / source.whole), (target.market_id, value / target.whole))
        gain = sum(worth.get(m, 0.0) * share for m, share in parts)
        growth = snapshot.growth.get(target.token, 0.0) - snapshot.growth.get(source.token, 0.0)
        gain += growth * value / first.one
        cost = sum(costs.get(m, 0.0) * share for m, share in parts)
        if source.token != target.token and swapped:
            cost += spread * value / swapped
        moves.append(
            Move(
                source=source.market_id,
                target=target.market_id,
                amount=Amount(first, value),
                gain_per_year=gain,
                cost=cost,
                break_even_days=cost / gain * 365 if gain > 0 else None,
                reason=_reason(snapshot, allocation, policy, source.market_id, target.market_id),
            )
        )
    return tuple(moves)


def _gas(state: MarketState, change: Amount) -> tuple[int, int, int]:
    """(gas, rent, transactions) of the legs of one market."""
    return (state.gas_withdraw, 0, LEAVE_TXS) if change.raw <= 0 else entry_gas(state)


def _ends(
    snapshot: Snapshot, allocation: Allocation, changes: Mapping[MarketId, Amount]
) -> tuple[list[_End], list[_End]]:
    """(sources, targets), largest first. Swap losses make their sums differ; that difference is not paired."""
    sources, targets = list[_End](), list[_End]()
    whole = dict(changes) | {s.market.id: allocation.targets[s.market.id] - s.held for s in snapshot.idle}
    first = snapshot.idle[0]  # as if we had more or less of it: the wallet's change is what moves and swaps leave of it
    token = first.market.asset
    left = -sum(change.raw for change in changes.values() if change.token == token)
    left -= sum(swap.given.raw for swap in allocation.swaps if swap.given.token == token)
    left += sum(swap.gets.raw for swap in allocation.swaps if swap.gets.token == token)
    whole[first.market.id] = Amount(token, left)
    for market_id, change in whole.items():
        value = _value(snapshot, change)
        if value:
            (targets if value > 0 else sources).append(_End(market_id, change.token, abs(value), abs(value)))
    for ends in (sources, targets):
        ends.sort(key=lambda end: (end.value, end.market_id), reverse=True)
    return sources, targets


def _value(snapshot: Snapshot, change: Amount) -> int:
    """An amount in base units of the first asset, by the feeds."""
    first = snapshot.assets[0]
    return change.raw if change.token == first else int(float(change) * snapshot.price(change.token) * first.one)


def _within_assets(sources: Sequence[_End], targets: Sequence[_End]) -> int:
    """How much of the money can be moved without a swap, in base units of the first asset."""
    tokens = {end.token for end in (*sources, *targets)}
    sums = ([sum(end.value for end in ends if end.token == t) for ends in (sources, targets)] for t in tokens)
    return sum(min(pair) for pair in sums)


PART = 10**6
"""One part in this of what goes into a market is no move of its own."""


def _paired(sources: list[_End], targets: list[_End], dust: int, cent: int = 0) -> Iterator[tuple[_End, _End, int]]:
    """(source, target, value) until one side is used up; within an asset first. What is worth no more than dust is left
    out, and less than cent if it is one part in PART of what goes in: nobody reads a step of a few base units."""
    for within in (True, False):
        for source in sources:
            for target in targets:
                value = min(source.value, target.value)
                if value < cent and value * PART < target.whole:
                    continue
                if value > dust and (source.token == target.token) == within:
                    source.value -= value
                    target.value -= value
                    yield source, target, value


def _reason(snapshot: Snapshot, allocation: Allocation, policy: Policy, source: MarketId, target: MarketId) -> str:
    """The reason of a move in one line: the APY of the target after the move and of the source on what is held there
    now, what the expected loss leaves of each, and what keeps the target from taking more."""
    h = policy.horizon_seconds
    rates, nets = list[float](), list[float]()
    for state, amount in (
        (snapshot.of(source), snapshot.of(source).held),
        (snapshot.of(target), allocation.targets[target]),
    ):
        simple = curve_of(state, policy).apr(float(amount), h)
        simple += snapshot.growth.get(state.market.asset, 0.0)
        rates.append(Apr(simple).compounded(h).value * 100)
        nets.append(Apr(simple - haircut_bps(state, policy) / BPS).compounded(h).value * 100)
    paid = [f"{rate:z.2f} %" for rate in rates]
    left_of = [
        "" if f"{net:z.2f}" == f"{rate:z.2f}" else f" ({net:z.2f} % after its expected loss)"
        for rate, net in zip(rates, nets, strict=True)
    ]
    binding = next((r.binding for r in allocation.reasons if r.market_id == target), "")
    limit = f"; limited by {binding}" if binding.startswith(("policy", "the market")) else ""
    left, taken = snapshot.of(source).market, snapshot.of(target).market
    if snapshot.of(target).untried:
        limit += "; tried first: a hundredth goes in, half of that comes out again, then the rest follows"
    limit += _locked(snapshot.of(source), allocation.targets[source])
    days = {said.days for m in (source, target) if (said := snapshot.of(m).forecast) is not None}
    by = f" by forecast over {days_long(max(days))}" if days else ""
    sure = f" net of LVR ({policy.confidence:z.0%} sure)" if snapshot.of(target).liquidity_market else ""
    pays = f"{taken.name} pays {paid[1]} APY{sure} after our deposit{left_of[1]}"
    return f"{pays}, {left.name} {paid[0]}{left_of[0]}{by}{limit}"


def _locked(source: MarketState, left: Amount) -> str:
    """How much of what stays in the source could not be withdrawn at once, as a phrase; empty if all of it could."""
    if source.market.kind is Kind.IDLE or source.cash is None or left.raw <= 0:
        return ""
    cash = max(0, source.cash.raw - max(0, source.held.raw - left.raw))
    if cash >= left.raw:
        return ""
    payable = Amount(left.token, cash)
    return f"; of the {left} that stay in {source.market.name} {payable} could be taken out at once"


def graded(
    snapshot: Snapshot,
    policy: Policy,
    now: int,
    legs: Iterable[Leg],
    allocation: Allocation,
    *,
    gain: float,
    cost: float,
    moves: Iterable[Move] = (),
    allowed: float | None = None,
    sold: Amount | None = None,
) -> Plan:
    """A plan of these legs, with its grade and its id, that expires after ``plan_ttl_seconds``.

    gain: a year; cost: one-time; both in whole tokens of the first asset. allowed: days within which the cost must be
    earned; None: ``policy.move_days``. sold: what sales of rewards bring.
    """
    return identified(
        Plan(
            id="",
            block=snapshot.block,
            owner=snapshot.owner,
            moves=tuple(moves),
            legs=tuple(legs),
            allocation=allocation,
            gain_per_year=gain,
            cost=cost,
            grade=grade(allocation, gain, cost, policy.move_days if allowed is None else allowed),
            expires_at=now + policy.plan_ttl_seconds,
            sold=sold,
        )
    )


def grade(allocation: Allocation, gain: float, cost: float, allowed: float) -> int:
    """Grade from 0 to 100: up to 60 for how close the certificate shows the allocation to the optimum (each bp of gap
    costs 6), up to 40 for how soon it pays (0 if only after ``allowed`` days, the policy's limit)."""
    optimal = max(0.0, 60.0 - 6.0 * allocation.certificate.gap_bps)
    days = cost / gain * 365
    soon = 40.0 * max(0.0, 1.0 - days / allowed)
    return round(optimal + soon)
