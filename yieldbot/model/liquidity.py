"""Pools as markets of liquidity, and our positions in them, at one block."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address

if TYPE_CHECKING:
    from yieldbot.model.amounts import Token
    from yieldbot.model.deployment import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityPool:
    """A pool's state, with the figures that a liquidity provider needs."""

    pool: Pool
    """The pool."""
    sqrt_price_x96: int
    """Square root of token1 / token0 in base units, Q64.96."""
    tick: int
    """Tick of the price."""
    liquidity: int
    """Liquidity in range, of all providers."""
    fee: float
    """The pool's swap fee, as a fraction."""
    spacing: int
    """Tick spacing: bounds of ranges are multiples of it; 0: every position has the full range."""
    reserves: tuple[int, int]
    """Base units of token0 and token1 that the pool holds."""
    manager: Address | None = None
    """The contract that keeps positions; None: the pool itself does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHistory:
    """What a pool has recorded of its past."""

    fees: tuple[float, ...] = ()
    """Fees of all providers in each window, the newest first: token1 base units at the present price, for each unit of
    the liquidity that is in range now."""
    fee_seconds: tuple[float, ...] = ()
    """Length of each window of ``fees``."""
    ticks: tuple[float, ...] = ()
    """Sums over time of the tick (the pool's tick cumulative), every ``tick_seconds``, the oldest first."""
    tick_seconds: float = 0.0
    """Distance between two entries of ``ticks``."""
    growth: tuple[int, int] | None = None
    """The pool's feeGrowthGlobal of token0 and token1 now (Q128); None: not read."""
    missing: tuple[str, ...] = field(default=())
    """Why a part of it could not be read, each a phrase for a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPosition:
    """A position of ours in a pool. Pairs are of token0 and token1, in base units."""

    state: LiquidityPool
    """The pool."""
    token_id: int | None
    """The position manager's number; None for LP tokens of a pair."""
    ticks: tuple[int, int] | None
    """Lower and upper tick; None for the full range of a pair."""
    liquidity: int
    """Units of the pool's liquidity."""
    amounts: tuple[int, int]
    """What its liquidity would pay out now, fees apart."""
    fees: tuple[int, int]
    """Uncollected fees; 0 where fees stay in the pool."""
    out_for: float | None = None
    """Seconds for which it has been out of range, at least; None: unknown."""
    shares: int = 0
    """LP tokens of the pair, in base units; 0 for a position with a number."""

    @property
    def in_range(self) -> bool:
        """Whether the price is in its range, so that it earns fees."""
        return self.ticks is None or self.ticks[0] <= self.state.tick < self.ticks[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityMarket:
    """A pool as a market of one of its two tokens.

    A deposit swaps in the same pool as much as the range needs; a withdrawal swaps back there.
    """

    state: LiquidityPool
    """The pool."""
    history: PoolHistory
    """What the pool has recorded of its past."""
    deployment: Deployment
    """The exchange's table in chains/."""
    other: Token
    """The pool's token that is not the market's asset."""
    positions: tuple[PoolPosition, ...]
    """Our positions in the pool."""
    ticks: tuple[int, int]
    """Range that new liquidity is put into."""
    token_id: int | None
    """The position that it is added to; None: a new one."""
    tokens: float
    """Whole tokens of the market's asset for one base unit of token1, at the pool's price."""
    gas_price: float
    """token1 base units for a unit of gas."""
    part: float
    """Fraction of a deposit that must be swapped first."""
