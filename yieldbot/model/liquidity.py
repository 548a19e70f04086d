"""Pools seen as places to provide liquidity to, and our positions in them, at one block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address

if TYPE_CHECKING:
    from yieldbot.model.amounts import Token
    from yieldbot.model.deployment import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class LpState:
    """A pool now. sqrt_price_x96: of token1 / token0 in base units, Q64.96; liquidity: in range, everybody's;
    reserves: base units of both tokens that the pool holds. fee: a fraction. spacing: of the ticks that ranges may
    have; 0 where every position is of the full range. manager: the contract that keeps positions, None where the pool
    does.
    """

    pool: Pool
    sqrt_price_x96: int
    tick: int
    liquidity: int
    fee: float
    spacing: int
    reserves: tuple[int, int]
    manager: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LpHistory:
    """What a pool recorded of its past. fees: of all providers, in token1 base units at the present price for a unit of
    the liquidity that is in range now, a figure for each window, the newest first; fee_seconds: how long each window
    was. ticks: the sums over time of the tick, every ``tick_seconds``, the oldest first. missing: why something is not
    there, in words."""

    fees: tuple[float, ...] = ()
    fee_seconds: tuple[float, ...] = ()
    ticks: tuple[float, ...] = ()
    tick_seconds: float = 0.0
    missing: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LpPosition:
    """A position of ours. token_id: the manager's number, None for a share of a pool; ticks: lower and upper, None for
    the full range of a share. amounts: what its liquidity is worth now; fees: what waits besides (0 where fees stay in
    the pool); base units of token0 and token1. out_for: seconds for which it has not earned, at least; None: not known.
    shares: base units of the pair's own token, where the position is a share of one.
    """

    state: LpState
    token_id: int | None
    ticks: tuple[int, int] | None
    liquidity: int
    amounts: tuple[int, int]
    fees: tuple[int, int]
    out_for: float | None = None
    shares: int = 0

    @property
    def in_range(self) -> bool:
        """Whether it earns."""
        return self.ticks is None or self.ticks[0] <= self.state.tick < self.ticks[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LpMarket:
    """A pool as a market of one of its two tokens, ``other`` being the second: what goes in is swapped as its range
    needs, what comes out is swapped back, in the same pool.

    positions: ours there. ticks: the range of what is put in; token_id: the position that takes it, None for a new one.
    tokens: whole tokens of the market's asset for one base unit of token1, by the pool's price; gas_price: token1 base
    units for a unit of gas. part: of what is put in, what must be swapped.
    """

    state: LpState
    record: LpHistory
    deployment: Deployment
    other: Token
    positions: tuple[LpPosition, ...]
    ticks: tuple[int, int]
    token_id: int | None
    tokens: float
    gas_price: float
    part: float
