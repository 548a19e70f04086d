"""Money of our other wallets, counted in a decision: what plans that come before would move, and what is held. Pure.

Each plan counts the plans of the wallets before its own in the configuration. What those would put in is counted
against the yield and the room; what they would take out is counted against the cash that is left, and never as a gain,
because a plan may not be carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from yieldbot.journal.fold import Record, fold_plans
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten, TxSettled, TxSigned
from yieldbot.math.beside import joined
from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.pending import Beside, PendingMove
from yieldbot.model.plan import Hold, LegKind, Plan, identified
from yieldbot.model.text import counted
from yieldbot.model.tx import Confirmed
from yieldbot.model.units import DAY_SECONDS

WAITING = (PlanStatus.QUEUED, PlanStatus.APPROVED, PlanStatus.HANDED_OVER)
"""Plans that somebody may carry out yet, or that are being carried out."""
MOST_MARKETS = 3
"""Most markets of which a plan says what it counts."""
MOST_WALLETS = 3
"""Most wallets that are named for a market."""


def moves_of(
    wallet: str, plan: Plan, records: Sequence[Record] = (), height: int | None = None
) -> tuple[PendingMove, ...]:
    """What a plan would move, by market, in one step. records: the journal's; what it did already by block ``height``
    (None: by any block) is left out, and all of it if it has ended otherwise than by being carried out."""
    done, over = _done(plan, records, height)
    net: dict[MarketId, int] = {}
    tokens = {}
    for index, leg in enumerate(plan.legs):
        sign = _SIGNS.get(leg.kind, 0)
        if sign and index not in done and not over:
            net[leg.market_id] = net.get(leg.market_id, 0) + sign * leg.amount.raw
            tokens[leg.market_id] = leg.amount.token
    return tuple(
        PendingMove(wallet, market, Amount(tokens[market], max(0, raw)), Amount(tokens[market], max(0, -raw)))
        for market, raw in net.items()
        if raw
    )


_SIGNS = {LegKind.DEPOSIT: 1, LegKind.WITHDRAW: -1}
_DROPPED = (PlanStatus.REJECTED, PlanStatus.EXPIRED, PlanStatus.FAILED, PlanStatus.INTERRUPTED)


def _done(plan: Plan, records: Iterable[Record], height: int | None) -> tuple[set[int], bool]:
    """(the legs of a plan that have moved money by a block, whether the rest of it will not be done)."""
    legs: dict[str, int] = {}
    found, over = set[int](), False
    for record in records:
        match record.entry:
            case TxSigned(plan_id=plan.id, leg=leg, hash=tx_hash):
                legs[tx_hash] = leg
            case TxSettled(outcome=Confirmed(hash=tx_hash, block=block, deltas=deltas)) if tx_hash in legs:
                token = plan.legs[legs[tx_hash]].amount.token
                if any(delta.token == token for delta in deltas) and (height is None or block.height <= height):
                    found.add(legs[tx_hash])
            case PlanMarked(plan_id=plan.id, status=status):
                over = status in _DROPPED
            case _:
                pass
    return found, over


def waiting(records: Sequence[Record], now: int) -> dict[tuple[ChainId, Address], tuple[Plan, ...]]:
    """The plans that wait, or are being carried out, by account. now: unix seconds."""
    written = {row.entry.plan.id for row in records if isinstance(row.entry, PlanWritten)}
    known = [
        row
        for row in records
        if isinstance(row.entry, PlanWritten) or (isinstance(row.entry, PlanMarked) and row.entry.plan_id in written)
    ]
    found: dict[tuple[ChainId, Address], tuple[Plan, ...]] = {}
    for stored in fold_plans(known).values():
        if stored.status in WAITING and now < stored.plan.expires_at:
            account = stored.plan.block.chain, stored.plan.owner
            found[account] = (*found.get(account, ()), stored.plan)
    return found


def with_others(snapshot: Snapshot, beside: Beside) -> Snapshot:
    """The snapshot as decisions see it, with our other wallets' money: each market as it would be read once what they
    would put in is there (its curve, room, rewards and forecast), without the cash that they would take out, and with
    what they hold there. A market that money leaves for danger or by order keeps its cash: nobody waits for another."""
    if not beside.moves and not beside.held:
        return snapshot
    puts, takes = _sums(beside.moves)
    into = _into_pools(snapshot, puts)
    alike: dict[frozenset[str], list[MarketId]] = {}
    for state in snapshot.markets:
        alike.setdefault(state.pools, []).append(state.market.id)
    states = {}
    for key, state in snapshot.states.items():
        # money in markets that lend to the same one pool comes out of the same cash
        mates = alike[state.pools] if len(state.pools) == 1 else [key]
        coming = sum(puts.get(one, 0) for one in mates)
        marked = replace(state, others_held=sum(beside.held.get(one, 0) for one in mates), others_coming=coming)
        beside_it = {
            pool: sum(raw for at, raw in into[pool].items() if at != key) for pool in state.pools & into.keys()
        }
        out = sum(takes.get(one, 0) for one in mates)
        states[key] = _with(marked, puts.get(key, 0) / state.market.asset.one, beside_it, out)
    return replace(snapshot, states=states)


def _into_pools(snapshot: Snapshot, puts: Mapping[MarketId, int]) -> dict[str, dict[MarketId, float]]:
    """Whole tokens that plans would bring to each pool, by the market through which they come."""
    found: dict[str, dict[MarketId, float]] = {}
    for key, raw in puts.items():
        if (state := snapshot.states.get(key)) is None:
            continue
        more, curve = raw / state.market.asset.one, state.curve
        if isinstance(curve, LookThroughCurve):
            for slot, then in zip(curve.slots, curve.holdings(curve.ours + more), strict=True):
                if slot.pool and then > slot.held:
                    found.setdefault(slot.pool, {})[key] = then - slot.held
        elif len(state.pools) == 1:
            found.setdefault(next(iter(state.pools)), {})[key] = more
    return found


def _with(state: MarketState, more: float, pools: Mapping[str, float], takes: int) -> MarketState:
    """A market with so many whole tokens more of others' in it, and in its pools through other markets; and without so
    many base units of cash."""
    token, curve = state.market.asset, state.curve
    if takes and not state.leave:
        out = Amount(token, min(takes, state.liquidity.raw))
        supplied = Amount(token, max(0, state.supplied.raw - out.raw))
        state = replace(state, liquidity=state.liquidity - out, supplied=supplied)
    if state.market.kind is Kind.IDLE or state.prices is not None or state.liquidity_market is not None:
        return state
    forecast, rate = state.forecast, more
    if isinstance(curve, LookThroughCurve):
        slots = tuple(replace(one, curve=joined(one.curve, pools.get(one.pool, 0.0))) for one in curve.slots)
        diluted = replace(curve, slots=slots)
        if forecast is not None and diluted != curve:  # it falls as the vault's own rate does
            held, seconds = float(state.held), forecast.days * DAY_SECONDS
            now, then = curve.apr(held, seconds), diluted.apr(held, seconds)
            forecast = replace(forecast, mean=forecast.mean * then / now) if 0.0 <= then < now else forecast
        curve = diluted
    else:
        rate += sum(pools.values())
    curve = joined(curve, rate)
    if not rate and curve == state.curve:
        return state
    room = None if state.capacity is None else Amount(token, max(0, state.capacity.raw - round(rate * token.one)))
    forecast = None if forecast is None else replace(forecast, beside=forecast.beside + rate)
    rewards = tuple(replace(one, others=one.others + more) for one in state.rewards)
    return replace(state, capacity=room, curve=curve, forecast=forecast, rewards=rewards)


def _sums(moves: Iterable[PendingMove]) -> tuple[dict[MarketId, int], dict[MarketId, int]]:
    """Base units that plans put into each market, and that they take out."""
    puts: dict[MarketId, int] = {}
    takes: dict[MarketId, int] = {}
    for one in moves:
        for found, amount in ((puts, one.puts), (takes, one.takes)):
            if amount:
                found[one.market_id] = found.get(one.market_id, 0) + amount.raw
    return puts, takes


def counted_words(moves: Sequence[PendingMove], names: Mapping[MarketId, str]) -> tuple[str, ...]:
    """What a decision counts of other wallets' plans, a line for each market: those with the most money first. names:
    of the markets that it can see; others count for nothing."""
    puts, takes = _sums(moves)
    lines = []
    for verb, place, sums in (("put", "into", puts), ("take", "out of", takes)):
        ordered = sorted((key for key in sums if key in names), key=lambda key: -sums[key])
        for market in ordered[:MOST_MARKETS]:
            who = [one for one in moves if one.market_id == market and (one.puts if verb == "put" else one.takes)]
            amount = Amount((who[0].puts if verb == "put" else who[0].takes).token, sums[market])
            wallets = _several(list(dict.fromkeys(one.wallet for one in who)))
            lines.append(f"{_about(amount)} that {wallets} would {verb} {place} {names[market]} first")
        if left := ordered[MOST_MARKETS:]:
            lines.append(f"what plans would {verb} {place} {counted(len(left), 'more market')} first")
    return tuple(lines)


def saying_what_counts(made: Plan | Hold, seen: Snapshot, beside: Beside) -> Plan | Hold:
    """The plan or hold, which says what it counts of other wallets' plans."""
    lines = counted_words(beside.moves, {state.market.id: state.market.name for state in seen.markets})
    if isinstance(made, Hold):
        return replace(made, counts=lines)
    return identified(replace(made, counts=lines)) if lines else made


def _about(amount: Amount) -> str:
    whole = float(amount)
    return f"{whole:z,.2f} {amount.token.symbol}" if whole >= 100 else str(amount)


def _several(names: Sequence[str]) -> str:
    """Names of wallets, the first ones alone where they are many."""
    if len(names) > MOST_WALLETS:
        return f"{', '.join(names[:MOST_WALLETS])} and {len(names) - MOST_WALLETS} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
