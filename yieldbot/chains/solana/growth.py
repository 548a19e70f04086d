"""What staked tokens earn by themselves: the growth in SOL of the last epoch, by their price oracles (stake pools'
own accounts). Flows, no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from yieldbot.chains.growths import Grown, Growths, believed
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool
from yieldbot.model.reads import Flow
from yieldbot.protocols import svm_price_oracles
from yieldbot.protocols.solana.base import GrowthOracle
from yieldbot.rpc.flows import Flows


def add_growths(flows: Flows, tokens: Iterable[Token], sources: Iterable[Pool]) -> Growths:
    """A read of each token that grows by itself: those whose price oracle, one of ``sources``, has its growth."""
    wanted, known = set(tokens), svm_price_oracles()
    return [
        (pool.token0, flows.add(_token_growth(oracle, pool)))
        for pool in sources
        if pool.token0 in wanted and isinstance(oracle := known[pool.protocol], GrowthOracle)
    ]


def _token_growth(oracle: GrowthOracle, pool: Pool) -> Flow[Grown]:
    """A token's worth and growth. Raises MarketError if they cannot be read or be true."""
    worth, growth = yield from oracle.growth(pool)
    return Grown(worth, None if growth is None else believed(growth, f"a token of {pool.name}"))
