"""Orca's Whirlpools, read so that swaps can be computed exactly without further reads.

Layout and account order: npm @orca-so/whirlpools-sdk (its IDL, whirlpool.json); behaviour: the program's
swap_manager.rs and sparse_swap.rs. An array of ticks that nobody has opened holds no liquidity and may still be named.
Refused are pools with an adaptive fee (they have an "oracle" account) and mints that do not belong to SPL Token itself:
those of Token-2022 may charge a fee on each transfer. ``swap`` has no deadline: only its minimum out and its blockhash
limit a pending one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError, ReadReverted
from yieldbot.math.concentrated import PIPS, Unswappable
from yieldbot.math.whirlpool import LEAST_SQRT_X64, MOST_SQRT_X64, TICKS, Whirlpool, WhirlpoolVenue, starts, tick_at
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.solana.layout import ata, key_bytes, layout, pda
from yieldbot.protocols.solana.pools import NamedPools, named_pools

SWAP = "swap"
UNITS = 90_000
"""Approximate compute units of a swap."""
FIXED, DYNAMIC = bytes.fromhex("4561bdbe6e0742bb"), bytes.fromhex("11d8f68ee1c7da38")
"""Discriminators of the two kinds of tick arrays (account:TickArray, account:DynamicTickArray)."""
TICK_BYTES = 113
"""Bytes of a tick: whether it is initialised, then liquidity_net (i128) first; an uninitialised one of a dynamic array
has one byte."""
FIXED_AT, DYNAMIC_AT = 12, 60
"""Where the ticks begin: after the first tick's index, and in a dynamic array also the pool and a bitmap."""
FIXED_BYTES = FIXED_AT + TICKS * TICK_BYTES + 32


class OrcaWhirlpool:
    """Pools of two SPL Token mints with a fixed fee, one swap passing one pool."""

    protocol: ClassVar[str] = "orca_whirlpool"
    params: ClassVar[type[BaseModel]] = NamedPools

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        named = yield from named_pools(deployment, pairs, "Whirlpool", ("token_mint_a", "token_mint_b"))
        found = []
        for address, fields, a, b in named:
            name = f"{deployment.name} {fields['fee_rate'] / PIPS:z.2%}"
            params = {"program": Address(deployment.params["program"]), "router": address}
            found.append(Pool(self.protocol, name, address, a, b, params))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        program, oracle = pool.params["program"], oracle_of(pool.params["program"], pool.address)
        try:
            data, adaptive, *_ = yield [
                SvmAccount(pool.address, program),
                SvmAccount(oracle, program, optional=True),
                *(SvmAccount(token.address, TOKEN_PROGRAM) for token in (pool.token0, pool.token1)),
            ]
        except ReadReverted as bad:
            raise MarketError(f"{bad}: nothing is swapped but SPL Token's own mints") from None
        fields = layout(self.protocol).decode("Whirlpool", data)
        if adaptive or fields["fee_tier_index"] != fields["tick_spacing"]:
            raise MarketError(f"the fee of pool {pool.address} adapts to volatility: it cannot be told beforehand")
        _sound(pool, fields)
        first = starts(fields["tick_current_index"], fields["tick_spacing"], True)
        last = starts(fields["tick_current_index"], fields["tick_spacing"], False)
        places = {at: tick_array(program, pool.address, at) for at in sorted({*first, *last})}
        arrays = yield [SvmAccount(address, program, optional=True) for address in places.values()]
        net: dict[int, int] = {}
        for at, found in zip(places, arrays, strict=True):
            if found:
                net |= ticks_of(found, pool.address, at, fields["tick_spacing"])
        state = Whirlpool(
            sqrt_price_x64=fields["sqrt_price"],
            tick=fields["tick_current_index"],
            liquidity=fields["liquidity"],
            fee_pips=fields["fee_rate"],
            protocol_bps=fields["protocol_fee_rate"],
            spacing=fields["tick_spacing"],
            net=net,
        )
        named = {
            "oracle": oracle,
            "vault_a": fields["token_vault_a"],
            "vault_b": fields["token_vault_b"],
            "arrays": {True: _three(places, first), False: _three(places, last)},
        }
        known = replace(pool, params={**pool.params, **named})
        return PoolState(known, WhirlpoolVenue(state, True), WhirlpoolVenue(state, False), UNITS)

    def swap(self, pool: Pool, given: Amount, least: Amount, owner: Address) -> SvmInstruction:
        tokens_along((pool,), given.token, least.token)
        a_to_b = given.token == pool.token0
        arrays = pool.params["arrays"][a_to_b]
        accounts = {
            "token_program": TOKEN_PROGRAM,
            "owner": owner,
            "whirlpool": pool.address,
            "owner_a": ata(owner, pool.token0.address),
            "vault_a": pool.params["vault_a"],
            "owner_b": ata(owner, pool.token1.address),
            "vault_b": pool.params["vault_b"],
            **{f"tick_array_{i}": address for i, address in enumerate(arrays)},
            "oracle": pool.params["oracle"],
        }
        args = (given.raw, least.raw, 0, True, a_to_b)
        description = swap_description((pool,), given, least)
        return layout(self.protocol).build(SWAP, pool.params["program"], accounts, *args, description=description)

    def tags(self, pool: Pool) -> dict[Address, frozenset[bytes]]:
        return {pool.params["program"]: frozenset({layout(self.protocol).tag(SWAP)})}

    def explain_error(self, program: Address, code: int) -> str | None:
        return layout(self.protocol).explain(code)


