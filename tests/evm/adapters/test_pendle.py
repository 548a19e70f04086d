"""Pendle's real contracts in the sandbox: what a purchase fixes is paid at the expiry, and what stops new money."""

from eth_abi.abi import encode

from tests.bench.accuracy import Accuracy
from yieldbot.chains.evm.exits import fingerprints
from yieldbot.math.pt_prices import PtPrices
from yieldbot.model.market import ExitKind, MarketState, Status
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import selector_of

NEEDS = ("pendle",)
DAY = 86_400
HALF_MILLION = 500_000 * 10**6
BALANCE = selector_of("balanceOf(address)")


async def balance_raw(chain: Accuracy, token: str) -> int:
    return int.from_bytes(await chain.node.call(token, BALANCE + encode(["address"], [chain.owner])), "big")


async def the_market(chain: Accuracy) -> MarketState:
    (market,) = [one for one in await chain.markets() if one.protocol == "pendle"]
    return await chain.state(market)


async def bought(chain: Accuracy) -> tuple[MarketState, PtPrices]:
    """The market before 500,000 USDC bought, and its prices."""
    await chain.fund(chain.owner, HALF_MILLION)
    before = await the_market(chain)
    calls = chain.adapters["pendle"].deposit(before, before.market.asset.amount(HALF_MILLION), chain.owner)
    await chain.do(calls, chain.owner)
    assert isinstance(before.prices, PtPrices)
    return before, before.prices


async def redeemed(chain: Accuracy) -> int:
    """What redeeming everything pays, in base units."""
    over = await the_market(chain)
    had = await balance_raw(chain, over.market.asset.address)
    await chain.do(chain.adapters["pendle"].withdraw(over, None, chain.owner), chain.owner)
    return await balance_raw(chain, over.market.asset.address) - had


async def test_the_fixed_rate_is_what_is_earned_until_the_expiry(chain: Accuracy) -> None:
    before, prices = await bought(chain)
    assert before.exit.kind is ExitKind.MATURITY and not before.doubts and before.index is None
    horizon = prices.market.expiry - before.block.timestamp
    predicted = before.curve.apr(500_000.0, horizon)
    held = await the_market(chain)
    assert held.shares == await balance_raw(chain, before.market.params["pt"])
    await chain.wait(horizon + DAY)
    over = await the_market(chain)
    assert over.status is Status.FROZEN and over.exit.kind is ExitKind.INSTANT and over.curve.apr(1.0, DAY) == 0.0
    paid = await redeemed(chain)
    assert paid == over.held.raw and held.shares - 2 <= paid <= held.shares  # two divisions round down
    earned = (paid / HALF_MILLION - 1) * SECONDS_PER_YEAR / horizon
    assert abs(predicted - earned) * 1e4 < 0.01


async def test_a_loss_a_pause_or_another_code_of_what_pays_it_is_seen(chain: Accuracy) -> None:
    before, prices = await bought(chain)
    sy = before.market.params["sy"]
    block = await chain.node.block()
    (first,) = (await fingerprints(chain.node, [await the_market(chain)], block)).values()
    await chain.send(sy, selector_of("setPaused(bool)") + encode(["bool"], [True]))
    assert (await the_market(chain)).status is Status.PAUSED
    await chain.send(sy, selector_of("setPaused(bool)") + encode(["bool"], [False]))
    await chain.send(sy, selector_of("lose(uint256)") + encode(["uint256"], [9 * 10**17]))
    lost = await the_market(chain)
    assert any("of what it did: a PT is redeemed for less than one" in doubt for doubt in lost.doubts)
    await chain.wait(prices.market.expiry - before.block.timestamp + DAY)
    over = await the_market(chain)
    assert over.held.raw < 0.96 * over.shares and abs(await redeemed(chain) - over.held.raw) <= 10**4
    (same,) = (await fingerprints(chain.node, [lost], await chain.node.block())).values()
    assert same == first, "time changes nothing in it"
    code = (await chain.node.code(sy, await chain.node.block())).hex()
    await chain.node.request("anvil_setCode", [sy, f"0x{code}00"])
    (then,) = (await fingerprints(chain.node, [lost], await chain.node.block())).values()
    assert then != first
