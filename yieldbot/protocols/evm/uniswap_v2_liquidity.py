"""Uniswap v2 liquidity: a pair's state and history, and our LP tokens of it.

Source: Uniswap v2 core (UniswapV2Pair): reserves, price0CumulativeLast in UQ112x112, LP tokens of totalSupply. Fees
stay in the reserves, and only they let sqrt(reserve0 reserve1) / supply grow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from yieldbot.math.concentrated import Q96
from yieldbot.math.estimate import LOG_TICK
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.reads import Flow
from yieldbot.model.units import BPS
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.pool_windows import EmptyPool, Owned, clock, lags, windows
from yieldbot.protocols.reads import Reads


class UniswapV2Liquidity:
    """LP tokens of pairs; all have the full range."""

    protocol: ClassVar[str] = "uniswap_v2"

    def observe(self, pool: Pool, deployment: Deployment) -> Flow[LiquidityPool]:
        codec = abi("uniswap_v2")
        (data,) = yield [codec.read(pool.address, "getReserves")]
        zero, one = codec.decode("getReserves", data)[:2]
        if not zero or not one:
            raise EmptyPool(f"pair {pool.address} is empty")
        return LiquidityPool(
            pool=pool,
            sqrt_price_x96=math.isqrt((one << 192) // zero),
            tick=math.floor(math.log(one / zero) / LOG_TICK),
            liquidity=math.isqrt(zero * one),
            fee=pool.params["fee_bps"] / BPS,
            spacing=0,
            reserves=(zero, one),
        )

    def history(self, state: LiquidityPool, lookback_blocks: int) -> Flow[PoolHistory]:
        """Growth of an LP token and TWAPs between earlier blocks (needs a node with history; 0: none are read)."""
        codec, at = abi("uniswap_v2"), state.pool.address
        back, names = lags(lookback_blocks), ("getReserves", "totalSupply", "price0CumulativeLast")
        reads = Reads()
        clocks = reads.group(clock(lag) for lag in back)
        groups = [reads.group(codec.read(at, name, optional=True, lag_blocks=lag) for lag in back) for name in names]
        yield from reads.made()
        times, (reserves, supplies, sums) = clocks.data, (group.data for group in groups)

        def there(i: int) -> bool:
            return bool(reserves[i] and supplies[i] and sums[i]) and any(reserves[i][:32]) and any(supplies[i])

        def share(i: int) -> float:
            zero, one = codec.decode("getReserves", reserves[i])[:2]
            return math.sqrt(zero * one) / float(codec.one("totalSupply", supplies[i]))

        def price_sum(i: int) -> float:
            """The cumulative price up to the block, including the time since the pair's last update."""
            zero, one, last = codec.decode("getReserves", reserves[i])
            now = int.from_bytes(times[i][:32], "big")
            return float(codec.one("price0CumulativeLast", sums[i]) / 2**112 + one / zero * (now - last))

        value = 2.0 * state.sqrt_price_x96 / Q96
        fees, seconds, whole = windows(times, there, lambda late, early: value * (share(late) / share(early) - 1.0))
        price_sums, _, _ = windows(times, there, lambda late, early: price_sum(late) - price_sum(early))
        missing = () if whole else ("the node has no history of so many blocks",)
        every = math.fsum(seconds) / len(fees) if fees else 0.0  # blocks come at about equal times
        ticks = [0.0]
        for summed, length in zip(reversed(price_sums), reversed(seconds), strict=True):
            ticks.append(ticks[-1] + math.log(summed / length) / LOG_TICK * every)
        return PoolHistory(
            fees=tuple(max(0.0, fee) for fee in fees),
            fee_seconds=seconds,
            ticks=tuple(ticks) if price_sums else (),
            tick_seconds=every,
            missing=missing,
        )

    def owned(self, states: Mapping[str, LiquidityPool], deployment: Deployment, owner: Address) -> Flow[Owned]:
        """Our LP tokens of the pairs among ``states``, and what burning them would pay (UniswapV2Pair.burn rounds
        down)."""
        codec = abi("uniswap_v2")
        mine = [state for state in states.values() if state.pool.protocol == self.protocol]
        reads = Reads()
        rows = [
            (
                state,
                reads.add(codec.read(state.pool.address, "balanceOf", owner)),
                reads.add(codec.read(state.pool.address, "totalSupply")),
            )
            for state in mine
        ]
        yield from reads.made()
        found = []
        for state, balance, total in rows:
            held, supply = codec.one("balanceOf", balance.data), codec.one("totalSupply", total.data)
            if held:
                zero, one = (reserve * held // supply for reserve in state.reserves)
                liquidity = state.liquidity * held // supply
                found.append(
                    PoolPosition(
                        state=state,
                        token_id=None,
                        ticks=None,
                        liquidity=liquidity,
                        amounts=(zero, one),
                        fees=(0, 0),
                        shares=held,
                    )
                )
        return found, ()

    def inside(self, position: PoolPosition, lag_blocks: int) -> Flow[tuple[int, int] | None]:
        """None: a pair's position is never out of range."""
        yield ()
        return None


LIQUIDITY = UniswapV2Liquidity()
