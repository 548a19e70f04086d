"""Which pools are asked about: those that a swap of a job's tokens can go through, and no others."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.kit.allocator.several import JOB
from tests.kit.draws import draws
from yieldbot.allocator.route import route
from yieldbot.chains.evm.swap_pools import add_listings
from yieldbot.chains.pools import pools_of
from yieldbot.config.chain import load_chain
from yieldbot.config.load import read_toml
from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.policy import Base
from yieldbot.resources import folder
from yieldbot.rpc.flows import Flows

BASE = folder("chains") / "base.toml"


def asked(file: Path, *near: str) -> list[int]:
    """How many pools each factory is asked for."""
    chain = load_chain(file, read_toml(file), {})
    listed = add_listings(Flows(), chain, [chain.tokens[name] for name in near or chain.tokens]).exchanges
    assert [exchange for exchange, _ in listed] == list(chain.exchanges)
    return [len(next(one.flow)) for exchange, one in listed if exchange.protocol in ("uniswap_v2", "uniswap_v3")]


def test_no_pool_is_asked_for_that_no_way_leads_through() -> None:
    every, quoted, one = asked(BASE), asked(BASE, "USDC", "DAI"), asked(BASE, "USDC")
    tokens = len(load_chain(BASE, read_toml(BASE), {}).tokens)
    pairs = tokens * (tokens - 1) // 2
    assert [whole * (2 * tokens - 3) // pairs for whole in every] == quoted, (
        "of six tokens, 9 of 15 pairs have one of two"
    )
    assert [whole * (tokens - 1) // pairs for whole in every] == one


def test_pools_of_sold_rewards_grow_with_the_tokens_and_not_with_their_square() -> None:
    """Every reward's pools with an asset or a hub are asked for; pools of two other tokens are not."""
    for file in (BASE.with_name(name) for name in ("ethereum.toml", "polygon.toml")):
        chain = load_chain(file, read_toml(file), {})
        keeps = replace(JOB, chain=chain, asset=next(iter(chain.tokens.values())), others=())
        sells = replace(keeps, sale=Base(unit="USD", shares={}, max_impact_bps=100.0))
        assert keeps.swap_ends == keeps.assets and len(sells.swap_ends) <= 4, file
        if file.name == "ethereum.toml":
            assert [token.symbol for token in sells.swap_ends] == ["USDC", "WETH"]
            assert [token.symbol for token in replace(sells, asset=chain.tokens["DAI"]).swap_ends][1:] == [
                "USDC",
                "WETH",
            ]
            pairs = add_listings(Flows(), replace(chain, exchanges=chain.exchanges[:1]), sells.swap_ends).exchanges
            assert 2 * len(chain.tokens) < len(next(pairs[0][1].flow)) < 5 * 2 * len(chain.tokens)
        else:
            assert len(chain.hubs) == 3 and "WETH" in [token.symbol for token in chain.hubs]


@pytest.mark.parametrize("seed", range(draws(5, 10)))
def test_the_others_change_no_route(seed: int) -> None:
    draw, states = random.Random(seed), []
    tokens = [Token(evm_chain(1), Address(f"0x{number:040x}"), f"T{number}", 6) for number in range(1, 7)]
    for number, (one, other) in enumerate(pair for pair in combinations(tokens, 2) for _ in range(2)):
        reserves = int(10 ** draw.uniform(11, 13)), int(10 ** draw.uniform(11, 13))
        at = Address(f"0x{100 + number:040x}")
        pool = Pool("uniswap_v2", f"pool {number}", at, one, other, {"router": at[:2] + "aa" * 20})
        states.append(PoolState(pool, V2Venue(*reserves), V2Venue(*reserves[::-1])))
    ends = set(tokens[:2])
    near = [state for state in states if {state.pool.token0, state.pool.token1} & ends]
    assert len(near) < len(states)
    for amount in (10**6, 10**9, 10**11):
        given = Amount(tokens[0], amount)
        assert route(near, given, tokens[1], 0.5) == route(states, given, tokens[1], 0.5)


def test_a_pool_that_was_named_twice_is_one() -> None:
    """By two tables, or twice in one: its liquidity is not there twice, and it is one price oracle."""
    one, other, third = (Token(evm_chain(1), Address(f"0x{n:040x}"), f"T{n}", 6) for n in (1, 2, 3))
    pool = Pool("curve_stableswap", "pool", Address("0xaa"), one, other)
    same = Pool("curve_stableswap", "by another table", Address("0xaa"), other, one)
    coins = Pool("curve_stableswap", "its other coins", Address("0xaa"), one, third)
    assert pools_of([(pool, pool), (same, coins)]) == ([pool, coins], [])
