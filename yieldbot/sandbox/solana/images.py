"""Account states for a local Solana: mints, token accounts, programs, and accounts of layouts."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM, WRAPPED_SOL
from yieldbot.protocols.solana.layout import key_bytes, rent_exempt
from yieldbot.resources import folder

LOADER = Address("BPFLoader2111111111111111111111111111111111")
MINT_BYTES, TOKEN_ACCOUNT_BYTES = 82, 165

Images = dict[Address, AccountImage]


def named(*parts: str) -> Address:
    """An address derived from words, the same in every sandbox."""
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(hashlib.sha256("/".join(parts).encode()).digest())))


def image(program: Address, data: bytes, lamports: int | None = None) -> AccountImage:
    """An account with this data, rent-exempt unless lamports are given."""
    return AccountImage(rent_exempt(len(data)) if lamports is None else lamports, program, data)


def program_image(code: bytes) -> AccountImage:
    """A program that can no longer be changed (loader v2), which LiteSVM runs as it is."""
    return AccountImage(rent_exempt(len(code)), LOADER, code, executable=True)


def mint(authority: Address | None, supply: int, decimals: int, token_program: Address = TOKEN_PROGRAM) -> AccountImage:
    """SPL Token's mint: authority option 0, supply 36, decimals 44, initialised 45, freeze authority option 46.
    authority: who may mint; None: nobody."""
    key = bytes(32) if authority is None else key_bytes(authority)
    data = struct.pack("<I32sQBB36x", int(authority is not None), key, supply, decimals, 1)
    return image(token_program, data)


def token_account(
    mint_address: Address, owner: Address, amount: int, token_program: Address = TOKEN_PROGRAM
) -> AccountImage:
    """SPL Token's account: mint 0, owner 32, amount 64, no delegate, initialised 108. An account of wrapped SOL is
    native (109: its rent), and its lamports are the amount plus the rent."""
    rent = rent_exempt(TOKEN_ACCOUNT_BYTES)
    native = mint_address == WRAPPED_SOL
    keys = key_bytes(mint_address), key_bytes(owner)
    data = struct.pack("<32s32sQ36xBIQ44x", *keys, amount, 1, int(native), rent if native else 0)
    return image(token_program, data, rent + amount if native else None)


def account_data(layout: str, account: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of an account of abis/<layout>.json with these fields; the others are zero. Raises KeyError for a field
    that it does not have."""
    kind = json.loads((folder("abis") / f"{layout}.json").read_text())["accounts"][account]
    data = bytearray(kind["size"])
    tag = bytes.fromhex(kind.get("tag", ""))
    data[: len(tag)] = tag
    for name, value in fields.items():
        at, what = kind["fields"][name]
        raw = _raw(what, value)
        data[at : at + len(raw)] = raw
    return bytes(data)


def _raw(kind: Any, value: Any) -> bytes:
    if isinstance(kind, list):
        return b"".join(_raw(kind[0], one) for one in value)
    if kind == "pubkey":
        return key_bytes(value)
    if kind == "f64":
        return struct.pack("<d", value)
    if kind == "bool":
        return bytes([bool(value)])
    signed = kind.startswith("i")
    return int(value).to_bytes(int(kind[1:]) // 8, "little", signed=signed)
