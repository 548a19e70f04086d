"""Finds the route of a swap: candidates are each pool of the pair, and through each intermediate token its two best
pools. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from yieldbot.allocator.split import split, split_exact_out
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.venues import VenuePath
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Pool, PoolsByPair, PoolState, Venue
from yieldbot.model.gas import SWAP_TX


@dataclass(frozen=True, slots=True)
class RoutePart:
    """One route of a split swap."""

    pools: tuple[Pool, ...]
    """Its pools, in the order in which they are passed."""
    taken: Amount
    """Amount in."""
    given: Amount
    """Amount out."""
    gas: int
    """Gas of its transactions."""


@dataclass(frozen=True, slots=True)
class Route:
    """A swap split over routes, the largest first."""

    parts: tuple[RoutePart, ...]
    """The routes, swapped in parallel."""
    taken: Amount
    """Total amount in."""
    given: Amount
    """Total amount out."""
    cost: Amount
    """Cost of the gas, in the output token (for an exact output: in the input token)."""
    bound: float
    """No split over the same candidate routes brings more whole tokens net of cost (for an exact output: needs
    fewer)."""
    gap_bps: float
    """How far this split may be from the bound, in bps of the swap."""
    exact_out: bool = False
    """Whether the output is exact, and not the input."""


Way = tuple[tuple[PoolState, ...], Venue]
"""(pools of a candidate route in order, the one venue that they make together)."""


def route(
    pools: Sequence[PoolState] | PoolsByPair,
    amount: Amount,
    wanted: Token,
    unit_cost: float = 0.0,
    way_cost: float = 0.0,
) -> Route:
    """The best route for swapping exactly ``amount`` into ``wanted``. Raises Unswappable if the pools do not take so
    much.

    unit_cost: cost of a unit of gas, in base units of ``wanted``; way_cost: cost of each route's transactions in
    addition to their gas, in base units of ``wanted``. Through an intermediate token the first pool is the one that
    brings most for the whole amount, the second the one that brings most for that; both belong to one router, since a
    route is one call. Each pool is in at most one route (a contract of many coins counts as one pool, and of metapools
    over one base pool only the best counts), so that outputs are independent and the bound holds.
    """
    ways = ways_of(pools, amount, wanted)
    costs = [int(gas_of(pools) * unit_cost + way_cost) for pools, _ in ways]
    found = split([venue for _, venue in ways], amount.raw, costs)
    parts = _parts(ways, amount.token, wanted, found.parts, found.outs)
    given, cost = Amount(wanted, sum(found.outs)), Amount(wanted, found.costs)
    return Route(parts, amount, given, cost, found.bound / wanted.one, found.gap_bps)


def ways_of(pools: Sequence[PoolState] | PoolsByPair, amount: Amount, wanted: Token) -> list[Way]:
    """The candidate routes that ``route`` splits over. Raises Unswappable if there is none."""

    def through(between: Token, firsts: Sequence[PoolState], seconds: Sequence[PoolState]) -> tuple[int, Way] | None:
        first = _best(firsts, loss)
        if first is None:
            return None
        carried = first.venue(amount.token).quote_exact_in(amount.raw)[0]
        second = _best(seconds, lambda s: -s.venue(between).quote_exact_in(carried)[0])
        if second is None:
            return None
        way = (first, second), VenuePath(first.venue(amount.token), second.venue(between))
        return -second.venue(between).quote_exact_in(carried)[0], way

    def loss(state: PoolState) -> int:
        return -state.venue(amount.token).quote_exact_in(amount.raw)[0]

    return _ways(pools, amount.token, wanted, through, loss)


def route_for(
    pools: Sequence[PoolState] | PoolsByPair,
    given: Token,
    wanted: Amount,
    unit_cost: float = 0.0,
    way_cost: float = 0.0,
) -> Route:
    """The route that brings exactly ``wanted`` for the least of ``given``; costs are in ``given``. Other arguments: see
    ``route``."""

    def through(between: Token, firsts: Sequence[PoolState], seconds: Sequence[PoolState]) -> tuple[int, Way] | None:
        second = _best(seconds, lambda s: s.venue(between).quote_exact_out(wanted.raw))
        if second is None:
            return None
        carried = second.venue(between).quote_exact_out(wanted.raw)
        first = _best(firsts, lambda s: s.venue(given).quote_exact_out(carried))
        if first is None:
            return None
        way = (first, second), VenuePath(first.venue(given), second.venue(between))
        return first.venue(given).quote_exact_out(carried), way

    def loss(state: PoolState) -> int:
        return state.venue(given).quote_exact_out(wanted.raw)

    ways = _ways(pools, given, wanted.token, through, loss)
    costs = [int(gas_of(pools) * unit_cost + way_cost) for pools, _ in ways]
    found = split_exact_out([venue for _, venue in ways], wanted.raw, costs)
    parts = _parts(ways, given, wanted.token, found.parts, found.outs)
    taken, cost = Amount(given, sum(found.parts)), Amount(given, found.costs)
    return Route(parts, taken, wanted, cost, found.bound / given.one, found.gap_bps, exact_out=True)


def _ways(
    pools: Sequence[PoolState] | PoolsByPair,
    given: Token,
    wanted: Token,
    through: Callable[[Token, Sequence[PoolState], Sequence[PoolState]], tuple[int, Way] | None],
    loss: Callable[[PoolState], int],
) -> list[Way]:
    by_pair = pools if isinstance(pools, PoolsByPair) else PoolsByPair(pools)
    ways: list[Way] = [((state,), state.venue(given)) for state in _apart(by_pair.of(given, wanted), loss)]
    for between in by_pair.tokens:
        if between in (given, wanted):
            continue
        firsts, seconds = by_pair.of(given, between), by_pair.of(between, wanted)
        if not firsts or not seconds:
            continue
        used = {used for pools, _ in ways for state in pools for used in state.pool.uses}
        free, last = (_by_router(states, used) for states in (firsts, seconds))
        tried = [through(between, free[router], last[router]) for router in free if router in last]
        found = [one for one in tried if one is not None and one[1][0][0].pool.uses.isdisjoint(one[1][0][1].pool.uses)]
        if found:
            ways.append(min(found, key=lambda one: one[0])[1])
    if not ways:
        raise Unswappable(f"no pool leads from {given.symbol} to {wanted.symbol}")
    return ways


def _apart(states: Sequence[PoolState], loss: Callable[[PoolState], int]) -> Sequence[PoolState]:
    """The pools without those that share liquidity with one that loses less: metapools over one base pool."""
    if not any("base" in state.pool.params for state in states):
        return states
    kept = list[PoolState]()
    for state in states:
        rivals = [one for one in kept if not one.pool.uses.isdisjoint(state.pool.uses)]
        kept = [one for one in kept if one not in rivals] + [_best([*rivals, state], loss) or state]
    return kept


def _by_router(states: Iterable[PoolState], used: Collection[str]) -> dict[tuple[str, str | None], list[PoolState]]:
    """Pools that no other route uses, grouped by the router that swaps in them: a route is one call of one router. A
    pool whose router takes one pool at a time is ``alone``."""
    found: dict[tuple[str, str | None], list[PoolState]] = {}
    for state in states:
        if state.pool.uses.isdisjoint(used):
            router = state.pool.id if state.pool.params.get("alone") else state.pool.params.get("router")
            found.setdefault((state.pool.protocol, router), []).append(state)
    return found


def gas_of(pools: Sequence[PoolState]) -> int:
    """Gas of a route: that of its transactions and of each pool."""
    return SWAP_TX + sum(state.gas for state in pools)


def _parts(
    ways: Sequence[Way], given: Token, wanted: Token, taken: Sequence[int], out: Sequence[int]
) -> tuple[RoutePart, ...]:
    found = [
        RoutePart(tuple(s.pool for s in pools), Amount(given, into), Amount(wanted, brought), gas_of(pools))
        for (pools, _), into, brought in zip(ways, taken, out, strict=True)
        if into
    ]
    return tuple(sorted(found, key=lambda part: -part.taken.raw))


def _best(states: Iterable[PoolState], loss: Callable[[PoolState], int]) -> PoolState | None:
    """The pool with the smallest loss; None if each refuses the amount or brings nothing for it."""
    best: tuple[int, PoolState | None] = (0, None)
    for state in states:
        try:
            found = loss(state)
        except Unswappable:
            continue
        if found and (best[1] is None or found < best[0]):
            best = (found, state)
    return best[1]