def oracle_of(program: Address, pool: Address) -> Address:
    """The account with which an adaptive-fee pool computes its fee; every swap names it."""
    return pda(program, b"oracle", key_bytes(pool))


def tick_array(program: Address, pool: Address, first_tick: int) -> Address:
    """The array of 88 ticks from ``first_tick`` on."""
    return pda(program, b"tick_array", key_bytes(pool), str(first_tick).encode())


def ticks_of(data: bytes, pool: Address, first_tick: int, spacing: int) -> dict[int, int]:
    """liquidity_net by initialised tick. Raises MarketError if the bytes are not such an array of the pool."""
    dynamic = data[:8] == DYNAMIC
    if not dynamic and (data[:8] != FIXED or len(data) != FIXED_BYTES):
        raise MarketError(f"these {len(data)} bytes are no array of ticks")
    owner = data[12:44] if dynamic else data[-32:]
    if owner != key_bytes(pool) or int.from_bytes(data[8:12], "little", signed=True) != first_tick:
        raise MarketError(f"an array of ticks is not pool {pool}'s from {first_tick} on")
    found, at = {}, DYNAMIC_AT if dynamic else FIXED_AT
    for place in range(TICKS):
        if len(data) <= at:
            raise MarketError(f"these {len(data)} bytes are no array of ticks")
        if data[at]:
            found[first_tick + place * spacing] = int.from_bytes(data[at + 1 : at + 17], "little", signed=True)
        at += TICK_BYTES if data[at] or not dynamic else 1
    if len(data) < at:
        raise MarketError(f"these {len(data)} bytes are no array of ticks")
    return found


def _three(places: dict[int, Address], wanted: Sequence[int]) -> tuple[Address, ...]:
    """The three arrays of one direction; if there are fewer, the last one is repeated, as the program allows."""
    found = [places[at] for at in wanted]
    return tuple(found + found[-1:] * (3 - len(found)))


def _sound(pool: Pool, fields: dict[str, Any]) -> None:
    tick, sqrt = fields["tick_current_index"], fields["sqrt_price"]
    if not fields["tick_spacing"] or not LEAST_SQRT_X64 <= sqrt <= MOST_SQRT_X64 or fields["fee_rate"] >= PIPS:
        raise MarketError(f"pool {pool.address} has no price")
    try:
        if tick not in (found := tick_at(sqrt), found - 1):  # one below where a swap ended just on a tick
            raise MarketError(f"pool {pool.address} contradicts itself: its price is not at its tick")
    except Unswappable as bad:
        raise MarketError(f"pool {pool.address}: {bad}") from None


EXCHANGE = OrcaWhirlpool()
