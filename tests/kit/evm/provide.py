"""An order of liquidity, its plan and its leg."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.kit.evm.pool_calls import MANAGER, POOL, POSITION, ROUTER, WETH
from tests.kit.wiring import BLOCK, EXPIRES, OWNER, USDC
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall, Provides, Tally
from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, Market
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan

MARKET = Market(
    MarketId("uniswap_v3_lp/1/0x"), "uniswap_v3_lp", Kind.LIQUIDITY, USDC.chain, "a pool", USDC, POOL.address
)
LEG = Leg(LegKind.DEPOSIT, MARKET.id, Amount(USDC, 4000), ticks=(-100, 100))

ORDER = LiquidityOrder(
    id="p1",
    manager=MANAGER,
    tokens=(WETH, USDC),
    fee_pips=500,
    token_id=None,
    ticks=(-100, 100),
    most=(1000, 2000),
    least_put=(900, 1800),
    expires_at=EXPIRES,
    router=ROUTER,
)


async def no_steps(_: Node) -> AsyncIterator[OrderCall]:
    for step in ():
        yield step


def plan_of(*legs: Leg) -> Plan:
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
    return Plan("p1", BLOCK, OWNER, (), legs, allocation, 1.0, 0.0, 100, EXPIRES)


def work_of(leg: Leg, token_ids: frozenset[int] = frozenset(), shift: int = 5) -> LegWork:
    provides = Provides(
        steps=no_steps,
        tally=Tally({}),
        manager=MANAGER,
        router=ROUTER,
        pair=(WETH, USDC),
        tokens=(USDC, WETH, POSITION),
        token_ids=token_ids,
        description="",
        entry_cost_bps=5.0,
        slippage_bps=10.0,
        shift_ticks=shift,
    )
    return LegWork(
        index=0,
        leg=leg,
        market=MARKET,
        calls=(),
        share_token=None,
        targets={},
        spenders=(),
        lasts_seconds=60,
        provides=provides,
    )
