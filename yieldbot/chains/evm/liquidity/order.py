"""Liquidity orders, and the steps that carry them out.

Steps come from a generator that is given a node: it yields a call and, once that is mined, reads what the next call
depends on. A rehearsal runs the generator on a fork, the execution runs it on the chain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import field

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.tx import Delta, EvmCall


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityOrder:
    """What a person, or a plan, has approved for one position."""

    id: str
    """The order's id, or the plan's."""
    manager: Address
    """The position manager; for LP tokens of a v2 pair the router."""
    tokens: tuple[Token, Token]
    """token0 and token1 of the pool."""
    fee_pips: int
    """The pool's fee, in 1e-6."""
    token_id: int | None
    """Our position's number; None: a new one, or LP tokens of a pair."""
    expires_at: int
    """Unix seconds by the chain's clock from which nothing more is signed."""
    ticks: tuple[int, int] | None = None
    """Lower and upper tick of a new position; None: no new position."""
    most: tuple[int, int] = (0, 0)
    """Most base units of token0 and token1 that may leave the wallet."""
    least_put: tuple[int, int] = (0, 0)
    """Least base units of each token that a call which adds liquidity must require."""
    liquidity: int = 0
    """Units of liquidity (or LP tokens) that may be removed."""
    least_out: tuple[int, int] = (0, 0)
    """Least base units of each token that a call which removes liquidity must require."""
    share: Token | None = None
    """The pair's LP token, for a Uniswap v2 pair; None: other pools."""
    swap: SwapTerms | None = None
    """The swap that the router may make; None: none."""
    router: Address | None = None
    """The router of that swap; None: nothing is swapped."""

    @property
    def limits(self) -> tuple[tuple[Token, int], ...]:
        """The most of each token that may leave the wallet, in base units."""
        pair = tuple(zip(self.tokens, self.most, strict=True))
        return (*pair, (self.share, self.liquidity)) if self.share else pair

    @property
    def spenders(self) -> tuple[Address, ...]:
        """Contracts that may be given an allowance."""
        return (self.manager, self.router) if self.router else (self.manager,)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCall:
    """One call, with the order that it belongs to."""

    call: EvmCall
    """The call."""
    order: LiquidityOrder
    """The order that the call belongs to."""
    moves: tuple[Token, ...] = ()
    """Tokens that the call may take from us."""
    least: Mapping[Token, int] = field(default_factory=dict)
    """By token, the least balance change that is accepted (base units, negative: out of the wallet), for amounts that
    the price may change until the call is mined."""


Steps = Callable[[Node], AsyncIterator[OrderCall]]
"""Generates the steps on a node: a fork, or the chain."""


@dataclass(slots=True)
class Tally:
    """Balance of what a leg still has to put in, counted only from its own transactions, so that tokens which others
    send to the wallet meanwhile are not used."""

    start: Mapping[Token, int]
    """What the leg begins with, in base units by token."""
    moved: dict[Token, int] = field(default_factory=dict)
    """Balance changes by its transactions since, in base units by token."""

    def begin(self) -> None:
        """Forget all changes, because the steps are run again."""
        self.moved.clear()

    def add(self, deltas: Iterable[Delta]) -> None:
        """Count the balance changes of one transaction."""
        for delta in deltas:
            self.moved[delta.token] = self.moved.get(delta.token, 0) + delta.raw

    def has(self, token: Token) -> int:
        """Base units of a token that the leg has now; never below 0."""
        return max(0, self.start.get(token, 0) + self.moved.get(token, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provides:
    """A plan's liquidity leg: its steps, and what their orders may name."""

    steps: Steps
    """The leg's steps."""
    tally: Tally
    """What the order still has to deposit; updated by the caller after each step."""
    manager: Address
    """The position manager."""
    router: Address
    """The router of its swaps."""
    pair: tuple[Token, Token]
    """token0 and token1 of the pool."""
    tokens: tuple[Token, ...]
    """Tokens whose balances are compared: the pool's two and the position's own."""
    token_ids: frozenset[int]
    """Numbers of our positions in the pool."""
    description: str
    """What it does, in one line for the person who approves."""
    entry_cost_bps: float
    """What swaps on the way in and out take off the amount, in bp."""
    slippage_bps: float
    """How far the price may move until execution, in bp."""
    shift_ticks: int
    """How many ticks the range may be shifted to be around the price after the plan's own swaps."""
    back: Callable[[Node], Awaitable[Provides]] | None = None
    """Makes the leg that removes everything again, on a fork on which this leg was run; None: the exit is not
    rehearsed."""

    @property
    def spenders(self) -> tuple[Address, ...]:
        """Contracts that may be given an allowance."""
        return (self.manager, self.router)
