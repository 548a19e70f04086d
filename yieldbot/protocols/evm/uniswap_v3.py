"""Uniswap v3 pools, read so that swaps can be computed exactly without further reads.

Source: Uniswap v3 core 1.0.1 (IUniswapV3PoolState); v3 periphery 1.4.4 (ISwapRouter, Path); swap-router-contracts 1.3.1
(IV3SwapRouter, IMulticallExtended). Only the words of the tick bitmap around the price are read: a swap that would
leave them is refused (``Unswappable``), never estimated. Swaps are made by SwapRouter, whose calls carry a deadline, or
by SwapRouter02, whose calls do not: there a call is wrapped in its multicall, which does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import MOST_TICK, PIPS, WORD, V3Pool
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, SwapTerms, v3_path
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.swap_calls import explain_swap, router_of

NEAR_TICKS = 23_028
"""Number of ticks to each side that are read: up to ten times the price, down to a tenth."""

SINGLE, MULTI = "exactInputSingle", "exactInput"
ROUTER02, BY_DEADLINE = "uniswap_router02", "multicall"
REVERTS = {
    "Too little received": "the swap would give less than the least that was named",
    "Transaction too old": "the swap's deadline is over",
    "STF": "the token did not move from our account (balance or allowance)",
    "SPL": "the pool's price is beyond the price limit",
}


class UniswapV3Params(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    factory: str
    """UniswapV3Factory's address."""
    fees: list[int] = [100, 500, 3000, 10_000]
    """Fee tiers that are read, in hundredths of a bp."""
    manager: str | None = None
    """NonfungiblePositionManager; None: no liquidity there."""
    lookback_blocks: int = Field(default=7200, ge=0)
    """Blocks over which fees are measured."""
    router: str | None = None
    """A SwapRouter (v3 periphery) of that factory."""
    router02: str | None = None
    """A SwapRouter02 of that factory; without either router nothing is swapped there."""

    @model_validator(mode="after")
    def _one_router(self) -> UniswapV3Params:
        if self.router is not None and self.router02 is not None:
            raise ValueError("router and router02 are both named: keep one of them")
        return self


