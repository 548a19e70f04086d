"""What every adapter must do, tried on real protocols. A new adapter is picked up by being in the package; its protocol
must be deployed by the sandbox (yieldbot/sandbox/evm/protocols)."""

from dataclasses import replace

import pytest

from tests.bench.accuracy import Accuracy
from tests.kit.evm.conformance import PROTOCOLS, STRANGER, check_calls, claimed, markets_of
from yieldbot.chains.readings import listed_markets, row_by_row
from yieldbot.errors import MarketError, NodeRefused
from yieldbot.model.deployment import Deployment
from yieldbot.model.market import ExitKind, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

NONSENSE = "0x0000000000000000000000000000000000bAd001"
ONES = "7f" + 32 * "ff"
EVERYTHING = f"0x{''.join(ONES + f'60{32 * place:02x}52' for place in range(8))}6101006000f3"
"""Code that answers each call with 256 bytes of ones."""
AMOUNT_RAW = 5_000 * 10**6
DAY = 86_400
DEEPER = {"aave_v4": 1, "morpho_vault_v2": 2, "silo": 1}
"""More rounds that discovery takes where contracts name contracts that name others: a Vault V2 its adapters, these
their markets or a MetaMorpho vault, and that its own; a silo its pair's terms, these the other silo; a hub of
Aave v4 its spokes, these their oracles."""


async def balance_raw(chain: Accuracy) -> int:
    data = bytes.fromhex("70a08231") + bytes(12) + bytes.fromhex(chain.owner[2:])
    return int.from_bytes(await chain.node.call(chain.job.asset.address, data), "big")


def seconds_of_interest_raw(state: MarketState, seconds: int = 60) -> int:
    """What a holding may grow by between two blocks, and two units of rounding."""
    return int(state.held.raw * abs(state.quoted.value) * seconds / SECONDS_PER_YEAR) + 2


