"""Assets that grow by themselves (staked ether): what they earn counts wherever they lie, and for swaps into them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.kit.allocator.several import DAI, LOW, in_dai, planned, pool, seen, solved
from tests.kit.market_builder import BLOCK, CHAIN, market
from yieldbot.allocator.assess import assess
from yieldbot.app.market_documents import markets_of
from yieldbot.chains.evm.check_feeds import growths
from yieldbot.chains.evm.growth import CALLS, LEAST_SECONDS, token_growth
from yieldbot.chains.findings import Steps
from yieldbot.chains.growths import Grown
from yieldbot.config.chain_schema import GrowthTable
from yieldbot.errors import MarketError
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import ChainSettings, GrowthSource
from yieldbot.model.units import SECONDS_PER_YEAR

DEEP = (pool(5_000),)
TWO, SIX = in_dai(market("two", ConstantCurve(0.02))), market("six", ConstantCurve(0.06))


def growing(rate: float, view: Snapshot) -> Snapshot:
    return replace(view, growth={DAI: rate})


def test_money_is_swapped_into_a_token_that_grows_though_no_market_takes_it() -> None:
    plan = planned(growing(0.08, seen(100_000, 0, LOW, pools=DEEP)))
    assert isinstance(plan, Plan) and [leg.kind for leg in plan.legs] == [LegKind.SWAP]
    assert plan.gain_per_year == pytest.approx(8_000, rel=0.01)
    (move,) = plan.moves
    assert "Wallet pays 8.30 % APY" in move.reason and move.break_even_days is not None
    proof = plan.allocation.certificate
    assert plan.allocation.income_per_year == pytest.approx(8_000, rel=0.01) and proof.gap_bps < 0.1


def test_a_tokens_growth_decides_between_assets_and_not_between_its_markets() -> None:
    """2 % on a token that grows by 5 % beats 6 %; without the growth it does not."""
    fresh = seen(100_000, 0, SIX, TWO, pools=DEEP)
    grown, still = solved(growing(0.05, fresh)), solved(fresh)
    assert float(grown.targets[TWO.market.id]) > 99_000 and not grown.targets[SIX.market.id]
    assert not still.targets[TWO.market.id] and float(still.targets[SIX.market.id]) == 100_000
    other = in_dai(market("three", ConstantCurve(0.03)))
    within = solved(growing(0.5, seen(0, 100_000, TWO, other, pools=DEEP)))
    assert float(within.targets[other.market.id]) > 99_000, "the better of its own markets, whatever it grows by"


def test_what_is_held_earns_its_growth_and_stays() -> None:
    kept = planned(growing(0.08, seen(0, 100_000, LOW, pools=DEEP)))
    assert isinstance(kept, Hold) and kept.allocation is not None
    assert kept.allocation.income_per_year == pytest.approx(8_000)
    assert kept.allocation.certificate.objective == pytest.approx(8_000)
    assert isinstance(planned(growing(-0.02, seen(0, 100_000, LOW, pools=DEEP))), Plan), "what shrinks is left"


def test_the_list_of_markets_shows_it_apart_and_in_the_total() -> None:
    view, policy = growing(0.05, seen(100_000, 0, SIX, TWO, pools=DEEP)), Policy()
    one, other = markets_of(view, assess(view, policy), None, Amount(SIX.market.asset, 10**9), 30 * 86_400.0, policy)
    assert one.asset_growth == 0.0 and one.total_apy_after_deposit == one.apy_after_deposit
    assert other.asset_growth == 0.05 and other.apy_after_deposit is not None
    assert other.total_apy_after_deposit == pytest.approx(other.apy_after_deposit + 0.05)


SOURCE = GrowthSource(Address("0x" + "44" * 20), "stEthPerToken", 50_400)
WEEK = 7 * 86_400


def answered(now: int, before: int | None, seconds: int) -> float | None:
    flow: Generator[Any, Any, Grown] = token_growth(SOURCE, BLOCK)
    reads = next(flow)
    assert [(read.to, read.data, read.lag_blocks) for read in reads[:2]] == [
        (SOURCE.contract, CALLS["stEthPerToken"], 0),
        (SOURCE.contract, CALLS["stEthPerToken"], 50_400),
    ]
    assert reads[2].to == MULTICALL3 and reads[2].lag_blocks == 50_400
    with pytest.raises(StopIteration) as done:
        earlier = b"" if before is None else before.to_bytes(32, "big")
        flow.send([now.to_bytes(32, "big"), earlier, (BLOCK.timestamp - seconds).to_bytes(32, "big")])
    assert done.value.value.worth == float(now)
    found: float | None = done.value.value.growth
    return found


def test_growth_is_that_of_the_tokens_own_contract_and_an_impossible_one_is_refused() -> None:
    before = 1_210_000_000_000_000_000
    now = before + before * 3 * WEEK // (100 * SECONDS_PER_YEAR)
    assert answered(now, before, WEEK) == pytest.approx(0.03)
    assert answered(before - before // 1000, before, WEEK) == pytest.approx(-0.0521, abs=0.001), "a slashing"
    assert answered(now, None, WEEK) is None, "a node without the earlier block"
    for wrong in ((2 * before, before, WEEK), (before, 0, WEEK), (0, before, WEEK), (now, before, LEAST_SECONDS - 1)):
        with pytest.raises(MarketError):
            answered(*wrong)


async def test_check_says_how_each_staked_token_grows() -> None:
    """A node that answers as drawn, for one token of a chain's file."""

    class Drawn:
        def __init__(self, read: Grown | MarketError) -> None:
            self.read = read

        async def run(self, flows: list[Generator[Any, Any, Grown]], block: BlockRef) -> list[Grown | MarketError]:
            return [self.read]

    async def answers() -> None: ...

    chain = cast(ChainSettings, SimpleNamespace(name="base", tokens={"DAI": DAI}, growths={DAI.address: SOURCE}))
    said = []
    for read in (Grown(1.2, 0.0291), Grown(1.2, None), MarketError("0x44…: getRate of 60 s ago is no rate")):
        steps = Steps("base", "BASE_RPC_URL", answers)
        await growths(steps, cast(Any, Drawn(read)), chain, BLOCK)
        said += steps.found
    assert [one.what for one in said] == ["base growth of DAI"] * 3
    assert said[0].result == f"2.91% a year by {SOURCE.contract}" and "no state of 50,400 blocks ago" in said[1].result
    assert "is no rate" in said[2].result and "correct tokens.DAI.growth in chains/base.toml" in said[2].remedy


def test_each_call_of_a_chains_file_is_known() -> None:
    known = set(GrowthTable.model_fields["call"].annotation.__args__)  # type: ignore[union-attr]
    assert known == CALLS.keys() and CHAIN
