"""Uniswap v4 liquidity, read only: a pool's state and history, and our positions with what collecting would pay.

Source: v4 core 1.0.2 (Pool.modifyLiquidity, Position.update) and v4 periphery 1.0.3 (StateView, PositionManager). Each
position has its own record in the pool (its number is the salt), so its fees belong to it alone. v4 has no oracle:
prices are those at the blocks that are read. Donations to a pool raise what it seems to earn.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import ClassVar

from yieldbot.math.concentrated import PIPS, Q96, Q128, liquidity_amounts
from yieldbot.math.liquidity_range import MASK256, Growth, Range, owed
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.reads import Flow
from yieldbot.model.v4 import PoolKey
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.pool_windows import EmptyPool, Owned, lags, windows
from yieldbot.protocols.evm.pool_windows import clock as time_of
from yieldbot.protocols.evm.uniswap_v4 import read_pool
from yieldbot.protocols.reads import Reads

NUMBERS = "token_ids"
"""Key of a deployment's params: numbers of our positions, which the position manager does not list."""
SPOT = 1.5
"""Differences of spot prices have the variance sigma^2 t; differences of means, which ``volatility`` expects, two
thirds of it. The time between readings is therefore stretched by this factor."""


class UniswapV4Liquidity:
    """Positions kept by a PositionManager, which the exchange's table names as ``manager``; without it no pool is read.

    Nothing is moved here: ``LiquidityPool.manager`` is None.
    """

    protocol: ClassVar[str] = "uniswap_v4"

    def observe(self, pool: Pool, deployment: Deployment) -> Flow[LiquidityPool]:
        """A pool's state. Raises MarketError if it is not a pool."""
        if not deployment.params.get("manager"):
            yield ()
            raise EmptyPool(f"{deployment.name} names no position manager")
        state, protocol_fee = yield from read_pool(pool)
        del protocol_fee  # on top of the providers' fee
        return LiquidityPool(
            pool=pool,
            sqrt_price_x96=state.sqrt_price_x96,
            tick=state.tick,
            liquidity=state.liquidity,
            fee=state.fee_pips / PIPS,
            spacing=state.spacing,
            reserves=liquidity_amounts(state),
        )

    def history(self, state: LiquidityPool, lookback_blocks: int) -> Flow[PoolHistory]:
        """Fees by their growth between earlier blocks, and prices at those blocks (needs a node with history; 0: none
        are read)."""
        codec, view = abi(self.protocol), state.pool.params["state_view"]
        id_, back = bytes.fromhex(state.pool.id[2:]), lags(lookback_blocks)
        names = ("getFeeGrowthGlobals", "getLiquidity", "getSlot0")
        reads = Reads()
        clocks = reads.group(time_of(lag) for lag in back)
        groups = [
            reads.group(codec.read(view, name, id_, optional=True, lag_blocks=lag) for lag in back) for name in names
        ]
        yield from reads.made()
        times, (growths, sizes, slots) = clocks.data, (group.data for group in groups)
        price = (state.sqrt_price_x96 / Q96) ** 2

        def there(i: int) -> bool:
            return bool(growths[i] and sizes[i] and slots[i]) and any(slots[i][:32])

        def grown(late: int, early: int) -> float:
            after, before = (codec.decode("getFeeGrowthGlobals", growths[i]) for i in (late, early))
            zero, one = ((a - b) & MASK256 for a, b in zip(after, before, strict=True))
            size = sum(codec.one("getLiquidity", sizes[i]) for i in (late, early)) / 2
            return float((zero * price + one) / Q128 * (size / state.liquidity if state.liquidity else 1.0))

        fees, seconds, whole = windows(times, there, grown)
        before, _, _ = windows(times, there, lambda late, early: float(codec.decode("getSlot0", slots[early])[1]))
        every = SPOT * sum(seconds) / len(seconds) if seconds else 0.0  # blocks come at about equal times
        ticks = tuple(accumulate((tick * every for tick in [*reversed(before), state.tick]), initial=0.0))
        missing = () if whole and fees else ("the node has no history of so many blocks",)
        return PoolHistory(
            fees=fees, fee_seconds=seconds, ticks=ticks if fees else (), tick_seconds=every, missing=missing
        )

    def owned(self, states: Mapping[str, LiquidityPool], deployment: Deployment, owner: Address) -> Flow[Owned]:
        """(non-empty positions of ``params["token_ids"]`` in pools among ``states``, by id; numbers of those in other
        pools, all with hooks included)."""
        numbers, manager = deployment.params.get(NUMBERS, ()), deployment.params.get("manager")
        if not numbers or not manager:
            yield ()
            return [], ()
        codec, view, kept = abi(self.protocol), checksum(deployment.params["state_view"]), abi("uniswap_v4_manager")
        at = checksum(manager)
        answers = yield [kept.read(at, "getPoolAndPositionInfo", number) for number in numbers]
        infos = [_info(kept.decode("getPoolAndPositionInfo", data)) for data in answers]
        inside = yield [codec.read(view, "getFeeGrowthInside", id_, t.low, t.high) for id_, t in infos]
        there = yield [
            codec.read(view, "getPositionInfo", id_, at, ticks.low, ticks.high, number.to_bytes(32, "big"))
            for number, (id_, ticks) in zip(numbers, infos, strict=True)
        ]
        found, others = [], []
        for number, (id_, ticks), now, data in zip(numbers, infos, inside, there, strict=True):
            liquidity, *then = codec.decode("getPositionInfo", data)
            fees = owed(liquidity, Growth(*codec.decode("getFeeGrowthInside", now)), Growth(*then), (0, 0))
            state = states.get("0x" + id_.hex())
            if not liquidity:
                continue  # v4 pays out fees with every change, so an empty position has none
            if state is None:
                others.append(number)
                continue
            amounts = ticks.amounts(liquidity, state.sqrt_price_x96)
            found.append(
                PoolPosition(
                    state=state,
                    token_id=number,
                    ticks=(ticks.low, ticks.high),
                    liquidity=liquidity,
                    amounts=amounts,
                    fees=fees,
                )
            )
        return found, tuple(others)

    def inside(self, position: PoolPosition, lag_blocks: int) -> Flow[tuple[int, int] | None]:
        """None: v4 does not count the time in a range."""
        yield ()
        return None


def _info(answer: tuple[str | int, ...]) -> tuple[bytes, Range]:
    """(pool id, range) from getPoolAndPositionInfo's answer. In the packed word the upper tick is above the lower one,
    and that above eight bits."""
    zero, one, fee, spacing, hooks, packed = answer
    assert isinstance(fee, int) and isinstance(spacing, int) and isinstance(packed, int)
    low, high = (int.from_bytes((packed >> at & 0xFFFFFF).to_bytes(3, "big"), "big", signed=True) for at in (8, 32))
    key = PoolKey(checksum(str(zero)), checksum(str(one)), fee, spacing, checksum(str(hooks)))
    return key.id, Range(low, high)


LIQUIDITY = UniswapV4Liquidity()
