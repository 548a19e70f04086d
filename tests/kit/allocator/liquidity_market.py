"""A pool as a market together with lending markets, and decisions about all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.kit.allocator.liquidity import CALM, GAS, ONE, OTHER, STATE, record
from tests.kit.market_builder import BLOCK, OWNER, market, snapshot
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.liquidity_market import PoolObservation, pool_market_state
from yieldbot.allocator.plan import make_plan
from yieldbot.allocator.rebalance import rebalance_plan
from yieldbot.math.concentrated import V3Pool, sqrt_at
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Apr
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Exchange, Price
from yieldbot.model.ids import MarketId
from yieldbot.model.liquidity import PoolHistory, PoolPosition
from yieldbot.model.market import Kind, Market, MarketState, Snapshot
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.policy import Base, Policy

BASE = Base(unit="USD", shares={"1": 1.0, "2": 1.0}, liquidity=True)
WIDE = 88_720
MILD = record(0.1, 60.0)
"""A history of fees whose lower bound is hardly above zero, while the mean estimate is high."""
TICKS = V3Pool(
    sqrt_price_x96=sqrt_at(0),
    tick=0,
    liquidity=STATE.liquidity,
    fee_pips=500,
    spacing=10,
    words={-35: 1 << 88, 34: 1 << 168},
    net={-WIDE: STATE.liquidity, WIDE: -STATE.liquidity},
    first_word=-40,
    last_word=40,
)
WEALTH = Amount(ONE, 1000 * ONE.one)
DEPLOYMENT = Deployment("uniswap_v3", ONE.chain, "Uniswap v3", {}, (ONE, OTHER))


def with_ours(*positions: PoolPosition) -> V3Pool:
    """The pool with positions of ours, whose liquidity is included in the pool's."""
    net, liquidity = dict(TICKS.net), TICKS.liquidity
    words = dict(TICKS.words)
    for position in positions:
        assert position.ticks is not None
        for tick, more in zip(position.ticks, (position.liquidity, -position.liquidity), strict=True):
            net[tick] = net.get(tick, 0) + more
            words[tick // 10 >> 8] = words.get(tick // 10 >> 8, 0) | 1 << (tick // 10 & 255)
        if position.ticks[0] <= 0 < position.ticks[1]:
            liquidity += position.liquidity
    return replace(TICKS, net=net, liquidity=liquidity, words=words)


def pool(record: PoolHistory = CALM, *positions: PoolPosition, fair: float = 1.0, **rest: Any) -> MarketState:
    ticks = with_ours(*positions)
    state = replace(STATE, liquidity=ticks.liquidity)
    seen = PoolObservation(
        state=state,
        history=record,
        deployment=DEPLOYMENT,
        pool=ticks,
        positions=tuple(replace(position, state=state) for position in positions),
        gas_price=GAS,
        fair=fair,
    )
    return pool_market_state(seen, rest.pop("asset", ONE), WEALTH, BLOCK, replace(BASE, **rest))


def everything(*states: MarketState, lends: float = 0.02, idle: float = 1000.0) -> Snapshot:
    """A snapshot with a wallet of token1, a market that lends it, and these pools. lends: its rate; idle: whole tokens
    in the wallet."""
    where = Market(MarketId("idle/1/one"), "idle", Kind.IDLE, ONE.chain, "Wallet", ONE, ONE.address)
    wallet = replace(market("w", ConstantCurve(0.0)), market=where, held=Amount(ONE, int(idle * ONE.one)))
    two = replace(where, id=MarketId("idle/1/two"), asset=OTHER, address=OTHER.address)
    second = replace(wallet, market=two, held=Amount(OTHER, 0))
    bank = Market(MarketId("lend/1/bank"), "lend", Kind.LENDING, ONE.chain, "Bank", ONE, OWNER)
    lending = replace(
        market("b", ConstantCurve(lends)),
        market=bank,
        held=Amount(ONE, 0),
        liquidity=Amount(ONE, 10**30),
        supplied=Amount(ONE, 10**30),
        quoted=Apr(lends),
    )
    made = snapshot(0.0, gwei=0.001)
    prices = {token: Price(1.0, BLOCK.timestamp) for token in (ONE, OTHER)}
    means = ((STATE.pool, 1.0),)
    states = (wallet, second, lending, *states)
    return replace(made, states={s.market.id: s for s in states}, exchange=Exchange((), prices, means))


def decided(*states: MarketState, policy: Policy | None = None, base: Base = BASE, **rest: float) -> Plan | Hold:
    policy = policy or loose(horizon_days=30.0, min_gain_share=0.0)
    seen = everything(*states, **rest)
    allocation = allocate(seen, assess(seen, policy, base=base), policy, base=base)
    assert allocation.certificate.gap_bps < 0.1
    plan = make_plan(seen, allocation, policy, 0)
    if isinstance(plan, Plan):
        return plan
    return rebalance_plan(seen, assess(seen, policy, base=base), allocation, policy, 0) or plan
