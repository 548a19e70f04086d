"""A real Aave v3.0 pool (@aave/core-v3, whose lending code Spark's is) with debt at stable rates, read and used by the
aave_v3 adapter: what every adapter must do, and our integers against the pool's own, to the unit."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from tests.bench.accuracy import DAY, DAYS_30, Accuracy, rows
from tests.conformance import test_adapters as suite
from yieldbot.config.load import load
from yieldbot.errors import MarketError, NodeRefused
from yieldbot.math.aave_v30 import OldReserveIndices
from yieldbot.model.market import Market, Status
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.aave_v3 import Reserve, is_old, reserve, reserve_reads
from yieldbot.sandbox.evm.aave_v30 import OldPool, deploy_old_pool
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.protocols import sandbox_protocol

NEEDS: tuple[str, ...] = ()
PROTOCOL = "aave_v3"
DAYS_17 = 17 * DAY + 4321
RATES_CHECKED = 0.0001  # bp


@pytest.fixture(scope="module")
def old_pool(own_sandbox: Sandbox) -> Iterator[OldPool]:
    async def deployed() -> OldPool:
        async with own_sandbox.node() as node:
            return await deploy_old_pool(node, own_sandbox)

    yield asyncio.run(deployed())


@pytest.fixture
async def chain(own_sandbox: Sandbox, old_pool: OldPool) -> AsyncIterator[Accuracy]:
    """Our funded wallet on the sandbox, with this pool for all that there is."""
    (job,) = load(own_sandbox.config).jobs
    alone = replace(job, chain=replace(job.chain, deployments=(old_pool.deployment(job),)))
    async with own_sandbox.node() as node:
        old_pool.d.node = node
        snapshot = await node.request("evm_snapshot", [])
        yield Accuracy(node, alone, adapters())
        await node.request("evm_revert", [snapshot])


async def the_market(chain: Accuracy) -> Market:
    (market,) = await chain.markets()
    assert is_old(market.params)
    return market


async def stored(chain: Accuracy, market: Market, at: int | None = None) -> Reserve:
    """The reserve as it stands at the newest block, accrued to ``at`` or to that block's time."""
    block = await chain.node.block()
    reads = reserve_reads(market.params, market.asset.address)
    answers = [await chain.node.call(r.to, r.data, block) for r in reads]
    return reserve(market.params, answers, at or block.timestamp)


async def total(chain: Accuracy, token: str) -> int:
    return int.from_bytes(await chain.node.call(Contract(token, []).address, bytes.fromhex("18160ddd")), "big")


async def test_states_are_whole(chain: Accuracy) -> None:
    await suite.test_states_are_whole(chain, PROTOCOL)
    found = (await stored(chain, await the_market(chain))).indices
    assert isinstance(found, OldReserveIndices)
    assert 0 < found.stable_debt_raw < found.variable_debt_raw and found.stable_updated < found.updated + 1


async def test_deposit_then_withdraw_all(chain: Accuracy) -> None:
    await suite.test_deposit_then_withdraw_all(chain, PROTOCOL)


async def test_a_part_can_be_withdrawn(chain: Accuracy) -> None:
    await suite.test_a_part_can_be_withdrawn(chain, PROTOCOL)


async def test_capacity_is_what_the_market_takes(chain: Accuracy) -> None:
    await suite.test_capacity_is_what_the_market_takes(chain, PROTOCOL)


async def test_few_rounds(chain: Accuracy) -> None:
    await suite.test_few_rounds(chain, PROTOCOL)


@pytest.mark.parametrize(
    ("function", "status", "words"),
    [
        ("setReserveFreeze", Status.FROZEN, "RESERVE_FROZEN (28)"),
        ("setReservePause", Status.PAUSED, "RESERVE_PAUSED (29)"),
    ],
)
async def test_a_closed_market_says_why(
    chain: Accuracy, old_pool: OldPool, function: str, status: Status, words: str
) -> None:
    market = await the_market(chain)
    await old_pool.d.send(old_pool.configurator, function, market.asset.address, True)
    state = await chain.state(market)
    assert state.status is status and str(status) in state.flags
    await suite.test_a_closed_market_takes_nothing_and_says_why(chain, PROTOCOL)
    (call,) = chain.adapters[PROTOCOL].deposit(state, market.asset.amount(10**6), chain.owner)
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=chain.owner)
    assert chain.adapters[PROTOCOL].explain_revert(refused.value.data) == words


