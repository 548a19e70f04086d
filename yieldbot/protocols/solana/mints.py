"""Who may mint, freeze or seize a token of the SPL token programs, by its mint account. Pure.

Sources of the layouts: SPL Token's state.rs (Mint 82 bytes, Multisig 355 bytes), Token-2022's extension list (type u16,
length u16, value; from byte 166 of a mint).
"""

from __future__ import annotations

import struct

from yieldbot.model.ids import Address
from yieldbot.protocols.solana.idle import MINT_DECIMALS_AT

MINT_BYTES, EXTENSIONS_AT, MULTISIG_BYTES, MOST_SIGNERS = 82, 166, 355, 11
MINT, FREEZE, DELEGATE, PAUSE = "mint", "freeze", "permanent delegate", "pause"
"""Names of rights: to mint tokens, to freeze accounts, to transfer tokens out of any account, to pause all
transfers."""
FREEZE_AT = 46
EXTENSIONS = {12: DELEGATE, 26: PAUSE}
"""Token-2022's extensions, by type number, that begin with an authority."""
MOST_EXTENSIONS = 40


def rights_of(data: bytes) -> tuple[tuple[str, Address | None], ...] | None:
    """(right, its holder; None: nobody) for each right that a mint's account states; None: the account is no mint."""
    if len(data) < MINT_BYTES or data[MINT_DECIMALS_AT + 1] != 1:
        return None
    found: dict[str, Address | None] = {MINT: _option(data, 0), FREEZE: _option(data, FREEZE_AT)}
    at = EXTENSIONS_AT
    for _ in range(MOST_EXTENSIONS):
        if at + 4 > len(data):
            break
        kind, length = struct.unpack_from("<HH", data, at)
        value, at = data[at + 4 : at + 4 + length], at + 4 + length
        if kind in EXTENSIONS and len(value) >= 32 and any(value[:32]):
            found[EXTENSIONS[kind]] = _key(value)
    return tuple(found.items())


def signers_of(data: bytes) -> tuple[int, tuple[Address, ...]] | None:
    """(number of signatures needed, the signers) of a token program's own multisig; None: the account is none."""
    if len(data) != MULTISIG_BYTES or data[2] != 1 or not 1 <= data[0] <= data[1] <= MOST_SIGNERS:
        return None
    return data[0], tuple(_key(data[3 + 32 * place : 35 + 32 * place]) for place in range(data[1]))


def _option(data: bytes, at: int) -> Address | None:
    return _key(data[at + 4 : at + 36]) if data[at : at + 4] == b"\x01\0\0\0" else None


def _key(data: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data[:32])))