class UniswapV3:
    """Pools of a Uniswap v3 factory, or of a fork with the same pools."""

    protocol: ClassVar[str] = "uniswap_v3"
    params: ClassVar[type[BaseModel]] = UniswapV3Params

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, factory = abi(self.protocol), checksum(deployment.params["factory"])
        router, router02 = (deployment.params.get(key) for key in ("router", "router02"))
        keys = [(*in_order(pair), fee) for pair in pairs for fee in deployment.params["fees"]]
        answers = yield [codec.read(factory, "getPool", a.address, b.address, fee) for a, b, fee in keys]
        found = []
        for (a, b, fee), data in zip(keys, answers, strict=True):
            address = codec.one("getPool", data)
            if int(address, 16):
                params = {"fee": fee, "router": router or router02, "router02": router02 is not None}
                found.append(Pool(self.protocol, f"{deployment.name} {fee / PIPS:z.2%}", address, a, b, params))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        state = yield from read_pool(pool.address)
        return PoolState(pool, V3Venue(state, True), V3Venue(state, False), SWAPS["uniswap_v3"])

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        router, by_deadline = router_of(pools), _by_deadline(pools)
        codec, terms = abi(ROUTER02 if by_deadline else self.protocol), SwapTerms(pools, given, least)
        ends = (owner, given.raw, least.raw) if by_deadline else (owner, deadline, given.raw, least.raw)
        if len(pools) == 1:
            pair = (given.token.address, least.token.address)
            data = codec.encode(SINGLE, (*pair, pools[0].params["fee"], *ends, 0))
        else:
            data = codec.encode(MULTI, (v3_path(terms), *ends))
        if by_deadline:
            data = codec.encode(BY_DEADLINE, deadline, [data])
        words = swap_description(pools, given, least)
        return (EvmCall(router, data, 0, words, Allowance(given.token, router, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        if _by_deadline(pools):
            return {router_of(pools): frozenset({abi(ROUTER02).selector(BY_DEADLINE)})}
        name = SINGLE if len(pools) == 1 else MULTI
        return {router_of(pools): frozenset({abi(self.protocol).selector(name)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (router_of(pools),)

    def explain_revert(self, data: bytes) -> str | None:
        return explain_swap(self.protocol, REVERTS, data)


def _by_deadline(pools: Sequence[Pool]) -> bool:
    """Whether the pools' common router is a SwapRouter02."""
    return bool(pools and pools[0].params.get("router02"))


def in_order(pair: tuple[Token, Token]) -> tuple[Token, Token]:
    """The two tokens in the pools' order: by address."""
    one, other = sorted(pair, key=lambda token: int(token.address, 16))
    return one, other


def read_pool(pool: Address, near_ticks: int = NEAR_TICKS, named: str = "uniswap_v3") -> Flow[V3Pool]:
    """A pool's state within ``near_ticks`` of its price, in three rounds. Raises MarketError if it is not a pool.

    named: the ABI of the pool, which may be a fork's with other fields behind those that are read here; fee growth
    outside of the ticks is Uniswap's alone.
    """
    codec = abi(named)
    slot0, liquidity, fee, spacing_data = yield [
        codec.read(pool, name) for name in ("slot0", "liquidity", "fee", "tickSpacing")
    ]
    sqrt_price, tick = codec.decode("slot0", slot0)[:2]
    spacing = codec.one("tickSpacing", spacing_data)
    if not sqrt_price or spacing <= 0:
        raise MarketError(f"pool {pool} has no price")
    first, last = ((max(-MOST_TICK, min(MOST_TICK, t)) // spacing) >> 8 for t in (tick - near_ticks, tick + near_ticks))
    places = range(first, last + 1)
    bits = yield [codec.read(pool, "tickBitmap", word) for word in places]
    words = {w: b for w, data in zip(places, bits, strict=True) if (b := codec.one("tickBitmap", data))}
    ticks = [(w * WORD + bit) * spacing for w, b in words.items() for bit in range(WORD) if b >> bit & 1]
    answers = yield [codec.read(pool, "ticks", at) for at in ticks]
    infos = {at: codec.decode("ticks", data) for at, data in zip(ticks, answers, strict=True)}
    return V3Pool(
        sqrt_price_x96=sqrt_price,
        tick=tick,
        liquidity=codec.one("liquidity", liquidity),
        fee_pips=codec.one("fee", fee),
        spacing=spacing,
        words=words,
        net={at: info[1] for at, info in infos.items()},
        first_word=first,
        last_word=last,
        outside={at: (info[2], info[3]) for at, info in infos.items()} if named == "uniswap_v3" else {},
    )


def twap(pool: Pool, seconds: int) -> Flow[float]:
    """The pool's TWAP: whole token1 for one token0, its geometric mean over the last ``seconds`` by its own oracle.

    Raises ReadReverted if the pool's observations do not go back that far. Source: OracleLibrary.consult.
    """
    tick, _ = yield from consulted(pool, seconds)
    return float(1.0001**tick * pool.token0.one / pool.token1.one)


def consulted(pool: Pool, seconds: int) -> Flow[tuple[float, float]]:
    """(mean tick, harmonic mean of the liquidity in range) of the last ``seconds`` by the pool's own oracle.

    Raises ReadReverted where the pool's observations do not go back so far. Source: OracleLibrary.consult.
    """
    (data,) = yield [abi("uniswap_v3").read(pool.address, "observe", [seconds, 0])]
    ticks, spans = abi("uniswap_v3").decode("observe", data)
    span = (spans[1] - spans[0]) % 2**160  # seconds over liquidity, scaled by 2^128
    return (ticks[1] - ticks[0]) / seconds, seconds * 2.0**128 / span if span else 0.0


EXCHANGE = UniswapV3()
