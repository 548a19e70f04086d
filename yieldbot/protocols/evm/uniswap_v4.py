"""Uniswap v4 pools without hooks, read through StateView, so that swaps can be computed exactly.

Source: v4 core 1.0.2 (Pool.swap, ProtocolFeeLibrary, StateLibrary) and v4 periphery 1.0.3 (StateView). Ticks, prices
and each step's rounding are v3's; the fee has a protocol part for each direction. A pool is found by its key, which the
chain's file can only spell with a static fee and without hooks: hooks can change a swap's amounts in any way, and a
dynamic fee can differ in the next block. Pools of the native token are left out: nothing here sends native tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import MOST_TICK, PIPS, WORD, V3Pool, liquidity_amounts
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall, Onward
from yieldbot.model.v4 import (
    ALL_THERE_IS,
    MOST_SPACING,
    PLAN_TYPES,
    SETTLE,
    SETTLE_TYPES,
    SWAP_EXACT_IN_SINGLE,
    SWAP_TYPE,
    TAKE_ALL,
    TAKE_TYPES,
    V4_SWAP,
    PoolKey,
    key_of,
)
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum, explain
from yieldbot.protocols.evm.swap_calls import router_of
from yieldbot.protocols.evm.uniswap_v3 import NEAR_TICKS, in_order

USUAL = {100: 1, 500: 10, 3000: 60, 10_000: 200}
"""Usual tick spacings by fee; v4 lets anybody choose both."""
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
"""Permit2's address, the same on every chain."""
SWAP = "execute"
REVERTS = {
    "V4TooLittleReceived": "the swap would give less than the least that was named",
    "TransactionDeadlinePassed": "the swap's deadline is over",
    "AllowanceExpired": "what Permit2 was allowed to let the router take is over",
    "InsufficientAllowance": "Permit2 is not allowed to let the router take so much",
    "TRANSFER_FROM_FAILED": "the token did not move from our account (balance or allowance)",
    "CurrencyNotSettled": "the pools do not take all of what goes in",
    "PoolNotInitialized": "the pool has no price",
}
FEE_BITS = 12
"""Bits of each of the two protocol fees: token0 going in, and above it token1 going in."""


def _fees(value: list[tuple[int, int]]) -> list[tuple[int, int]]:
    for fee, spacing in value:
        if not 0 <= fee < PIPS:
            raise ValueError(f"{fee} is no static fee: write hundredths of a bp, from 0 to 999999 (3000 is 0.3 %)")
        if not 1 <= spacing <= MOST_SPACING:
            raise ValueError(f"{spacing} is no tick spacing: write a number from 1 to {MOST_SPACING}")
    return value


