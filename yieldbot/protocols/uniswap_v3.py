"""Uniswap v3 pools, read so that a swap can be told to the unit without asking the chain again.

Source: Uniswap v3 core 1.0.1 (IUniswapV3PoolState). Only the words of the tick bitmap around the price are read: a swap
that would leave them is refused (``Unswappable``), never guessed.
"""

from __future__ import annotations

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import MOST_TICK, WORD, V3Pool
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols._abi import abi

NEAR_TICKS = 23_028
"""Ticks to each side that are read: a price ten times, or a tenth of, what it is."""


def read_pool(pool: Address, near_ticks: int = NEAR_TICKS) -> Flow[V3Pool]:
    """A pool's whole state within ``near_ticks`` of its price, in three rounds. Raises MarketError for what is none."""
    codec = abi("uniswap_v3")
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
    told = yield [codec.read(pool, "ticks", at) for at in ticks]
    return V3Pool(
        sqrt_price_x96=sqrt_price,
        tick=tick,
        liquidity=codec.one("liquidity", liquidity),
        fee_pips=codec.one("fee", fee),
        spacing=spacing,
        words=words,
        net={at: codec.decode("ticks", data)[1] for at, data in zip(ticks, told, strict=True)},
        first_word=first,
        last_word=last,
    )
