"""Incentives on real Aave contracts and on the doubles of Compound's: what is seen is what a claim pays, and what is
predicted of our own deposit is what accrues."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.bench.accuracy import DAY, DAYS_30, Accuracy
from tests.kit import incentives
from tests.kit.incentives import Incentives
from tests.kit.policies import loose
from yieldbot.allocator.market_curve import curve_of, reward_apr, value
from yieldbot.chains.evm.observe import observe
from yieldbot.config.load import load
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.market import MarketState
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm.node import Sandbox

NEEDS: tuple[str, ...] = ()
POLICY = loose(horizon_days=30.0, reward_haircut_bps=0)
PAYING = ("Aave v3", "Compound v3 (double)")
DEPOSIT_RAW = 50_000 * 10**6


@pytest.fixture
async def paying(own_sandbox: Sandbox) -> AsyncIterator[tuple[Accuracy, Incentives]]:
    """The sandbox with incentives, put back afterwards."""
    (job,) = load(own_sandbox.config).jobs
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        found = await incentives.deploy(node, own_sandbox.addresses)
        yield Accuracy(node, replace(job, chain=found.chain(job.chain)), adapters()), found
        await node.request("evm_revert", [snapshot])


async def seen(chain: Accuracy, name: str) -> MarketState:
    """A market as the whole observation shows it: prices and costs of claims included."""
    snapshot = await observe(chain.node, chain.job, chain.adapters)  # type: ignore[arg-type]
    return next(state for state in snapshot.states.values() if state.market.name == name)


async def balance_raw(chain: Accuracy, token: str) -> int:
    from yieldbot.protocols.evm.abi import abi

    read = abi("erc20").read(token, "balanceOf", chain.owner)
    return int.from_bytes(await chain.node.call(read.to, read.data), "big")


@pytest.mark.parametrize("name", PAYING)
async def test_what_is_claimable_is_what_a_claim_pays(paying: tuple[Accuracy, Incentives], name: str) -> None:
    chain, found = paying
    await chain.history()
    empty = await seen(chain, name)
    (reward,) = empty.rewards
    assert (reward.claimable.raw, reward.in_wallet.raw, reward.price) == (0, 0, 2.0)
    assert (reward.token.address, reward.token.symbol, reward.token.decimals) == (found.token.address, "RWD", 18)
    await chain.deposit(empty.market, DEPOSIT_RAW, chain.owner)
    await chain.wait(3 * DAY)
    await chain.history()
    state = await seen(chain, name)
    (reward,) = state.rewards
    assert reward.claimable.raw > 0 and value(reward, POLICY) == pytest.approx(2 * float(reward.claimable))
    adapter = chain.adapters[state.market.protocol]
    (call,) = adapter.claim(state, reward, chain.owner)
    assert call.data[:4] in adapter.claim_targets(state.market, reward)[call.to] and call.allowance is None
    assert str(reward.claimable) in call.description and state.market.name in call.description
    # In the very second that was observed, so that nothing more has accrued.
    await chain.node.request("anvil_setBlockTimestampInterval", [0])
    await chain.send(call.to, call.data)
    await chain.node.request("anvil_removeBlockTimestampInterval", [])
    assert await balance_raw(chain, found.token.address) == reward.claimable.raw
    await chain.history()
    (after,) = (await seen(chain, name)).rewards
    assert after.in_wallet == reward.claimable and after.claimable < reward.claimable


@pytest.mark.parametrize("name", PAYING)
async def test_predicted_reward_income_is_what_accrues(paying: tuple[Accuracy, Incentives], name: str) -> None:
    """Over 30 untouched days, deposits from a thousandth to most of the pool: within 0.1 bp of it a year."""
    chain, _ = paying
    for whole in (1_000, 200_000, 5_000_000):
        put_back = await chain.node.request("evm_snapshot", [])
        await chain.history()
        before = await seen(chain, name)
        predicted = reward_apr(replace(before, rewards=_free(before)), whole, POLICY)
        await chain.deposit(before.market, whole * 10**6, chain.owner)
        start = await seen(chain, name)
        await chain.wait(DAYS_30)
        await chain.history()
        end = await seen(chain, name)
        got = float(end.rewards[0].claimable) - float(start.rewards[0].claimable)
        elapsed = end.block.timestamp - start.block.timestamp
        accrued = got * 2.0 / whole * SECONDS_PER_YEAR / elapsed
        assert abs(predicted - accrued) * 1e4 <= 0.1, (whole, predicted, accrued)
        assert accrued > 0.005
        await chain.node.request("evm_revert", [put_back])


def _free(state: MarketState) -> tuple:  # type: ignore[type-arg]
    """As if a claim cost nothing: what accrues does not know of gas."""
    return tuple(replace(reward, claim_cost=0.0) for reward in state.rewards)


async def test_a_reward_that_ends_counts_until_then(paying: tuple[Accuracy, Incentives]) -> None:
    """Aave's ends after 90 days: 20 days before that, a horizon of 30 counts two thirds of it."""
    chain, found = paying
    await chain.wait(70 * DAY - 1000)
    await chain.history()
    state = await seen(chain, "Aave v3")
    (reward,) = state.rewards
    assert reward.ends_at == found.ends_at
    whole = replace(state, rewards=(replace(reward, ends_at=None),))
    share = (found.ends_at - state.block.timestamp) / DAYS_30
    assert 0.5 < share < 0.7
    free = replace(state, rewards=_free(state))
    endless = replace(whole, rewards=_free(whole))
    assert reward_apr(free, 1e4, POLICY) == pytest.approx(reward_apr(endless, 1e4, POLICY) * share)
    await chain.wait(21 * DAY)
    await chain.history()
    over = await seen(chain, "Aave v3")
    assert curve_of(over, POLICY) is over.curve  # nothing runs: the curve is the market's own again


