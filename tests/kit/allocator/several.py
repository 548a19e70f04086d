"""Snapshots of two assets with pools between them, and decisions on them."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.market_builder import BLOCK, CHAIN, IDLE_ID, OWNER, USDC, market, snapshot
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import make_plan
from yieldbot.math.curves import ConstantCurve
from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Kind, Market, MarketState, Snapshot
from yieldbot.model.plan import Allocation, Hold, Plan
from yieldbot.model.policy import Base, Policy
from yieldbot.model.settings import ChainSettings, Job, Wallet

DAI = Token(CHAIN, Address("0x6B175474E89094C44Da98b954EedeAC495271d0F"), "DAI", 18)
BASE = Base(unit="USD", shares={"USDC": 1.0, "DAI": 1.0})
ROUTER = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"
POLICY = loose(horizon_days=30, idle_buffer="0")
NOW = BLOCK.timestamp
SETTINGS = ChainSettings(
    name="test",
    chain=CHAIN,
    rpc_env="RPC",
    rpc_urls=(),
    multicall3=Address(ROUTER),
    native_symbol="ETH",
    native_feed=None,
    feeds={},
    tokens={"USDC": USDC, "DAI": DAI},
    deployments=(),
    max_fee_gwei=100.0,
)
JOB = Job(wallet=Wallet(name="w", address=OWNER), chain=SETTINGS, asset=USDC, others=(DAI,), base=BASE)


def dai(whole: float) -> Amount:
    return Amount(DAI, round(whole * 10**6) * 10**12)


def in_dai(state: MarketState, held: float = 0, liquidity: float = 1e9) -> MarketState:
    """The same market with DAI instead of USDC as its asset."""
    where = replace(state.market, asset=DAI)
    return replace(state, market=where, held=dai(held), supplied=dai(1e6), liquidity=dai(liquidity))


def pool(millions: float, fee_bps: int = 1, rate: float = 1.0, name: str = "pool") -> PoolState:
    """A constant-product pool with ``millions`` of tokens on each side; rate: DAI for one USDC."""
    one, other = int(millions * 10**12), int(millions * rate * 10**24)
    fee = 10_000 - fee_bps, 10_000
    made = Pool("uniswap_v2", name, Address(ROUTER), USDC, DAI, {"router": ROUTER})
    return PoolState(made, V2Venue(one, other, fee), V2Venue(other, one, fee))


def seen(
    usdc_idle: float,
    dai_idle: float,
    *states: MarketState,
    pools: tuple[PoolState, ...] = (),
    usd: tuple[float, float] = (1.0, 1.0),
    mean: float = 1.0,
    spoken: int = NOW,
) -> Snapshot:
    """A snapshot of a job over USDC and DAI. mean: the pools' TWAP over half an hour, DAI for one USDC."""
    plain = snapshot(usdc_idle, *states)
    wallet = Market(MarketId("idle/1/dai"), "idle", Kind.IDLE, CHAIN, "Wallet", DAI, DAI.address)
    idle = plain.of(IDLE_ID)
    other = replace(idle, market=wallet, held=dai(dai_idle), liquidity=dai(dai_idle), supplied=dai(dai_idle), shares=0)
    shown = {IDLE_ID: idle, wallet.id: other} | {s.market.id: s for s in states}
    prices = {USDC: Price(usd[0], spoken), DAI: Price(usd[1], spoken)}
    watched = pools[0].pool if pools else pool(1).pool
    return replace(plain, states=shown, exchange=Exchange(pools, prices, ((watched, mean),)))


def solved(view: Snapshot, policy: Policy = POLICY, base: Base = BASE) -> Allocation:
    return allocate(view, assess(view, policy, None, base), policy, base=base)


def planned(view: Snapshot, policy: Policy = POLICY, base: Base = BASE) -> Plan | Hold:
    return make_plan(view, solved(view, policy, base), policy, NOW)


LOW, HIGH = market("low", ConstantCurve(0.03)), in_dai(market("high", ConstantCurve(0.09)))