class UniswapV4Params(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    pool_manager: str
    """PoolManager's address."""
    state_view: str
    """StateView's address."""
    keys: Annotated[list[tuple[int, int]], AfterValidator(_fees), Field(min_length=1)] = list(USUAL.items())
    """[fee in hundredths of a bp, tick spacing] of the pools that are read, all without hooks."""
    router: str | None = None
    """A Universal Router (2.0 or 2.1.0) of that manager; None: nothing is swapped there."""
    permit2: str = PERMIT2
    """Permit2's address, through which the router takes tokens."""
    manager: str | None = None
    """PositionManager; None: no liquidity is read."""
    lookback_blocks: int = Field(default=7200, ge=0)
    """Blocks over which fees are measured."""


class UniswapV4:
    """Pools of one pool manager."""

    protocol: ClassVar[str] = "uniswap_v4"
    params: ClassVar[type[BaseModel]] = UniswapV4Params

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, given = abi(self.protocol), deployment.params
        manager, view = checksum(given["pool_manager"]), checksum(given["state_view"])
        keys = [(*in_order(pair), fee, spacing) for pair in pairs for fee, spacing in given["keys"]]
        ids = [PoolKey(a.address, b.address, fee, spacing).id for a, b, fee, spacing in keys]
        of, *answers = yield [codec.read(view, "poolManager"), *(codec.read(view, "getSlot0", one) for one in ids)]
        if codec.one("poolManager", of) != manager:
            raise MarketError(f"{deployment.name}: state_view {view} looks at another pool manager")
        swapping = {"router": given.get("router"), "permit2": given.get("permit2", PERMIT2)}
        found = []
        for (a, b, fee, spacing), id_, data in zip(keys, ids, answers, strict=True):
            if codec.one("getSlot0", data):
                name = f"{deployment.name} {_named(fee, spacing)}"
                params = {"id": "0x" + id_.hex(), "fee": fee, "spacing": spacing, "state_view": view} | swapping
                found.append(Pool(self.protocol, name, manager, a, b, params))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        zero, one = ways(*(yield from read_pool(pool)))
        return PoolState(pool, zero, one, SWAPS["uniswap_v4"])

    def held(self, pool: Pool) -> Flow[tuple[int, int]]:
        """What its liquidity comes to; a pool without a price has none."""
        codec, view, id_ = abi(self.protocol), pool.params["state_view"], bytes.fromhex(pool.params["id"][2:])
        (slot0,) = yield [codec.read(view, "getSlot0", id_)]
        return liquidity_amounts((yield from read_pool(pool))[0]) if codec.one("getSlot0", slot0) else (0, 0)

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        from eth_abi.abi import encode

        router, codec, tokens = router_of(pools), abi(self.protocol), tokens_along(pools, given.token, least.token)
        actions, parts = b"", list[bytes]()
        for place, pool in enumerate(pools):
            into = given.raw if place == 0 else ALL_THERE_IS
            bound = least.raw if place == len(pools) - 1 else 0
            terms = (key_of(pool).fields, tokens[place] == pool.token0, into, bound, b"")
            actions, parts = actions + SWAP_EXACT_IN_SINGLE, [*parts, encode([SWAP_TYPE], [terms])]
        # Exactly what is given is settled: where a pool took less, the manager refuses the whole.
        parts.append(encode(SETTLE_TYPES, [given.token.address, given.raw, True]))
        parts.append(encode(TAKE_TYPES, [least.token.address, least.raw]))
        plan = encode(PLAN_TYPES, [actions + SETTLE + TAKE_ALL, parts])
        data = codec.encode(SWAP, V4_SWAP, [plan], deadline)
        permit2 = checksum(pools[0].params["permit2"])
        allowance = Allowance(given.token, permit2, given.raw, Onward(router, deadline))
        return (EvmCall(router, data, 0, swap_description(pools, given, least), allowance, least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {router_of(pools): frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return router_of(pools), checksum(pools[0].params["permit2"])

    def explain_revert(self, data: bytes) -> str | None:
        message = explain(self.protocol, data)
        return REVERTS.get(message.partition("(")[0], message) if message is not None else None


def ways(state: V3Pool, protocol_fee: int) -> tuple[V3Venue, V3Venue]:
    """The pool's two directions, each with its own protocol fee."""
    zero, one = protocol_fee % (1 << FEE_BITS), protocol_fee >> FEE_BITS
    return (
        V3Venue(replace(state, fee_pips=total_fee(zero, state.fee_pips)), True),
        V3Venue(replace(state, fee_pips=total_fee(one, state.fee_pips)), False),
    )


def total_fee(protocol_pips: int, pips: int) -> int:
    """A swap's fee in hundredths of a bp: first the protocol's part, then the providers' fee on the rest."""
    return protocol_pips + pips - protocol_pips * pips // PIPS


def read_pool(pool: Pool, near_ticks: int = NEAR_TICKS) -> Flow[tuple[V3Pool, int]]:
    """(a pool's state within ``near_ticks`` of its price with the providers' fee, the protocol's fees), in three
    rounds.

    Raises MarketError for a pool without a price, or with a fee that is not its key's.
    """
    codec, view, id_ = abi("uniswap_v4"), pool.params["state_view"], bytes.fromhex(pool.params["id"][2:])
    spacing = pool.params["spacing"]
    slot0, liquidity = yield [codec.read(view, name, id_) for name in ("getSlot0", "getLiquidity")]
    sqrt_price, tick, protocol_fee, fee = codec.decode("getSlot0", slot0)
    if not sqrt_price or fee != pool.params["fee"]:
        raise MarketError(f"{pool.name} {pool.params['id']} is no pool of a static fee")
    first, last = ((max(-MOST_TICK, min(MOST_TICK, t)) // spacing) >> 8 for t in (tick - near_ticks, tick + near_ticks))
    places = range(first, last + 1)
    bits = yield [codec.read(view, "getTickBitmap", id_, word) for word in places]
    words = {w: b for w, data in zip(places, bits, strict=True) if (b := codec.one("getTickBitmap", data))}
    ticks = [(w * WORD + bit) * spacing for w, b in words.items() for bit in range(WORD) if b >> bit & 1]
    answers = yield [codec.read(view, "getTickLiquidity", id_, at) for at in ticks]
    net = {at: codec.decode("getTickLiquidity", data)[1] for at, data in zip(ticks, answers, strict=True)}
    whole = codec.one("getLiquidity", liquidity)
    return V3Pool(sqrt_price, tick, whole, fee, spacing, words, net, first, last), protocol_fee


def _named(fee: int, spacing: int) -> str:
    message = f"{fee / PIPS:z.2%}" if fee % 100 == 0 else f"{fee * 100 / PIPS:g}%"
    return message if USUAL.get(fee) == spacing else f"{message}/{spacing}"


EXCHANGE = UniswapV4()
