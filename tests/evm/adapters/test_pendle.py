"""Pendle's real contracts in the sandbox: a principal token is bought, sold early, and redeemed after its expiry."""

from tests.bench.accuracy import Accuracy
from yieldbot.math.pt_prices import PtPrices
from yieldbot.model.market import ExitKind, MarketState, Status
from yieldbot.model.units import SECONDS_PER_YEAR

NEEDS = ("pendle",)
DAY = 86_400
BALANCE = bytes.fromhex("70a08231")


async def balance_raw(chain: Accuracy, token: str) -> int:
    data = BALANCE + bytes(12) + bytes.fromhex(chain.owner[2:])
    return int.from_bytes(await chain.node.call(token, data), "big")


async def the_market(chain: Accuracy) -> MarketState:
    (market,) = [one for one in await chain.markets() if one.protocol == "pendle"]
    return await chain.state(market)


async def buy(chain: Accuracy, raw: int) -> MarketState:
    state = await the_market(chain)
    await chain.fund(chain.owner, raw)
    state = await the_market(chain)
    calls = chain.adapters["pendle"].deposit(state, state.market.asset.amount(raw), chain.owner)
    await chain.do(calls, chain.owner)
    return state


def prices_of(state: MarketState) -> PtPrices:
    assert isinstance(state.prices, PtPrices)
    return state.prices


async def test_the_fixed_rate_is_what_is_earned_until_the_expiry(chain: Accuracy) -> None:
    before = await the_market(chain)
    assert before.exit.kind is ExitKind.MATURITY and not before.doubts
    await chain.fund(chain.owner, 700_000 * 10**6)
    before = await the_market(chain)
    horizon = before.prices.market.expiry - before.block.timestamp  # type: ignore[union-attr]
    predicted = before.curve.apr(500_000.0, horizon)
    await chain.do(
        chain.adapters["pendle"].deposit(before, before.market.asset.amount(500_000 * 10**6), chain.owner), chain.owner
    )
    held = await the_market(chain)
    print(
        before.quoted, predicted, held.shares, held.held, held.flags, before.liquidity, before.supplied, before.capacity
    )
    await chain.wait(horizon + DAY)
    over = await the_market(chain)
    assert over.status is Status.FROZEN and over.exit.kind is ExitKind.INSTANT and over.curve.apr(1.0, DAY) == 0.0
    usdc = over.market.asset.address
    had = await balance_raw(chain, usdc)
    await chain.do(chain.adapters["pendle"].withdraw(over, None, chain.owner), chain.owner)
    paid = await balance_raw(chain, usdc) - had
    earned = (paid / 500_000e6 - 1) * SECONDS_PER_YEAR / horizon
    print(predicted, earned, (predicted - earned) * 1e4, paid, held.shares, over.held.raw)
    assert abs(predicted - earned) * 1e4 < 0.01
