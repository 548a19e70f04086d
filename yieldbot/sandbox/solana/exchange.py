"""The Solana sandbox's exchanges and price oracles: pools of the Whirlpool program's double, and accounts of another
program's pools whose recorded TWAP is a price oracle. Nobody trades there, so that the TWAP is constant.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.math.whirlpool import MOST_TICK, delta_b, sqrt_at
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.protocols.solana.raydium_clmm import OBSERVATION_BYTES, OBSERVATIONS, OBSERVATIONS_AT
from yieldbot.sandbox.solana.images import Images, account_data, image, named
from yieldbot.sandbox.solana.whirlpool import WhirlpoolTerms, whirlpool, whirlpool_program

OBSERVED_EVERY_SECONDS = 18
REACH = 0.02
"""How far most of a pool's liquidity reaches to each side of the price, as a fraction of it."""

Published = Mapping[Address, Callable[[int], AccountImage]]
"""Accounts that are rewritten at every slot, made from the time in unix seconds."""


@dataclass(frozen=True, slots=True)
class SvmExchanges:
    """The Solana sandbox's exchanges and price oracles."""

    exchanges: tuple[dict[str, object], ...]
    """Rows of [[exchanges]]."""
    witnesses: tuple[dict[str, object], ...]
    """Rows of [[witnesses]]: price oracles."""
    images: Images
    """The accounts behind them."""
    published: Published
    """Accounts that are rewritten at every slot."""
    places: dict[str, str]
    """Addresses by name: ``PAIR_pool``, and ``PAIR_mean`` for the observations of its TWAP."""


def exchanges(
    pairs: Mapping[tuple[Token, Token], tuple[float, float, int, int]], rated: Collection[Token] = ()
) -> SvmExchanges:
    """A pool and a price oracle for each pair.

    ``pairs``: by pair the price (whole tokens of the second for one of the first), the liquidity on each side of it
    (whole tokens of the second), the fee in hundredths of a bp, and the tick spacing. ``rated``: tokens that have
    another oracle.
    """
    program, images = whirlpool_program()
    oracle = named("witness", "program")
    published: dict[Address, Callable[[int], AccountImage]] = {}
    places: dict[str, str] = {}
    pools, observed = list[str](), list[str]()
    for (one, other), (price, whole, fee_pips, spacing) in pairs.items():
        a, b = sorted((one, other), key=lambda token: key_bytes(token.address))
        of_a = (price if a == one else 1.0 / price) * b.one / a.one
        tick = round(math.log(of_a) / math.log(1.0001))
        lower, upper = (round((tick + sign * REACH * 10_000) / spacing) * spacing for sign in (-1, 1))
        wanted_b = (whole if b == other else whole / price) * b.one
        size = int(wanted_b / (sqrt_at(tick) - sqrt_at(lower)) * 2**64)
        end = MOST_TICK // spacing * spacing
        positions = ((lower, upper, size), (-end, end, size // 100))
        assert delta_b(sqrt_at(lower), sqrt_at(upper), size, True) is not None
        terms = WhirlpoolTerms(sqrt_price_x64=sqrt_at(tick), positions=positions, spacing=spacing, fee_pips=fee_pips)
        pool, more = whirlpool(program, a.address, b.address, terms)
        images |= more
        pools.append(pool)
        name = f"{one.symbol}_{other.symbol}".lower()
        places[f"{name}_pool"] = pool
        if {one, other} & set(rated):
            continue
        clmm, at = named("witness", a.symbol, b.symbol), named("witness", a.symbol, b.symbol, "observations")
        keys = {"token_mint_0": a.address, "token_mint_1": b.address, "observation_key": at}
        images[clmm] = image(oracle, account_data("raydium_clmm", "PoolState", keys))
        places[f"{name}_mean"] = at
        published[at] = partial(observations, oracle, clmm, tick)
        observed.append(clmm)
    return SvmExchanges(
        ({"protocol": "orca_whirlpool", "name": "Orca (double)", "program": program, "pools": pools},),
        ({"protocol": "raydium_clmm", "name": "Price oracle (double)", "program": oracle, "pools": observed},),
        images,
        published,
        places,
    )


def observations(program: Address, pool: Address, tick: int, timestamp: int) -> AccountImage:
    """The observations of a pool that was at one tick for half an hour."""
    newest = OBSERVATIONS - 1
    fields = {"initialized": True, "observation_index": newest, "pool_id": pool}
    data = bytearray(account_data("raydium_clmm", "ObservationState", fields))
    first = timestamp - newest * OBSERVED_EVERY_SECONDS
    for i in range(OBSERVATIONS):
        at = first + i * OBSERVED_EVERY_SECONDS
        struct.pack_into("<Iq", data, OBSERVATIONS_AT + i * OBSERVATION_BYTES, max(at, 1), tick * (at - first))
    return image(program, bytes(data))
