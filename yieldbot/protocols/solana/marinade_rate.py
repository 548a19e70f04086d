"""The price of Marinade's mSOL in SOL, from its state account: a price oracle in addition to the feeds.

Source: marinade-finance/liquid-staking-program, state/mod.rs (``total_virtual_staked_lamports``, ``msol_to_sol``) and
the structures that it holds. The account has the present price alone: what mSOL earns is known once memory spans some
days.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.protocols.solana.layout import Clock, clock_read
from yieldbot.protocols.solana.spl_stake_pool import StakePoolParams
from yieldbot.protocols.solana.spl_stake_pool_rate import listed_pools

STATE = bytes.fromhex("d8926b5e684bb6b1")
"""The first bytes of a state account: Anchor's discriminator of ``State``."""
AT = {
    "delayed_cooling_down": 226,
    "last_stake_delta_epoch": 244,
    "total_active_balance": 376,
    "available_reserve_balance": 496,
    "msol_supply": 504,
    "circulating_ticket_balance": 528,
    "emergency_cooling_down": 568,
}
"""Offsets of the 64-bit numbers that are read."""
MINT_AT, LEAST_BYTES = 8, 576


@dataclass(frozen=True, slots=True)
class MarinadeState:
    """The fields that are read of a state account."""

    mint: Address
    """The mint of mSOL."""
    staked_lamports: int
    """What all mSOL is worth (``total_virtual_staked_lamports``)."""
    supply: int
    """mSOL in circulation, in base units."""
    last_stake_delta_epoch: int
    """The last epoch in which its stake was brought into order."""


def decode(address: Address, data: bytes) -> MarinadeState:
    """A state account. Raises MarketError if the bytes are not one."""
    from solders.pubkey import Pubkey

    if len(data) < LEAST_BYTES or not data.startswith(STATE):
        raise MarketError(f"account {address} is no state of Marinade's")
    read = {name: int(struct.unpack_from("<Q", data, at)[0]) for name, at in AT.items()}
    held = sum(read[name] for name in AT if name in HELD)
    return MarinadeState(
        mint=Address(str(Pubkey(data[MINT_AT : MINT_AT + 32]))),
        staked_lamports=max(0, held - read["circulating_ticket_balance"]),
        supply=read["msol_supply"],
        last_stake_delta_epoch=read["last_stake_delta_epoch"],
    )


HELD = ("total_active_balance", "delayed_cooling_down", "emergency_cooling_down", "available_reserve_balance")
"""What is under the program's control; tickets of delayed unstakes are owed from it."""


class MarinadeRate:
    """What one mSOL is worth by Marinade's own account, without the fee of unstaking it."""

    protocol: ClassVar[str] = "marinade"
    params: ClassVar[type[BaseModel]] = StakePoolParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        return listed_pools(self.protocol, deployment, pairs, lambda address, data: decode(address, data).mint)

    def price(self, pool: Pool, now: int) -> Flow[tuple[Pool, float]]:
        worth = yield from _worth(pool)
        return replace(pool, params={**pool.params, "says": "own rate"}), worth

    def growth(self, pool: Pool) -> Flow[tuple[float, float | None]]:
        worth = yield from _worth(pool)
        return worth, None


def _worth(pool: Pool) -> Flow[float]:
    """Whole SOL for one whole mSOL."""
    data, clock_data = yield [SvmAccount(pool.address, pool.params["program"]), clock_read()]
    found, clock = decode(pool.address, data), Clock.of(clock_data)
    if found.mint != pool.token0.address or found.last_stake_delta_epoch + 1 < clock.epoch:
        raise MarketError(f"Marinade's state {pool.address} was not brought up to this epoch or the one before")
    if not found.supply or not found.staked_lamports:
        raise MarketError(f"Marinade's state {pool.address} has no mSOL, or nothing behind it")
    return found.staked_lamports / found.supply * pool.token0.one / pool.token1.one


PRICE_ORACLE = MarinadeRate()
