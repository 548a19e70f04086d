"""Names of pools, and the direction in which their prices are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.chains.evm.liquidity.view import LiquidityView
    from yieldbot.model.exchange import Pool


def named(pool: Pool) -> str:
    """A pool's name with its pair."""
    return f"{pool.name} {pool.token0.symbol}/{pool.token1.symbol}"


def price_at(pool: Pool, tick: float) -> float:
    """The price at a tick: whole token1 for one token0."""
    return float(1.0001**tick * pool.token0.one / pool.token1.one)


def facing(pool: Pool, view: LiquidityView) -> tuple[bool, str]:
    """(whether prices are shown inverted, their unit as text): the more expensive token is priced in the cheaper
    one."""
    price = price_at(pool, view.states[pool.id].tick)
    return price < 1.0, f"{pool.token0.symbol} a {pool.token1.symbol}" if price < 1.0 else (
        f"{pool.token1.symbol} a {pool.token0.symbol}"
    )
