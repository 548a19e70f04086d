"""No new money enters a market that a veto names, in any way: random snapshots of several assets, in which every kind
of veto falls on random markets, through runs, plans, what-ifs, approvals, exits, paper wallets and backtests.

The tests with programs on both sandboxes are tests/evm/test_vetoed_commands.py and
tests/solana/test_vetoed_commands.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.kit.draws import draws
from tests.kit.market_builder import OWNER
from tests.kit.policies import loose
from tests.property.several import TOKENS, case_of
from tests.unit.backtest.recorded import world
from yieldbot.allocator.assess import assess
from yieldbot.app.paper_step import Begins, decided, first
from yieldbot.backtest import replay as replayed
from yieldbot.decision.decide import decide, decide_exits
from yieldbot.decision.holds import still_holds
from yieldbot.decision.orders import with_orders
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.journal.fold import Record
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState, Snapshot, Status
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act, Alarm, Grade
from yieldbot.model.settings import Job

NOW = 1_700_000_000
IN = (LegKind.DEPOSIT, LegKind.REBALANCE)
"""Kinds of legs that put new money in; CANCEL puts back what a request returned, which never left the market."""


def alarm(act: Act) -> Alarm:
    return Alarm(code="BAD_DEBT", act=act, saw="seen", since=NOW)


def graded(state: MarketState, safety: int, loss_bps: float) -> MarketState:
    made = Grade.__new__(Grade)
    for name in Grade.__dataclass_fields__:
        object.__setattr__(made, name, {"safety": safety, "loss_bps": loss_bps}.get(name, ()))
    return replace(state, grade=made)


def lent(state: MarketState) -> Amount:
    """All that is supplied."""
    return max(state.supplied, Amount(state.market.asset, state.market.asset.one))


def leaving(state: MarketState) -> MarketState:
    none = Amount(state.market.asset, 0)
    return replace(
        state,
        exit=Exit(kind=ExitKind.COOLDOWN, seconds=3600),
        leaving=Leaving(requested=state.held, ready=none, back=none, cancels=True),
    )


ON_STATES: dict[str, Callable[[MarketState], MarketState]] = {
    "paused": lambda s: replace(s, status=Status.PAUSED),
    "frozen": lambda s: replace(s, status=Status.FROZEN),
    "at its cap": lambda s: replace(s, capacity=Amount(s.market.asset, 0)),
    "utilisation": lambda s: replace(s, borrowed=lent(s), supplied=lent(s)),
    "no way out": lambda s: replace(s, no_way_out="it reverts on the fork"),
    "stuck": lambda s: replace(s, stuck="it reverts"),
    "contradicted, unpriced or stale": lambda s: replace(s, doubts=("its readings contradict one another",)),
    "an alarm that stops": lambda s: replace(s, alarms=(alarm(Act.STOP),)),
    "an alarm that asks to leave": lambda s: replace(s, alarms=(alarm(Act.LEAVE),)),
    "a low grade": lambda s: graded(s, 39, 20.0),
    "an expected loss": lambda s: graded(s, 90, 501.0),
    "on its way out": leaving,
    "a long way out": lambda s: replace(s, exit=Exit(kind=ExitKind.REQUEST, seconds=None)),
}
LIMITS = {"min_safety": 40, "max_expected_loss_bps": 500.0, "max_exit_hours": 24.0, "max_utilisation_entry": 0.95}


def case(seed: int) -> tuple[Snapshot, Snapshot, Policy, Job, dict[MarketId, str]]:
    """A random snapshot without vetoes of these kinds and with them, and which market has which."""
    draw = random.Random(seed)
    seen, policy, job = case_of(draw)
    calm = {
        key: graded(replace(state, borrowed=None, status=Status.ACTIVE), 90, 20.0) for key, state in seen.states.items()
    }
    calm |= {state.market.id: state for state in seen.idle}
    markets = [state.market.id for state in seen.markets]
    vetoed = {key: draw.choice([*ON_STATES, "excluded"]) for key in markets if draw.random() < 0.6}
    against = {key: ON_STATES[why](calm[key]) for key, why in vetoed.items() if why in ON_STATES}
    policy = replace(
        policy, **LIMITS, haircut_bps={}, exclude=tuple(key for key, why in vetoed.items() if why == "excluded")
    )
    before = replace(seen, states=calm)
    return before, replace(before, states=calm | against), policy, job, vetoed


def enters(plan: object, vetoed: dict[MarketId, str]) -> list[str]:
    """Legs of a plan that put money into a vetoed market."""
    if not isinstance(plan, Plan):
        return []
    return [f"{leg.kind} {vetoed[leg.market_id]}" for leg in plan.legs if leg.kind in IN and leg.market_id in vetoed]


SEEDS = range(draws(150, 3_000))


def test_runs_plans_and_what_ifs_put_nothing_where_a_veto_stands() -> None:
    moved = 0
    for seed in SEEDS:
        _, seen, policy, job, vetoed = case(seed)
        named = {one.market_id for one in assess(seen, policy, None, job.base) if one.vetoes}
        missed = {key: why for key, why in vetoed.items() if key not in named and why != "at its cap"}
        assert not missed, (seed, missed)
        everything = vetoed | {key: "by the assessment" for key in named if key not in vetoed}
        found = decide(seen, policy, job, NOW)
        assert enters(found.outcome, everything) == [], seed
        first_asset = seen.assets[0] if seen.assets else None
        wealths = [None] if first_asset is None else [None, Amount(first_asset, 10**6 * first_asset.one)]
        for wealth in wealths:  # `plan`, and `plan --wealth`
            shown = decide(seen, policy, job, NOW, wealth=wealth)
            for key in everything:
                if shown.allocation.targets and key in shown.allocation.targets:
                    assert shown.allocation.targets[key] <= seen.of(key).held, (seed, key, everything[key])
        moved += isinstance(found.outcome, Plan)
    assert moved > len(SEEDS) // 20, "plans are made in some of them"


def test_a_plan_that_waited_is_refused_once_a_veto_stands() -> None:
    tried = 0
    for seed in SEEDS:
        calm, seen, policy, job, vetoed = case(seed)
        plan = decide(calm, replace(policy, exclude=()), job, NOW).outcome
        if not isinstance(plan, Plan):
            continue
        for index, leg in enumerate(plan.legs):
            if any(one.kind in IN and one.market_id in vetoed for one in plan.legs[index:]):
                refused = still_holds(plan, index, seen, policy, job)
                assert refused is not None, (seed, index, leg, vetoed)
                tried += 1
    assert tried > len(SEEDS) // 20


def test_exits_and_swaps_of_what_came_out_put_nothing_anywhere() -> None:
    made = 0
    for seed in SEEDS:
        _, seen, policy, job, vetoed = case(seed)
        draw = random.Random(seed)
        into = draw.choice(["", *(token.address for token in TOKENS)])
        orders = [
            Record(
                n,
                NOW,
                ExitOrdered(
                    chain=seen.block.chain,
                    owner=OWNER,
                    market_id=state.market.id,
                    name=state.market.name,
                    by="terminal",
                    into=into,
                    time=NOW,
                ),
            )
            for n, state in enumerate(seen.markets)
            if draw.random() < 0.5
        ]
        ordered = with_orders(seen, orders)
        for by in (decide_exits, decide):
            found = by(ordered, policy, job, NOW, records=orders).outcome
            whole = vetoed | {entry.entry.market_id: "ordered out" for entry in orders}  # type: ignore[union-attr]
            assert enters(found, whole) == [], seed
            if by is decide_exits and isinstance(found, Plan):
                assert not {leg.kind for leg in found.legs} & {LegKind.DEPOSIT, LegKind.REBALANCE}, seed
                made += 1
    assert made > len(SEEDS) // 20


def test_paper_wallets_put_nothing_where_a_veto_stands() -> None:
    tried = 0
    for seed in SEEDS:
        _, seen, policy, job, vetoed = case(seed)
        coin = seen.assets[0]
        states = {
            key: replace(state, held=Amount(state.market.asset, 0), shares=0, leaving=None)
            for key, state in seen.states.items()
        }
        wallet = next(state for state in seen.idle if state.market.asset == coin)
        amount = Amount(coin, 100_000 * coin.one)
        states[wallet.market.id] = replace(states[wallet.market.id], held=amount, liquidity=amount, supplied=amount)
        paper = replace(seen, states=states)
        gone = {key: why for key, why in vetoed.items() if why != "on its way out"}
        start = first(Begins(wealth="100000", amount=amount), job, str(OWNER), paper)
        outcome = decide(paper, policy, job, NOW).outcome
        after = decided(start, paper, paper, outcome, policy, "").state
        assert not {key for key, raw in after.holdings.held.items() if raw > 0 and key in gone}, seed
        tried += isinstance(outcome, Plan)
    assert tried > len(SEEDS) // 20


@pytest.mark.parametrize("seed", range(draws(3, 40)))
def test_backtests_put_nothing_where_an_alarm_stands(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    rates = {name: [max(0.0, draw.gauss(0.05, 0.01)) for _ in range(30)] for name in ("USDC", "USDC/two", "USDC/three")}
    use = [[draw.choice([0.5, 0.8, 0.9, 0.96, 1.0]) for _ in rates] for _ in range(30)]
    seen: list[tuple[Snapshot, object]] = []

    def noted(snapshot: Snapshot, *rest: object) -> object:
        found = decide(snapshot, *rest)  # type: ignore[arg-type]
        seen.append((snapshot, found.outcome))
        return found

    monkeypatch.setattr(replayed, "decide", noted)
    made = replayed.replay(
        world(rates, utilisation=use, supplied=1e8), loose(), lambda row: [None] * 3, 50_000.0, 0, 28
    )
    alarmed = [(snapshot, outcome) for snapshot, outcome in seen if any(state.alarms for state in snapshot.markets)]
    assert alarmed and made.ledger.log
    for snapshot, outcome in seen:
        assert enters(outcome, {s.market.id: "an alarm" for s in snapshot.markets if s.alarms}) == []