def sale_cost_raw(state: MarketState, raw: int) -> int:
    """What a deposit into shares that are bought and sold at a price is worth less than what went in; else 0."""
    return 0 if state.prices is None else int(raw * state.prices.cost_bps(raw) / BPS) + 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_states_are_whole(chain: Accuracy, protocol: str) -> None:
    await chain.history()
    for market in await markets_of(chain, protocol):
        state = await chain.state(market)
        assert market.id == market.id.lower() and market.id.startswith(f"{protocol}/31337/")
        assert (state.held.raw, state.shares) == (0, 0)
        assert 0 < state.liquidity.raw <= state.supplied.raw + 10**6
        assert state.borrowed is None or 0 < state.borrowed.raw <= state.supplied.raw
        assert state.cash is not None and state.exit.kind in (ExitKind.INSTANT, ExitKind.REQUEST, ExitKind.MATURITY)
        assert (state.exit.kind is ExitKind.MATURITY) <= (state.prices is not None)
        assert state.pools and state.gas_deposit > 21_000 and state.gas_withdraw > 21_000
        most = 1e9 if state.capacity is None else float(state.capacity)
        assert state.curve.apr(0.0, DAY) >= state.curve.apr(most, DAY) >= 0.0
        assert state.quoted.value > 0
        assert ("above-kink" in state.flags) <= (state.borrowed is not None)
        if state.status is not Status.ACTIVE:
            assert str(state.status) in state.flags


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_deposit_then_withdraw_all(chain: Accuracy, protocol: str) -> None:
    """What goes in is held, earns over twenty untouched days, and comes out whole; nothing is left behind."""
    await chain.history()
    adapter = chain.adapters[protocol]
    tried = 0
    for market in await markets_of(chain, protocol):
        empty = await chain.state(market)
        if empty.status is not Status.ACTIVE or (empty.capacity is not None and empty.capacity.raw < AMOUNT_RAW):
            continue
        tried += 1
        calls = adapter.deposit(empty, market.asset.amount(AMOUNT_RAW), chain.owner)
        check_calls(chain, market, calls, AMOUNT_RAW)
        before = await balance_raw(chain)
        await chain.do(calls, chain.owner)
        assert before - await balance_raw(chain) == AMOUNT_RAW
        waited = await claimed(chain, market)
        held = await chain.state(market)
        earned_raw = seconds_of_interest_raw(held, waited) if waited else 0
        assert AMOUNT_RAW - 2 - sale_cost_raw(empty, AMOUNT_RAW) <= held.held.raw <= AMOUNT_RAW + earned_raw
        await chain.wait(20 * DAY)
        await chain.history()
        grown = await chain.state(market)
        assert grown.held.raw > held.held.raw
        calls = adapter.withdraw(grown, None, chain.owner)
        check_calls(chain, market, calls, None)
        if grown.exit.kind is ExitKind.REQUEST:  # what is paid for it is a test of the adapter's own
            await chain.do(calls, chain.owner)
            asked = await chain.state(market)
            assert asked.shares == 0 and asked.leaving is not None and asked.held.raw >= grown.held.raw - 1
            continue
        assert "all" in calls[0].description
        assert all(call.allowance is None for call in calls) or grown.prices is not None  # shares that are sold
        before = await balance_raw(chain)
        await chain.do(calls, chain.owner)
        paid = await balance_raw(chain) - before
        assert grown.held.raw - 1 <= paid <= grown.held.raw + seconds_of_interest_raw(grown)
        left = await chain.state(market)
        assert (left.held.raw, left.shares) == (0, 0)
    assert tried, f"no market of {protocol} in the sandbox takes {AMOUNT_RAW}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_part_can_be_withdrawn(chain: Accuracy, protocol: str) -> None:
    await chain.history()
    adapter, part_raw = chain.adapters[protocol], 1_234_567_891
    for market in await markets_of(chain, protocol):
        empty = state = await chain.state(market)
        if state.status is not Status.ACTIVE or (state.capacity is not None and state.capacity.raw < AMOUNT_RAW):
            continue
        await chain.do(adapter.deposit(state, market.asset.amount(AMOUNT_RAW), chain.owner), chain.owner)
        await claimed(chain, market)
        state, before = await chain.state(market), await balance_raw(chain)
        calls = adapter.withdraw(state, market.asset.amount(part_raw), chain.owner)
        check_calls(chain, market, calls, None if state.exit.kind is ExitKind.REQUEST else part_raw)
        await chain.do(calls, chain.owner)
        if state.exit.kind is ExitKind.REQUEST:
            asked = await chain.state(market)
            assert asked.leaving is not None and abs(asked.leaving.requested.raw - part_raw) <= 2
            continue
        paid = await balance_raw(chain) - before
        assert paid == part_raw or (state.prices is not None and part_raw < paid <= part_raw + 2)
        rest = AMOUNT_RAW - part_raw - sale_cost_raw(empty, AMOUNT_RAW)
        assert (
            rest - 4 <= (await chain.state(market)).held.raw <= AMOUNT_RAW - part_raw + seconds_of_interest_raw(state)
        )


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_capacity_is_what_the_market_takes(chain: Accuracy, protocol: str) -> None:
    """Exactly the capacity goes in, even after the pool lay untouched; well beyond it the protocol refuses."""
    await chain.wait(15 * DAY)
    await chain.history()
    adapter = chain.adapters[protocol]
    for market in await markets_of(chain, protocol):
        state = await chain.state(market)
        if state.capacity is None or state.status is not Status.ACTIVE:
            continue
        if state.capacity:
            await chain.fund(chain.owner, state.capacity.raw)
            await chain.do(adapter.deposit(state, state.capacity, chain.owner), chain.owner)
        full = await chain.state(market)
        assert full.capacity is not None and full.capacity.raw <= full.supplied.raw // 10_000
        assert "at-cap" in full.flags
        beyond = market.asset.amount((full.supplied.raw + 50) // 100)
        await chain.fund(chain.owner, beyond.raw)
        (call,) = adapter.deposit(full, beyond, chain.owner)
        with pytest.raises(AssertionError):
            await chain.do((call,), chain.owner)
        with pytest.raises(NodeRefused) as refused:
            await chain.node.call(call.to, call.data, sender=chain.owner)
        words = adapter.explain_revert(refused.value.data)
        assert words is not None and any(word in words.lower() for word in ("cap", "max", "limit"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_closed_market_takes_nothing_and_says_why(chain: Accuracy, protocol: str) -> None:
    adapter = chain.adapters[protocol]
    await chain.history()
    for market in await markets_of(chain, protocol):
        state = await chain.state(market)
        if state.status is Status.ACTIVE:
            continue
        (call,) = adapter.deposit(state, market.asset.amount(AMOUNT_RAW), chain.owner)
        assert call.allowance is not None
        with pytest.raises(AssertionError):
            await chain.do((call,), chain.owner)
        with pytest.raises(NodeRefused) as refused:
            await chain.node.call(call.to, call.data, sender=chain.owner)
        assert adapter.explain_revert(refused.value.data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_few_rounds(chain: Accuracy, protocol: str) -> None:
    """Discovery in at most two rounds (DEEPER: more), observation in one (where it looks back: two more requests,
    at once)."""
    await chain.history()
    adapter, node = chain.adapters[protocol], chain.node
    for deployment in (d for d in chain.job.chain.deployments if d.protocol == protocol):
        block, start = await node.block(), node.round_trips
        (found,) = await node.run([adapter.discover(deployment)], block)
        assert node.round_trips - start <= 2 + DEEPER.get(protocol, 0)
        assert not isinstance(found, MarketError)
        start = node.round_trips
        await node.run([adapter.observe(market, chain.owner, block) for market in found], block)
        assert node.round_trips - start <= 1 + 2 * ("lookback_blocks" in found[0].params)


async def test_a_whole_snapshot_takes_three_rounds(chain: Accuracy) -> None:
    await chain.history()
    node, deployments = chain.node, chain.job.chain.deployments
    block, start = await node.block(), node.round_trips
    found = await node.run([chain.adapters[d.protocol].discover(d) for d in deployments], block)
    markets = [market for part in found if not isinstance(part, MarketError) for market in part]
    states = await node.run([chain.adapters[m.protocol].observe(m, chain.owner, block) for m in markets], block)
    assert all(isinstance(state, MarketState) for state in states) and len(states) >= 9
    # Two to discover, one to observe, two for the blocks looked back to, at once.
    assert node.round_trips - start <= 5 + max(DEEPER.values())


async def test_the_wallet_is_a_market(chain: Accuracy) -> None:
    idle, asset = chain.adapters["idle"], chain.job.asset
    block = await chain.node.block()
    deployment = Deployment("idle", chain.job.chain.chain, "Wallet", {}, (asset,))
    (found,) = await chain.node.run([idle.discover(deployment)], block)
    assert not isinstance(found, MarketError)
    (market,) = found
    state = await chain.state(market)
    assert market.kind is Kind.IDLE and state.held.raw == await balance_raw(chain) == state.withdrawable.raw
    assert idle.deposit(state, asset.amount(1), chain.owner) == idle.withdraw(state, None, chain.owner) == ()


@pytest.mark.parametrize("bad", ["no code", "another interface", "nonsense"])
async def test_a_wrong_address_loses_its_own_market_and_no_other(chain: Accuracy, bad: str) -> None:
    """In every table that lists addresses: the wrong one is quarantined under the id that its market would have."""
    node, job = chain.node, chain.job
    await node.request("anvil_setCode", [NONSENSE, EVERYTHING])
    wrong = {"no code": STRANGER, "another interface": str(job.asset.address), "nonsense": NONSENSE}[bad]
    block, tables = await node.block(), {}
    for table in job.chain.deployments:
        keys = [key for key, value in table.params.items() if isinstance(value, list | tuple)]
        for key in keys:
            entry = wrong if len(table.params[key][0]) == len(wrong) else f"0x{'ab' * 32}"  # ids of Morpho's markets
            longer = replace(table, params={**table.params, key: [entry, *table.params[key]]})
            tables[table.name] = (table, longer, f"{table.protocol}/{job.chain.chain.split(':')[1]}/{entry.lower()}")

    def discover(table: Deployment) -> Flow[tuple[Market, ...]]:
        return chain.adapters[table.protocol].discover(table)

    both = [one for usual, longer, _ in tables.values() for one in (usual, longer)]
    found = list(zip(both, await node.run([discover(one) for one in both], block), strict=True))
    for (_, usual), listed, (_, _, wanted) in zip(found[::2], found[1::2], tables.values(), strict=True):
        assert isinstance(usual, tuple)
        markets, quarantined = listed_markets(await row_by_row(node, [listed], discover, block), job)
        lost = {one.market.id for one in quarantined} | {one.id for one in markets if "unfit" in one.params}
        assert lost <= {wanted}, (wanted, quarantined)
        ours = {one.id for one in usual if one.asset in job.assets}
        assert {one.id for one in markets} - {wanted} == ours, wanted
        refused = [one for one in markets if one.id == wanted]
        for state in await node.run(
            [chain.adapters[one.protocol].observe(one, chain.owner, block) for one in refused], block
        ):
            assert isinstance(state, MarketError), wanted
    assert len({table.protocol for table, _, _ in tables.values()}) >= 12
