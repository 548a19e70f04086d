"""Uniswap v3 liquidity: a pool's state and history, and our positions.

Source: Uniswap v3 core 1.0.1 (observations, feeGrowthGlobal) and periphery 1.4 (NonfungiblePositionManager).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import PIPS, Q96, Q128
from yieldbot.math.liquidity_range import MASK256, Range
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.pool_windows import EmptyPool, Owned, clock, lags, windows
from yieldbot.protocols.evm.v3_position import read_position
from yieldbot.protocols.reads import Reads

TICK_READINGS = 34
LONGEST_SECONDS = 7 * 86_400
MOST_POSITIONS = 50
"""Most positions of one manager and account that are read in full."""
MOST_LISTED = 5_000
"""Most positions that are listed."""


class UniswapV3Liquidity:
    """Positions kept by a NonfungiblePositionManager, which the exchange's table names as ``manager``."""

    protocol: ClassVar[str] = "uniswap_v3"

    def observe(self, pool: Pool, deployment: Deployment) -> Flow[LiquidityPool]:
        """A pool's state. Raises MarketError if it is not a pool."""
        codec, erc20 = abi("uniswap_v3"), abi("erc20")
        slot0, liquidity, fee, spacing, held0, held1 = yield [
            *(codec.read(pool.address, name) for name in ("slot0", "liquidity", "fee", "tickSpacing")),
            *(erc20.read(token.address, "balanceOf", pool.address) for token in (pool.token0, pool.token1)),
        ]
        sqrt_price, tick = codec.decode("slot0", slot0)[:2]
        if not sqrt_price:
            raise EmptyPool(f"pool {pool.address} has no price")
        manager = deployment.params["manager"]
        return LiquidityPool(
            pool=pool,
            sqrt_price_x96=sqrt_price,
            tick=tick,
            liquidity=codec.one("liquidity", liquidity),
            fee=codec.one("fee", fee) / PIPS,
            spacing=codec.one("tickSpacing", spacing),
            reserves=(erc20.one("balanceOf", held0), erc20.one("balanceOf", held1)),
            manager=checksum(manager) if manager else None,
        )

    def history(self, state: LiquidityPool, lookback_blocks: int) -> Flow[PoolHistory]:
        """Fees by their growth between earlier blocks (needs a node with history; 0: none are read), ticks by the
        pool's own oracle as far back as it goes, at most a week."""
        codec, at = abi("uniswap_v3"), state.pool.address
        back = lags(lookback_blocks)
        names, reads = ("feeGrowthGlobal0X128", "feeGrowthGlobal1X128", "liquidity"), Reads()
        slot0, time = reads.add(codec.read(at, "slot0")), reads.add(clock())
        clocks = reads.group(clock(lag) for lag in back)
        groups = [reads.group(codec.read(at, name, optional=True, lag_blocks=lag) for lag in back) for name in names]
        yield from reads.made()
        index, cardinality = codec.decode("slot0", slot0.data)[2:4]
        now = int.from_bytes(time.data[:32], "big")
        times, (zeros, ones, sizes) = clocks.data, (group.data for group in groups)
        price = (state.sqrt_price_x96 / Q96) ** 2

        def grown(late: int, early: int) -> float:
            zero, one = (
                (int.from_bytes(g[late][:32], "big") - int.from_bytes(g[early][:32], "big")) & MASK256
                for g in (zeros, ones)
            )
            size = sum(int.from_bytes(sizes[at_end][:32], "big") for at_end in (late, early)) / 2
            return (zero * price + one) / Q128 * (size / state.liquidity if state.liquidity else 1.0)

        fees, fee_seconds, whole = windows(times, lambda i: bool(zeros[i] and ones[i] and sizes[i]), grown)
        oldest = yield from _oldest(at, index, cardinality)
        ticks, tick_seconds = yield from _ticks(at, min(now - oldest, LONGEST_SECONDS))
        missing: tuple[str, ...] = ()
        if not whole:
            missing = ("the node has no history of so many blocks",)
        if not ticks:
            missing += ("the pool's oracle keeps no past: somebody must raise its observation cardinality",)
        growth = None
        if zeros and zeros[0] and ones[0]:
            growth = (int.from_bytes(zeros[0][:32], "big"), int.from_bytes(ones[0][:32], "big"))
        return PoolHistory(
            fees=fees,
            fee_seconds=fee_seconds,
            ticks=ticks,
            tick_seconds=tick_seconds,
            growth=growth,
            missing=missing,
        )

    def owned(self, states: Mapping[str, LiquidityPool], deployment: Deployment, owner: Address) -> Flow[Owned]:
        """(our non-empty positions in pools among ``states``, by address; numbers of those in other pools).

        Anybody can send us positions: if there are more than MOST_POSITIONS, the most valuable ones are read.
        """
        manager = deployment.params["manager"]
        if not manager:
            yield ()
            return [], ()
        codec, at = abi("uniswap_v3_manager"), checksum(manager)
        (data,) = yield [codec.read(at, "balanceOf", owner)]
        count = codec.one("balanceOf", data)
        if count > MOST_LISTED:
            raise MarketError(f"{owner} has {count} positions at {at}: more than {MOST_LISTED} are not looked at")
        answers = yield [codec.read(at, "tokenOfOwnerByIndex", owner, index) for index in range(count)]
        ids = [codec.one("tokenOfOwnerByIndex", data) for data in answers]
        answers = yield [codec.read(at, "positions", token_id) for token_id in ids]
        pools = {(s.pool.token0.address, s.pool.token1.address, round(s.fee * PIPS)): s for s in states.values()}
        mine, others = list[tuple[float, int]](), list[int]()
        for token_id, data in zip(ids, answers, strict=True):
            _, _, token0, token1, fee, low, high, liquidity, _, _, *owed = codec.decode("positions", data)
            state = pools.get((checksum(token0), checksum(token1), fee))
            if not liquidity and not any(owed):
                continue
            if state is None:
                others.append(token_id)
                continue
            amounts = Range(low, high).amounts(liquidity, state.sqrt_price_x96)
            zero, one = (amount + more for amount, more in zip(amounts, owed, strict=True))
            mine.append((zero * (state.sqrt_price_x96 / Q96) ** 2 + one, token_id))
        found = []
        for token_id in sorted(token_id for _, token_id in sorted(mine, reverse=True)[:MOST_POSITIONS]):
            position = yield from self.position(states, deployment, token_id)
            if isinstance(position, PoolPosition):
                found.append(position)
        return found, tuple(others)

    def position(
        self, states: Mapping[str, LiquidityPool], deployment: Deployment, token_id: int
    ) -> Flow[PoolPosition | bool]:
        """One position; if its pool is not among ``states``: whether there is anything in it."""
        manager, factory = (checksum(deployment.params[name]) for name in ("manager", "factory"))
        read = yield from read_position(manager, factory, token_id)
        state = states.get(read.pool)
        if state is None:
            return bool(read.liquidity or any(read.fees))
        ticks = (read.ticks.low, read.ticks.high)
        return PoolPosition(
            state=state,
            token_id=token_id,
            ticks=ticks,
            liquidity=read.liquidity,
            amounts=read.amounts,
            fees=read.fees,
        )

    def inside(self, position: PoolPosition, lag_blocks: int) -> Flow[tuple[int, int] | None]:
        """(seconds ever spent in the position's range, the time) that many blocks ago, by the pool's own count
        (snapshotCumulativesInside); None if the pool did not count then."""
        codec, name = abi("uniswap_v3"), "snapshotCumulativesInside"
        ticks = position.ticks or (0, 0)
        call = codec.read(position.state.pool.address, name, *ticks, optional=True, lag_blocks=lag_blocks)
        data, time = yield [call, clock(lag_blocks)]
        return (codec.decode(name, data)[2], int.from_bytes(time[:32], "big")) if data and time else None


def _oldest(pool: Address, index: int, cardinality: int) -> Flow[int]:
    """Unix seconds of the oldest observation (OracleLibrary.getOldestObservationSecondsAgo)."""
    codec = abi("uniswap_v3")
    following, first = yield [
        codec.read(pool, "observations", (index + 1) % cardinality),
        codec.read(pool, "observations", 0),
    ]
    time, _, _, initialised = codec.decode("observations", following)
    return int(time if initialised else codec.decode("observations", first)[0])


def _ticks(pool: Address, seconds: int) -> Flow[tuple[tuple[float, ...], float]]:
    """(tick cumulatives at equal distances over the last ``seconds``, the oldest first; the distance in seconds)."""
    every = seconds // (TICK_READINGS - 1)
    if every <= 0:
        yield ()
        return (), 0.0
    codec = abi("uniswap_v3")
    ago = [every * i for i in range(TICK_READINGS - 1, -1, -1)]
    (data,) = yield [codec.read(pool, "observe", ago, optional=True)]
    if not data:
        return (), 0.0
    return tuple(float(sum_) for sum_ in codec.decode("observe", data)[0]), float(every)


LIQUIDITY = UniswapV3Liquidity()
