"""Ways of a swap over several tokens' pools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.allocator.route import pool
from yieldbot.allocator.route import route, route_for
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, evm_chain

A, B, C = (Token(evm_chain(1), Address("0x" + f"{i:040x}"), name, 6) for i, name in ((1, "A"), (2, "B"), (3, "C")))


def test_a_swap_is_split_over_pools_and_goes_through_other_tokens() -> None:
    states = [
        pool("small", A, B, (10**12, 10**12)),
        pool("large", A, B, (3 * 10**12, 3 * 10**12)),
        pool("first", A, C, (2 * 10**12, 10**12)),
        pool("second", B, C, (2 * 10**12, 10**12)),
    ]
    found = route(states, Amount(A, 10**11), B)
    names = [tuple(p.name for p in part.pools) for part in found.parts]
    assert names == [("large",), ("small",), ("first", "second")]
    assert sum(part.taken.raw for part in found.parts) == 10**11
    assert sum(part.given.raw for part in found.parts) == found.given.raw
    assert found.gap_bps < 0.1 and float(found.given) <= found.bound
    alone = route(states[:1], Amount(A, 10**11), B)
    assert found.given > alone.given
    # Of two equal prices three quarters go to the pool that is three times as large.
    direct = route(states[:2], Amount(A, 10**11), B)
    assert direct.parts[0].taken.raw == pytest.approx(75 * 10**9, rel=1e-6)


def test_of_metapools_over_one_base_pool_the_better_one_is_taken() -> None:
    """Their outputs both come out of the base pool: together they would bring less than each says alone."""
    worse, better, apart = (
        pool(name, A, B, (raw, raw)) for name, raw in (("worse", 10**12), ("better", 10**13), ("apart", 10**12))
    )
    over = [replace(s, pool=replace(s.pool, params={**s.pool.params, "base": "0xba5e"})) for s in (worse, better)]
    for states in ([*over, apart], [*over[::-1], apart]):
        for found in (route(states, Amount(A, 10**11), B), route_for(states, A, Amount(B, 10**10))):
            assert [part.pools[0].name for part in found.parts] == ["better", "apart"]


def test_without_a_way_there_is_none() -> None:
    with pytest.raises(Unswappable, match="no pool leads from A to B"):
        route([pool("first", A, C, (10**9, 10**9))], Amount(A, 10), B)
    back = route([pool("one", A, B, (10**12, 2 * 10**12))], Amount(B, 10**6), A)
    assert 0 < back.given.raw < 10**6 // 2


def test_a_way_that_does_not_pay_its_own_gas_is_no_way() -> None:
    states = [
        pool("small", A, B, (10**12, 10**12)),
        pool("large", A, B, (3 * 10**12, 3 * 10**12)),
        pool("first", A, C, (2 * 10**12, 10**12)),
        pool("second", B, C, (2 * 10**12, 10**12)),
    ]
    free = route(states, Amount(A, 10**10), B)
    assert len(free.parts) == 3 and free.cost.raw == 0
    paid = route(states, Amount(A, 10**10), B, unit_cost=100.0)  # 17.6 B for one pool's swap
    assert [tuple(p.name for p in part.pools) for part in paid.parts] == [("large",)]
    assert paid.cost.raw == 17_600_000 and paid.given < free.given
    assert float(paid.given) - float(paid.cost) <= paid.bound < float(free.given)
    larger = route(states, Amount(A, 10**12), B, unit_cost=100.0)
    assert len(larger.parts) == 3 and larger.cost.raw == (176_000 * 2 + 276_000) * 100
    assert larger.parts[0].gas == 176_000 and larger.parts[-1].gas == 276_000


def test_an_exact_output_goes_the_same_ways_for_the_least() -> None:
    states = [
        pool("small", A, B, (10**12, 10**12)),
        pool("large", A, B, (3 * 10**12, 3 * 10**12)),
        pool("first", A, C, (2 * 10**12, 10**12)),
        pool("second", B, C, (2 * 10**12, 10**12)),
    ]
    there = route(states, Amount(A, 10**11), B)
    back = route_for(states, A, there.given)
    assert back.exact_out and back.given == there.given and sum(p.given.raw for p in back.parts) == back.given.raw
    assert back.taken.raw == pytest.approx(10**11, rel=1e-8) and back.gap_bps < 0.1
    assert back.bound <= float(back.taken) == pytest.approx(back.bound, rel=1e-6)
    dear = route_for(states, A, Amount(B, 10**10), unit_cost=100.0)
    assert len(dear.parts) == 1 and dear.cost.raw == 17_600_000
    with pytest.raises(Unswappable, match="do not give so much"):
        route_for(states, A, Amount(B, 10**13))


def test_a_way_is_one_swap_of_one_router_and_each_contract_is_in_one_way() -> None:
    mixed = [pool("first", A, C, (10**12, 10**12)), pool("second", B, C, (10**12, 10**12), "0xother")]
    with pytest.raises(Unswappable, match="no pool leads"):
        route(mixed, Amount(A, 10**6), B)
    with pytest.raises(Unswappable, match="no pool leads"):
        route_for(mixed, A, Amount(B, 10**6))
    better = pool("better", A, C, (10**12, 10**12), "0xother")
    for found in (route([*mixed, better], Amount(A, 10**6), B), route_for([*mixed, better], A, Amount(B, 10**6))):
        assert [tuple(p.name for p in part.pools) for part in found.parts] == [("better", "second")]
    # A contract of three coins is one pool: not both hops of a way, and not a way beside its own direct one.
    same = [replace(state, pool=replace(state.pool, address=mixed[0].pool.address)) for state in (*mixed[:1], mixed[1])]
    same[1] = replace(same[1], pool=replace(same[1].pool, params={"router": None}))
    with pytest.raises(Unswappable, match="no pool leads"):
        route(same, Amount(A, 10**6), B)
    direct = pool("direct", A, B, (10**12, 10**12))
    three = [direct, replace(same[0], pool=replace(same[0].pool, address=direct.pool.address)), pool("x", B, C, (1, 1))]
    assert len(route(three, Amount(A, 10**6), B).parts) == 1