async def test_totals_after_days_untouched(chain: Accuracy) -> None:
    await chain.wait(DAYS_17)
    market = await the_market(chain)
    found = (await stored(chain, market)).indices
    assert isinstance(found, OldReserveIndices)
    assert found.supplied_raw == await total(chain, market.params["a_token"])
    assert found.variable_debt_raw == await total(chain, market.params["debt_token"])
    assert found.stable_debt_raw == await total(chain, market.params["stable_debt_token"])


async def test_it_stores_what_we_computed(chain: Accuracy) -> None:
    """Indices and unminted fees, accrued to a transaction's second, are what that transaction then stores."""
    market = await the_market(chain)
    for wait in (DAYS_17, 1, DAY):
        await chain.wait(wait)
        block = await chain.node.block()
        reads = reserve_reads(market.params, market.asset.address)
        answers = [await chain.node.call(r.to, r.data, block) for r in reads]
        await chain.deposit(market, 10**6, chain.owner)
        theirs = (await stored(chain, market)).indices
        ours = reserve(market.params, answers, theirs.updated).indices
        assert theirs.updated >= block.timestamp
        assert ours.liquidity_index_ray == theirs.liquidity_index_ray > 10**27
        assert ours.borrow_index_ray == theirs.borrow_index_ray > 10**27
        assert ours.scaled_treasury_raw == theirs.scaled_treasury_raw > 0
        assert ours.debt_raw == theirs.debt_raw


async def test_what_is_held_after_thirty_days_to_the_unit(chain: Accuracy) -> None:
    """After our deposit the pool is left alone: its stored rate says today what our balance is then."""
    market = await the_market(chain)
    await chain.deposit(market, 123_456_789_012, chain.owner)
    block = await chain.node.block()
    then = block.timestamp + DAYS_30
    before, later = await stored(chain, market), await stored(chain, market, then)
    scaled_raw = await chain.node.call(market.params["a_token"], bytes.fromhex("1da24f3e") + _word(chain.owner), block)
    predicted = (int.from_bytes(scaled_raw, "big") * later.indices.liquidity_index_ray + 5 * 10**26) // 10**27
    await chain.node.request("evm_setNextBlockTimestamp", [hex(then)])
    await chain.node.request("evm_mine", [])
    state = await chain.state(market)
    assert state.block.timestamp == then
    assert state.held.raw == predicted > 123_456_789_012
    assert later.indices.debt_raw > before.indices.debt_raw


async def test_predicted_growth_is_what_the_chain_pays(chain: Accuracy) -> None:
    """The rate after our own deposit, as predicted before it: utilisations on both sides of the kink."""
    draws = await chain.run([10**9, 50 * 10**9], random_draws=8)
    assert len(draws) >= 8  # of ten: two are above the cap
    assert min(draw.utilisation_before for draw in draws) < 0.85
    assert max(draw.utilisation_before for draw in draws) > 0.92
    print("worst error in bp of APY:", max(abs(draw.error_bp) for draw in draws))
    assert (
        rows([draw for draw in draws if abs(draw.error_bp) > sandbox_protocol(PROTOCOL).tolerance_bp[PROTOCOL]]) == []
    )


async def test_the_curve_without_a_deposit_is_the_stored_rate(chain: Accuracy) -> None:
    """Right after a transaction the curve at what we hold is the pool's own rate."""
    market = await the_market(chain)
    await chain.deposit(market, 10**9, chain.owner)
    state = await chain.state(market)
    assert abs(state.curve.apr(float(state.held), 0) - state.quoted.value) * 1e4 < RATES_CHECKED


async def test_cash_that_is_not_there_is_doubted(chain: Accuracy) -> None:
    """The aToken's balance falls short of what suppliers are owed: no new money, with both numbers."""
    market = await the_market(chain)
    a_token = market.params["a_token"]
    await chain.node.request("anvil_impersonateAccount", [a_token])
    await chain.node.request("anvil_setBalance", [a_token, hex(10**18)])
    taken = bytes.fromhex("a9059cbb") + _word(chain.owner) + (10**12).to_bytes(32, "big")
    await chain.send(market.asset.address, taken, a_token)
    state = await chain.state(market)
    (doubt,) = state.doubts
    assert "suppliers are owed" in doubt and doubt in state.flags


async def test_a_strategy_of_neither_kind_is_an_error(chain: Accuracy, old_pool: OldPool) -> None:
    market = await the_market(chain)
    strange = old_pool.data_provider.address
    await old_pool.d.send(old_pool.configurator, "setReserveInterestRateStrategyAddress", market.asset.address, strange)
    block = await chain.node.block()
    deployment = chain.job.chain.deployments[0]
    (found,) = await chain.node.run([chain.adapters[PROTOCOL].discover(deployment)], block)
    assert isinstance(found, MarketError) and "neither as Aave v3's of today nor as v3.0's" in str(found)


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])
