"""Snapshots with reward tokens that may be sold."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.allocator.several import BASE, DAI, JOB, LOW, NOW, seen
from tests.kit.market_builder import CHAIN, OWNER, USDC
from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, PoolState, Price
from yieldbot.model.ids import Address
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import SALE
from yieldbot.model.rewards import Reward

RWD = Token(CHAIN, Address("0x" + "0e" * 20), "RWD", 18)
JOB_SALE = replace(SALE, unit=BASE.unit, shares=BASE.shares)
SELLS = replace(JOB, sale=JOB_SALE)
ROUTER = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"


def reward(token: Token = RWD, lying: int = 100) -> Reward:
    return Reward(
        token=token,
        claimable=Amount(token, 0),
        in_wallet=Amount(token, lying * token.one),
        raw_per_second=0.0,
        ends_at=None,
        others=1e6,
        distributor=OWNER,
        gas=200_000,
    )


def trades(token: Token, price: float, number: int) -> PoolState:
    """A pool that pays ``price`` whole ``token`` for one RWD, with a million ``token`` of reserves and a fee of 1
    bp."""
    rwd_raw, other_raw = int(1e6 / price) * RWD.one, 10**6 * token.one
    at = Address("0x" + f"{number:02x}" * 20)
    made = Pool("uniswap_v2", f"RWD/{token.symbol}", at, RWD, token, {"router": ROUTER})
    fee = 9_999, 10_000
    return PoolState(made, V2Venue(rwd_raw, other_raw, fee), V2Venue(other_raw, rwd_raw, fee))


def earned(in_usdc: float, in_dai: float, usd: tuple[float, float] = (1.0, 1.0), token: Token = RWD) -> Snapshot:
    """A snapshot with 100 RWD of ours, worth 2 dollars each by its feed and by each pool's TWAP, with pools that pay
    ``in_usdc`` and ``in_dai`` now."""
    pools = trades(USDC, in_usdc, 0xA1), trades(DAI, in_dai, 0xA2)
    view = seen(0, 0, replace(LOW, rewards=(reward(token),)), pools=pools, usd=usd)
    assert view.exchange is not None
    means = tuple((one.pool, 2.0) for one in pools)
    return replace(
        view, exchange=replace(view.exchange, usd={**view.exchange.usd, RWD: Price(2.0, NOW)}, oracle_prices=means)
    )
