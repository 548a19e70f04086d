"""A pool, its position manager and the state that liquidity calls are built from."""

from __future__ import annotations

from tests.kit import ROOT
from tests.kit.wiring import CHAIN, EXPIRES, OWNER, STRANGER, USDC
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.judge import Rules
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool
from yieldbot.model.tx import EvmCall
from yieldbot.protocols import exchanges

MANAGER = Address("0xC36442b4a4522E871399CD717aBDD847Ab11FE88")
ROUTER = Address("0xE592427A0AEce92De3Edee1F18E0157C05861564")
WETH = Token(CHAIN, Address("0x4200000000000000000000000000000000000006"), "WETH", 18)
POSITION = Token(CHAIN, MANAGER, "position", 0)
POOL = Pool("uniswap_v3", "Uniswap v3 0.05%", STRANGER, WETH, USDC, {"fee": 500, "router": ROUTER})
STATE = LiquidityPool(
    pool=POOL,
    sqrt_price_x96=1 << 96,
    tick=0,
    liquidity=10**18,
    fee=0.0005,
    spacing=10,
    reserves=(10**18, 10**9),
    manager=MANAGER,
)
RULES = Rules(CHAIN, OWNER, 10**10, 1_000_000, abi_functions(ROOT / "abis"))


def swapped(least: int, owner: Address = OWNER) -> EvmCall:
    given = Amount(WETH, 1000)
    return exchanges()["uniswap_v3"].swap((POOL,), given, Amount(USDC, least), owner, EXPIRES)[0]
