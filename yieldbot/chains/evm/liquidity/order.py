"""What may be done about liquidity, and the calls that do it, one after another.

The steps come from a generator that is given a node: it yields a call, goes on when that is mined, and reads there what
the next one needs. A rehearsal runs it on a fork, the real thing on the chain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.tx import Delta, EvmCall


@dataclass(frozen=True, slots=True, kw_only=True)
class LpOrder:
    """What a person approved. token_id: our position, None for a new one; ticks: of the new one. most: base units of
    token0 and token1 that may leave the wallet; least_put: what a call must take of each at least, in its own bytes;
    liquidity: that may be taken out, least_out: for which a call must ask at least; swap: what may be swapped by
    ``router``; expires_at: unix seconds. share: a pair's own token, where the liquidity is shares of it: then the
    manager is the pair's router, and ``liquidity`` are shares."""

    id: str
    manager: Address
    tokens: tuple[Token, Token]
    fee_pips: int
    token_id: int | None
    expires_at: int
    ticks: tuple[int, int] | None = None
    most: tuple[int, int] = (0, 0)
    least_put: tuple[int, int] = (0, 0)
    liquidity: int = 0
    least_out: tuple[int, int] = (0, 0)
    share: Token | None = None
    swap: SwapTerms | None = None
    router: Address | None = None

    @property
    def limits(self) -> tuple[tuple[Token, int], ...]:
        """What may leave the wallet, by token."""
        pair = tuple(zip(self.tokens, self.most, strict=True))
        return (*pair, (self.share, self.liquidity)) if self.share else pair

    @property
    def spenders(self) -> tuple[Address, ...]:
        """Who may be given an allowance."""
        return (self.manager, self.router) if self.router else (self.manager,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call with the order it belongs to. moves: tokens of ours that it may take; least: changes of ours that are
    right too, by the call's own bytes, where the price moves until it is mined."""

    call: EvmCall
    order: LpOrder
    moves: tuple[Token, ...] = ()
    least: Mapping[Token, int] = field(default_factory=dict)


Steps = Callable[[Node], AsyncIterator[Step]]


@dataclass(slots=True)
class Tally:
    """What a leg has to put in: ``start``, and what its transactions moved since; base units by token. Whoever runs the
    steps keeps it, so that what somebody else sends to the wallet meanwhile is none of the leg's."""

    start: Mapping[Token, int]
    moved: dict[Token, int] = field(default_factory=dict)

    def begin(self) -> None:
        self.moved.clear()

    def add(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            self.moved[delta.token] = self.moved.get(delta.token, 0) + delta.raw

    def has(self, token: Token) -> int:
        return max(0, self.start.get(token, 0) + self.moved.get(token, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provides:
    """A plan's leg that moves liquidity: its steps, and what their orders may name. tokens: whose balances are
    compared: the pool's two and the position's own; token_ids: our positions there. entry_cost_bps: what swaps take of
    what goes in, those of the way out included; slippage_bps: how far the price may move meanwhile; shift_ticks: how
    far the range may be moved to lie around the price, our own swaps of the plan having moved it. back: how all of ours
    is taken out again, read on a fork on which the leg was made; None where that is not rehearsed."""

    steps: Steps
    tally: Tally
    manager: Address
    router: Address
    pair: tuple[Token, Token]
    tokens: tuple[Token, ...]
    token_ids: frozenset[int]
    description: str
    entry_cost_bps: float
    slippage_bps: float
    shift_ticks: int
    back: Callable[[Node], Awaitable[Provides]] | None = None

    @property
    def spenders(self) -> tuple[Address, ...]:
        return (self.manager, self.router)
