"""A Uniswap v3 position, read so that its amounts and what ``collect`` would pay are known exactly.

The position manager counts the fees of each position; the pool counts those of all of the manager's positions with one
range together; each rounds down. ``collect`` pays the lesser, so both are read. Source:
NonfungiblePositionManager.collect.
"""

from __future__ import annotations

from yieldbot.errors import MarketError
from yieldbot.math.liquidity_range import Growth, Range, owed
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi


@dataclass(frozen=True, slots=True)
class V3Position:
    """A position at one block. Pairs are base units of token0 and token1."""

    token_id: int
    """The position's number at the manager (its NFT)."""
    pool: Address
    """Address of the position's pool."""
    ticks: Range
    """The position's range."""
    liquidity: int
    """Units of the pool's liquidity."""
    sqrt_price_x96: int
    """The pool's square root price, Q64.96."""
    tick: int
    """The pool's present tick."""
    amounts: tuple[int, int]
    """What its liquidity would pay out now."""
    fees: tuple[int, int]
    """What ``collect`` would pay in addition."""

    @property
    def in_range(self) -> bool:
        """Whether the price is in its range, so that it earns fees."""
        return self.ticks.low <= self.tick < self.ticks.high


def read_position(manager: Address, factory: Address, token_id: int) -> Flow[V3Position]:
    """One position of a manager, in three rounds. Raises MarketError if its pool is not one."""
    pools, managers = abi("uniswap_v3"), abi("uniswap_v3_manager")
    (data,) = yield [managers.read(manager, "positions", token_id)]
    _, _, token0, token1, fee, low, high, liquidity, last0, last1, owed0, owed1 = managers.decode("positions", data)
    (data,) = yield [pools.read(factory, "getPool", token0, token1, fee)]
    pool = pools.one("getPool", data)
    if not int(pool, 16):
        raise MarketError(f"position {token_id} is of a pool that the factory does not know")
    key = keccak(
        bytes.fromhex(manager[2:]) + low.to_bytes(3, "big", signed=True) + high.to_bytes(3, "big", signed=True)
    )
    slot0, zeros, ones, lower, upper, ours = yield [
        pools.read(pool, "slot0"),
        pools.read(pool, "feeGrowthGlobal0X128"),
        pools.read(pool, "feeGrowthGlobal1X128"),
        pools.read(pool, "ticks", low),
        pools.read(pool, "ticks", high),
        pools.read(pool, "positions", key),
    ]
    sqrt_price, tick = pools.decode("slot0", slot0)[:2]
    everywhere = Growth(pools.one("feeGrowthGlobal0X128", zeros), pools.one("feeGrowthGlobal1X128", ones))
    below, above = (Growth(*pools.decode("ticks", answer)[2:4]) for answer in (lower, upper))
    ticks = Range(low, high)
    now = ticks.growth_inside(tick, everywhere, below, above)
    whole, whole0, whole1, kept0, kept1 = pools.decode("positions", ours)
    # collect does not update a position without liquidity: its stored fees are all that it pays.
    mine = owed(liquidity, now, Growth(last0, last1), (owed0, owed1)) if liquidity else (owed0, owed1)
    all_of_it = owed(whole, now, Growth(whole0, whole1), (kept0, kept1)) if liquidity else (kept0, kept1)
    return V3Position(
        token_id=token_id,
        pool=pool,
        ticks=ticks,
        liquidity=liquidity,
        sqrt_price_x96=sqrt_price,
        tick=tick,
        amounts=ticks.amounts(liquidity, sqrt_price),
        fees=(min(mine[0], all_of_it[0]), min(mine[1], all_of_it[1])),
    )