async def test_rewards_stay_out_of_the_base_rate(paying: tuple[Accuracy, Incentives]) -> None:
    chain, _ = paying
    await chain.history()
    state = await seen(chain, "Aave v3")
    bare = next(m for m in await Accuracy(chain.node, chain.job, chain.adapters).markets() if m.name == "Aave v3")
    plain = await chain.state(replace(bare, params={k: v for k, v in bare.params.items() if "rewards" not in k}))
    assert plain.rewards == () and plain.quoted == state.quoted
    assert plain.curve.apr(1e5, DAYS_30) == state.curve.apr(1e5, DAYS_30)
    both = curve_of(state, POLICY).apr(1e5, DAYS_30)
    assert both == pytest.approx(state.curve.apr(1e5, DAYS_30) + reward_apr(state, 1e5, POLICY))
    assert both > plain.quoted.value


async def test_a_reward_without_a_feed_counts_nothing(paying: tuple[Accuracy, Incentives]) -> None:
    chain, found = paying
    await chain.history()
    feeds = {token: feed for token, feed in chain.job.chain.feeds.items() if token != found.token.address}
    job = replace(chain.job, chain=replace(chain.job.chain, feeds=feeds))
    for name in PAYING:
        state = await seen(Accuracy(chain.node, job, chain.adapters), name)
        assert state.rewards[0].price is None and "rewards-not-priced" in state.flags
        assert curve_of(state, POLICY) == sustainable_curve(state, POLICY) and value(state.rewards[0], POLICY) == 0.0


async def test_a_controller_that_is_none_spoils_no_market(paying: tuple[Accuracy, Incentives]) -> None:
    chain, found = paying
    await chain.history()
    wrong = {"aave_v3": {"rewards_controller": found.token.address}, "compound_v3": {"rewards": found.token.address}}
    deployments = tuple(
        replace(d, params={**d.params, **wrong.get(d.protocol, {})}) for d in chain.job.chain.deployments
    )
    job = replace(chain.job, chain=replace(chain.job.chain, deployments=deployments))
    for name in PAYING:
        state = await seen(Accuracy(chain.node, job, chain.adapters), name)
        assert state.rewards == () and "rewards-not-read" in state.flags and state.supplied.raw > 0


async def test_rewards_take_no_further_round(paying: tuple[Accuracy, Incentives]) -> None:
    chain, _ = paying
    await chain.history()
    node, block = chain.node, await chain.node.block()
    start = node.round_trips
    lists = await node.run([chain.adapters[d.protocol].discover(d) for d in chain.job.chain.deployments], block)
    markets = [m for found in lists if isinstance(found, tuple) for m in found]
    states = await node.run([chain.adapters[m.protocol].observe(m, chain.owner, block) for m in markets], block)
    assert sum(len(s.rewards) for s in states if isinstance(s, MarketState)) == 2
    assert node.round_trips - start <= 5  # two to discover, one to observe, two for the blocks looked back to, at once
