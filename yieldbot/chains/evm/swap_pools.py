"""Reads the pools of a chain's tokens and the prices that a swap is judged by: flows, and an Exchange from their
answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.reads import Flow
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.uniswap_v3 import UniswapV3, twap

TWAP_SECONDS = 1800
"""Window of a pool's TWAP: to move it, a price must be held against arbitrage for that long."""


def listings(chain: ChainSettings, near: Collection[Token] | None = None) -> list[Flow[tuple[Pool, ...]]]:
    """A flow for each of the chain's exchanges, which lists its pools of any two of the chain's tokens, one of them
    among ``near`` (None: any).

    For a swap between two tokens these are enough: a route has at most two pools.
    """
    known = exchanges()
    pairs = [p for p in combinations(chain.tokens.values(), 2) if near is None or not {*p}.isdisjoint(near)]
    return [known[exchange.protocol].pools(exchange, pairs) for exchange in chain.exchanges]


def state_flows(pools: Sequence[Pool], tokens: Iterable[Token]) -> list[Flow[Any]]:
    """A flow for each pool's state, then one for the TWAP of each pool of two of ``tokens`` that has an oracle."""
    known = exchanges()
    return [
        *(known[pool.protocol].observe(pool) for pool in pools),
        *(twap(pool, TWAP_SECONDS) for pool in _with_twap(pools, tokens)),
    ]


def exchange_of(
    pools: Sequence[Pool],
    tokens: Iterable[Token],
    answers: Sequence[PoolState | float | MarketError],
    usd: Mapping[Token, Price],
    unread: Sequence[str] = (),
) -> Exchange:
    """The Exchange from the answers to ``state_flows``, in their order. unread: reasons of earlier failures."""
    states, oracle_prices, bad = list[PoolState](), list[tuple[Pool, float]](), list(unread)
    for pool, answer in zip(pools, answers, strict=False):
        if isinstance(answer, PoolState):
            states.append(answer)
        else:
            bad.append(f"{pool.name}: {answer}")
    for pool, answer in zip(_with_twap(pools, tokens), answers[len(pools) :], strict=True):
        if isinstance(answer, float):
            oracle_prices.append((pool, answer))
        else:
            bad.append(f"{pool.name}: no TWAP over {TWAP_SECONDS // 60} minutes: {answer}")
    return Exchange(tuple(states), dict(usd), tuple(oracle_prices), tuple(bad))


def _with_twap(pools: Sequence[Pool], tokens: Iterable[Token]) -> list[Pool]:
    wanted = set(tokens)
    return [p for p in pools if p.protocol == UniswapV3.protocol and {p.token0, p.token1} <= wanted]
