"""The head of a chain whose pool's logs are read."""

from __future__ import annotations

from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.liquidity import LiquidityPool

CHAIN = evm_chain(1)
ONE, OTHER = (Token(CHAIN, Address("0x" + digit * 40), digit, 18) for digit in "12")
STATE = LiquidityPool(
    pool=Pool("uniswap_v3", "a pool", Address("0x" + "33" * 20), ONE, OTHER),
    sqrt_price_x96=1 << 96,
    tick=0,
    liquidity=1,
    fee=0.003,
    spacing=60,
    reserves=(1, 1),
    manager=Address("0x" + "44" * 20),
)

HEAD = BlockRef(CHAIN, 1_000_000, "0x", 0)
