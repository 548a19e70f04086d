"""Accounts before and after a simulated transaction."""

from __future__ import annotations

from solders.pubkey import Pubkey

from tests.kit.solana.gate import (
    TOKEN_PROGRAM,
)
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.ids import Address


def key(address: str) -> bytes:
    return bytes(Pubkey.from_string(address))


def image(data: bytes, program: Address = TOKEN_PROGRAM, lamports: int = 9) -> AccountImage:
    return AccountImage(lamports, program, data)
