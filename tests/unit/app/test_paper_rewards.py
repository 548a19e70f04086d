"""Rewards of a paper wallet: accrued, claimed, sold by the quotes of pools, and in the ledger once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.app.paper_records import records_of
from yieldbot.app.paper_state import PaperState, read, written
from yieldbot.app.paper_step import Begins, decided, first, grown
from yieldbot.backtest.paper import as_held
from yieldbot.backtest.venue import FlatVenue
from yieldbot.decision.decide import decide
from yieldbot.journal.unsold_rewards import unsold
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.policy import Base
from yieldbot.model.rewards import Reward
from yieldbot.model.settings import ChainSettings, Job, Wallet

DAY = 86_400
COMP = Token(CHAIN, Address("0x" + "5" * 40), "COMP", 18)
POOL = Pool("recorded", "a pool", OWNER, USDC, COMP, {"router": "r", "id": "p"})
JOB = Job(
    wallet=Wallet(name="w", address=OWNER),
    chain=ChainSettings(
        name="base", chain=CHAIN, rpc_env="", rpc_urls=(), multicall3=OWNER, native_symbol="ETH", native_feed=None,
        feeds={}, tokens={"USDC": USDC, "COMP": COMP}, deployments=(), max_fee_gwei=1e9,
    ),
    asset=USDC,
    sale=Base(unit="USD", shares={}, max_impact_bps=100.0),
)  # fmt: skip
ONE = MarketId("lend/1/one")


class Priced(FlatVenue):
    """10 bp below the feeds: one COMP for 50 USDC."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        return int(taken / 10**12 * 50 * 0.999), 0


def at(day: float, comp: float = 50.0) -> Snapshot:
    """The market after so many days; it pays a hundred COMP a day to a hundred times our money."""
    block = replace(BLOCK, height=BLOCK.height + round(day * 10), timestamp=BLOCK.timestamp + round(day * DAY))
    reward = Reward(
        token=COMP, claimable=Amount(COMP, 0), in_wallet=Amount(COMP, 7 * COMP.one), raw_per_second=100e18 / DAY,
        ends_at=None, others=990_000.0, distributor=OWNER, gas=1, price=comp,
    )  # fmt: skip
    one = market("one", kinked(1e6, 8e5), borrowed=8e5, liquidity=2e5)
    one = replace(one, index=1.0, block=block, rewards=(reward,))
    usd = {USDC: Price(1.0, block.timestamp), COMP: Price(comp, block.timestamp)}
    venue = Priced(0.0)
    exchange = Exchange((PoolState(POOL, venue, venue),), usd, ((POOL, 1.0 / comp),))
    return replace(snapshot(0.0, one, gwei=0.01), block=block, exchange=exchange)


def step(before: PaperState | None, real: Snapshot, sale: bool = True) -> tuple[PaperState, Plan | Hold]:
    policy, job = loose(min_claim="20"), JOB if sale else replace(JOB, sale=None)
    begins = Begins(wealth="10000", amount=usdc(10_000))
    now = first(begins, job, str(OWNER), real) if before is None else grown(before, real, {})
    seen = as_held(real, now.holdings, now.rewards, now.visited)
    own = records_of((), before, real.block, OWNER, policy)
    outcome = decide(seen, policy, job, real.block.timestamp, records=own).outcome
    state = decided(now, seen, real, outcome, policy, "held").state
    sums = state.totals
    parts = 10_000 + sums.earned + sums.repriced + sums.rewards - sums.gas - sums.swapped - sums.entered
    assert state.value == pytest.approx(parts, abs=1e-9) and read(written(state), str(CHAIN)) == state
    return state, outcome


def kinds(outcome: Plan | Hold) -> list[LegKind]:
    return [leg.kind for leg in outcome.legs] if isinstance(outcome, Plan) else []


def test_rewards_are_claimed_and_sold_as_a_run_would() -> None:
    state, _ = step(None, at(0))
    state, outcome = step(state, at(1))
    assert kinds(outcome) == [LegKind.CLAIM] and state.rewards == {}
    (claimed,) = state.holdings.rewards.values()
    assert claimed == pytest.approx(1e18, rel=1e-9), "a hundredth of what the market pays in a day"
    assert state.totals.rewards == state.unsold == pytest.approx(50.0) and state.totals.sold == 0.0
    own = records_of((), state, at(1).block, OWNER, loose())
    assert unsold(own, CHAIN, OWNER) == {COMP: claimed}, "the real wallet's own seven are none of ours"

    state, outcome = step(state, at(1.1, comp=50.0))
    assert kinds(outcome) == [LegKind.SWAP] and state.unsold == 0.0 and state.holdings.rewards == {}
    assert state.totals.sold == pytest.approx(50 * 0.999, abs=1e-5), "by the pool's quote, not by the minimum out"
    assert state.totals.swapped == pytest.approx(0.05, abs=1e-5) and state.totals.gas > 0.0
    assert state.idle == pytest.approx(50 * 0.999, abs=1e-5)
    _, outcome = step(state, at(1.2))
    assert LegKind.SWAP not in kinds(outcome)


def test_what_is_kept_is_worth_what_the_feeds_say() -> None:
    state, _ = step(None, at(0))
    state, _ = step(state, at(1), sale=False)
    kept, outcome = step(state, at(1.01, comp=40.0), sale=False)
    assert kinds(outcome) == [] and kept.unsold == pytest.approx(40.0)
    assert kept.totals.repriced == pytest.approx(-10.0) and kept.totals.rewards == pytest.approx(50.0)
    silent = at(1.02)
    assert silent.exchange is not None
    usd = {USDC: silent.exchange.usd[USDC]}
    silent = replace(silent, exchange=replace(silent.exchange, usd=usd))
    assert grown(kept, silent, {}).unsold == pytest.approx(40.0), "the last price that was known"


def test_a_ledger_of_an_older_release_keeps_its_claimed_rewards() -> None:
    state, _ = step(None, at(0))
    content = written(replace(state, totals=replace(state.totals, rewards=12.5)))
    for name in ("kept", "reward_tokens", "liquidity"):
        del content[name]
    for name in ("fees", "sold"):
        del content["totals"][name]
    old = read(content, str(CHAIN))
    assert old.kept == old.unsold == 12.5 and old.value == pytest.approx(state.value + 12.5)
    assert read(written(old), str(CHAIN)) == old
