"""Which way a swap goes: each pool of the pair, and through each other token its two best pools, by price. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yieldbot.allocator.split import split
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.venues import Path
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, PoolState, Venue


@dataclass(frozen=True, slots=True)
class Part:
    """What goes one way: the pools in order, what goes in and what comes out."""

    pools: tuple[Pool, ...]
    taken: Amount
    given: Amount


@dataclass(frozen=True, slots=True)
class Route:
    """A swap's ways, largest first. bound: whole tokens that no split over these ways exceeds; gap_bps of it."""

    parts: tuple[Part, ...]
    taken: Amount
    given: Amount
    bound: float
    gap_bps: float


def route(states: Sequence[PoolState], amount: Amount, wanted: Token) -> Route:
    """The best ways to give ``amount`` for ``wanted``. Raises Unswappable where the pools do not take so much.

    Through another token goes the one pool that gives most for all of the amount, then the one that gives most for
    that: each pool is in one way only, so that the ways' outputs are independent and the bound is one.
    """
    ways: list[tuple[tuple[Pool, ...], Venue]] = [
        ((state.pool,), state.venue(amount.token)) for state in _of(states, amount.token, wanted)
    ]
    tokens = {token for state in states for token in (state.pool.token0, state.pool.token1)}
    for between in sorted(tokens - {amount.token, wanted}, key=lambda token: token.address):
        first = _best(_of(states, amount.token, between), amount.token, amount.raw)
        if first is None:
            continue
        second = _best(_of(states, between, wanted), between, first.venue(amount.token).give(amount.raw)[0])
        if second is not None:
            ways.append(((first.pool, second.pool), Path(first.venue(amount.token), second.venue(between))))
    if not ways:
        raise Unswappable(f"no pool leads from {amount.token.symbol} to {wanted.symbol}")
    venues: list[Venue] = [venue for _, venue in ways]
    found = split(venues, amount.raw)
    parts = [
        Part(pools, Amount(amount.token, taken), Amount(wanted, venue.give(taken)[0]))
        for (pools, venue), taken in zip(ways, found.parts, strict=True)
        if taken
    ]
    parts.sort(key=lambda part: -part.taken.raw)
    return Route(tuple(parts), amount, Amount(wanted, found.out), found.bound / wanted.one, found.gap_bps)


def _of(states: Iterable[PoolState], one: Token, other: Token) -> list[PoolState]:
    return [state for state in states if {state.pool.token0, state.pool.token1} == {one, other}]


def _best(states: Iterable[PoolState], given: Token, raw: int) -> PoolState | None:
    """The pool that gives most for the amount; None where none takes it."""
    best: tuple[int, PoolState | None] = (0, None)
    for state in states:
        try:
            out = state.venue(given).give(raw)[0]
        except Unswappable:
            continue
        best = (out, state) if out > best[0] else best
    return best[1]
