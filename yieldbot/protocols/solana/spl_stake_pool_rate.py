"""The price of a stake pool's token in SOL, from the pool's own account (a price oracle in addition to the feeds), and
its growth in the last epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, Clock, clock_read
from yieldbot.protocols.solana.spl_stake_pool import PoolAccount, StakePoolParams, decode


def listed_pools(
    protocol: str,
    deployment: Deployment,
    pairs: Sequence[tuple[Token, Token]],
    mint_of: Callable[[Address, bytes], Address],
) -> Flow[tuple[Pool, ...]]:
    """The accounts of a deployment whose staked token makes one of the pairs with SOL. mint_of: the token's mint, by an
    account's address and bytes; it raises MarketError for bytes of another kind."""
    program = Address(deployment.params["program"])
    addresses = [Address(a) for a in deployment.params["pools"]]
    read = yield [SvmAccount(address, program) for address in addresses]
    listed = {token.address: token for pair in pairs for token in pair}
    wanted, found = {frozenset(pair) for pair in pairs}, []
    for address, data in zip(addresses, read, strict=True):
        staked, sol = listed.get(mint_of(address, data)), listed.get(WRAPPED_SOL)
        if staked is not None and sol is not None and {staked, sol} in wanted:
            found.append(Pool(protocol, deployment.name, address, staked, sol, {"program": program}))
    return tuple(found)


class StakePoolRate:
    """A pool token's price in SOL from the pool's own account: what redeeming pays, without its fee."""

    protocol: ClassVar[str] = "spl_stake_pool"
    params: ClassVar[type[BaseModel]] = StakePoolParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        return listed_pools(self.protocol, deployment, pairs, lambda address, data: decode(address, data).pool_mint)

    def price(self, pool: Pool, now: int) -> Flow[tuple[Pool, float]]:
        data, clock_data = yield [SvmAccount(pool.address, pool.params["program"]), clock_read()]
        found, clock = decode(pool.address, data), Clock.of(clock_data)
        if found.last_update_epoch + 1 < clock.epoch:
            raise MarketError(f"stake pool {pool.address} was not brought up to this epoch or the one before")
        named = replace(pool, params={**pool.params, "says": "own rate"})
        return named, _worth(pool, found)

    def growth(self, pool: Pool) -> Flow[tuple[float, float | None]]:
        data, clock_data = yield [SvmAccount(pool.address, pool.params["program"]), clock_read()]
        found, clock = decode(pool.address, data), Clock.of(clock_data)
        worth = _worth(pool, found)
        grown = found.numbers.token_growth()
        if found.last_update_epoch + 1 < clock.epoch or grown is None:
            raise MarketError(f"stake pool {pool.address} has no growth of this epoch or the one before")
        return worth, grown * SECONDS_PER_YEAR / (SLOTS_PER_EPOCH * clock.slot_seconds)


def _worth(pool: Pool, found: PoolAccount) -> float:
    """Whole SOL for one whole pool token. Raises MarketError if there is none."""
    if not found.numbers.supply:
        raise MarketError(f"stake pool {pool.address} has no tokens")
    return found.numbers.total_lamports / found.numbers.supply * pool.token0.one / pool.token1.one


PRICE_ORACLE = StakePoolRate()
