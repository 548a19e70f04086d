"""A state account as Marinade's program keeps it, without the program: a price oracle of mSOL. The sandbox lists no
mSOL, so that no price there depends on it."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.protocols.solana.marinade_rate import AT, MINT_AT, STATE
from yieldbot.sandbox.solana.exchanges import ExchangeListing, Pair, SandboxExchange
from yieldbot.sandbox.solana.images import image, named

STATE_BYTES = 659
"""Bytes of the longest form of the account's fields."""
ONE = 10**9
NUMBERS = {
    "total_active_balance": 3_000_000 * ONE,
    "delayed_cooling_down": 20_000 * ONE,
    "emergency_cooling_down": 5_000 * ONE,
    "available_reserve_balance": 15_000 * ONE,
    "circulating_ticket_balance": 40_000 * ONE,
    "msol_supply": 2_500_000 * ONE,
    "last_stake_delta_epoch": 2**40,
}
"""1.2 SOL a mSOL, in order in whatever epoch."""


def marinade(name: str) -> Address:
    """An address of the double: "program", "state" or "mint"."""
    return named("marinade", name)


def state_account(mint: Address | None = None, tag: bytes = STATE, **changed: int) -> AccountImage:
    """The state account, with some numbers changed."""
    data = bytearray(STATE_BYTES)
    data[:8], data[MINT_AT : MINT_AT + 32] = tag, key_bytes(mint or marinade("mint"))
    for name, value in (NUMBERS | changed).items():
        struct.pack_into("<Q", data, AT[name], value)
    return image(marinade("program"), bytes(data))


def place(pairs: Sequence[Pair]) -> ExchangeListing:
    """The account and the row that names it."""
    row = {"protocol": "marinade", "name": "Marinade (double)", "program": marinade("program")}
    return ExchangeListing(
        oracles=({**row, "pools": [marinade("state")]},), images={marinade("state"): state_account()}
    )


SANDBOX = SandboxExchange(protocol="marinade", place=place)
