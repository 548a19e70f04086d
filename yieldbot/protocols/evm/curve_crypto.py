"""Curve's crypto pools of two or three coins (twocrypto-ng, tricrypto-ng), named one by one in the chain's file.

Source: curvefi/twocrypto-ng and curvefi/tricrypto-ng. Each pool is its own router. Its price scale moves only when
somebody trades, so a swap is quoted on what is read; it is compared with the pool's own ``get_dy`` whenever the pool is
read. That refuses older pools (tricrypto2) and those whose A and gamma are being changed just now. A pool that takes
ETH itself is given wrapped ether: ``exchange`` without further arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.curve_crypto import CryptoPool, crypto_venue, exchange_output
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.curve_pools import CurveCalls, coins_of, compared, listed_pools, probes_of
from yieldbot.protocols.reads import Reads

MOST_COINS = 3
NUMBERS = ("A", "gamma", "D", "mid_fee", "out_fee", "fee_gamma")
OTHER = (
    "is no pool of twocrypto-ng or tricrypto-ng at rest: it quotes otherwise, as an older pool does, or one whose A "
    "and gamma are being changed"
)


class CurveCryptoParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid")

    pools: list[str] = Field(min_length=1)
    """Addresses of the pools."""


class CurveCrypto(CurveCalls):
    """Pools of coins that are not pegged to each other, whose fee grows away from balance."""

    protocol: ClassVar[str] = "curve_crypto"
    params: ClassVar[type[BaseModel]] = CurveCryptoParams
    reverts: ClassVar[Mapping[str, str]] = {
        "slippage": "the swap would give less than the least that was named",
        "Slippage": "the swap would give less than the least that was named",
        "Loss": "the pool refuses a swap that would cost its depositors something",
    }

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        coins = yield from coins_of(self.protocol, deployment, MOST_COINS)
        return listed_pools(self.protocol, deployment, coins, pairs, {})

    def observe(self, pool: Pool) -> Flow[PoolState]:
        codec, three, at = abi(self.protocol), abi("curve_tricrypto"), pool.address
        coins: tuple[Address, ...] = pool.params["coins"]
        reads = Reads()
        numbers = reads.group(codec.read(at, name) for name in NUMBERS)
        held = reads.group(codec.read(at, "balances", k) for k in range(len(coins)))
        places = reads.group(abi("erc20").read(coin, "decimals") for coin in coins)
        scales = reads.group(
            codec.read(at, "price_scale") if len(coins) == 2 else three.read(at, "price_scale", k)
            for k in range(len(coins) - 1)
        )
        yield from reads.made()
        amp, gamma, d, *fees = (codec.one(name, data) for name, data in zip(NUMBERS, numbers.data, strict=True))
        decimals = [abi("erc20").one("decimals", data) for data in places.data]
        state = CryptoPool(
            balances=tuple(codec.one("balances", data) for data in held.data),
            precisions=tuple(10 ** (18 - min(18, one)) for one in decimals),
            scales=tuple(codec.one("price_scale", data) for data in scales.data),
            amp=amp,
            gamma=gamma,
            d=d,
            fees=(fees[0], fees[1], fees[2]),
        )
        if not all((amp, gamma, d, *state.scales, *state.balances)):
            raise MarketError(f"{pool.name} ({at}) is empty")
        i, j = (coins.index(token.address) for token in (pool.token0, pool.token1))
        forms = (state, replace(state, later_fee=True)) if len(coins) == 2 else (state,)
        quotes = [partial(_output, form) for form in forms]
        state = forms[(yield from compared(pool, quotes, probes_of(state.balances, i, j), OTHER))]
        gas = SWAPS[f"curve_crypto/{len(coins)}"]
        return PoolState(pool, crypto_venue(state, i, j), crypto_venue(state, j, i), gas=gas)


def _output(state: CryptoPool, i: int, j: int, dx: int) -> int:
    return exchange_output(state, i, j, dx)[0]


EXCHANGE = CurveCrypto()
