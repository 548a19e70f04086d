"""Each reason names what really binds: without it, or with more of it, the plan is another one."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from tests.property.test_shared_pools import problem
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import Group, Problem
from yieldbot.allocator.reasons import Solved

LIMIT, GROUP, LEAST = "limit", "group", "min_position"
NAMES = tuple(f"m{i}" for i in range(30))


def posed(seed: int) -> Problem:
    """As for shared pools, with a group of markets that may hold less than they would."""
    draw = random.Random(seed)
    found = problem(seed)
    members = tuple(sorted(draw.sample(range(len(found.markets)), 6)))
    held = sum(found.markets[m].held for m in members)
    group = Group(members, held + found.wealth * draw.uniform(0.02, 0.3), GROUP)
    least = draw.choice((1_000.0, 2_500.0))
    return replace(found, groups=(group,), min_position=min(least, min(m.high for m in found.markets)))


def without(posed: Problem, index: int, reason: str) -> Problem | None:
    """The problem without what the reason names; None for a reason that names nothing to change."""
    market = posed.markets[index]
    if reason.startswith(f"{GROUP}; "):
        posed, reason = replace(posed, groups=()), reason.removeprefix(f"{GROUP}; ")
    if reason == LIMIT:
        market = replace(market, high=market.high * 1.5)
    elif reason == GROUP:
        return replace(posed, groups=(replace(posed.groups[0], most=posed.groups[0].most * 1.5),))
    elif "one pool" in reason:
        market = replace(market, pools=frozenset())
    elif reason == "its gas would not pay":
        market = replace(market, enter_cost=0.0)
    elif reason == f"only less than {LEAST} would pay" or reason == f"{LEAST} is the smallest holding":
        return replace(posed, min_position=0.0, min_move=0.0)
    elif reason == f"its gas would not pay, nor would {LEAST} without it":
        posed, market = replace(posed, min_position=0.0, min_move=0.0), replace(market, enter_cost=0.0)
    else:
        return None
    return replace(posed, markets=(*posed.markets[:index], market, *posed.markets[index + 1 :]))


def test_what_a_reason_names_changes_the_plan_when_it_is_lifted() -> None:
    seen = Counter[str]()
    for seed in range(40):
        task = posed(seed)
        found = optimise(task)
        gap = found.upper_bound - found.objective
        solved = Solved(task, found.holdings, found.price, gap, NAMES)
        for index, market in enumerate(task.markets):
            reason = solved.binding(index, ((LIMIT, market.high),))
            kind = reason.split(":")[0]
            seen[kind] += 1
            assert not reason.startswith("not known") or gap > 1e-6, (seed, index)
            if (other := without(task, index, reason)) is not None and seen[kind] <= 25:
                assert optimise(other).objective > found.objective, (seed, index, reason)
    print(seen)
    assert {LIMIT, GROUP, "of the markets of one pool a plan changes one", "its gas would not pay"} <= seen.keys()
