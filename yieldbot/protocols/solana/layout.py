"""Reading accounts and writing instructions of Solana programs by the layouts in abis/; addresses that are derived.

A layout file holds a program's accounts (size, discriminator, and only the fields that are read, each with its offset),
its instructions (tag, argument types, accounts in order) and its errors::

    {"accounts": {"Reserve": {"size": 8624, "tag": "2bf2cc...", "fields": {"lending_market": [32, "pubkey"]}}},
     "instructions": {"deposit": {"tag": "04", "args": ["u64"], "roles": ["amount"],
                                  "accounts": ["source:w", "owner:s", "clock"]}},
     "errors": {"6000": "what went wrong, in words"}}

Field types: u8 u16 u32 u64 u128 i32 i64 i128 bool f64 pubkey, and [type, count] for an array without gaps. An account
of an instruction is ``name``, with ``:w`` writable, ``:s`` signer, ``:ws`` both.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads
from yieldbot.model.known import TOKEN_ACCOUNT_BYTES, TOKEN_PROGRAM
from yieldbot.model.reads import SvmAccount
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.resources import folder

SYSTEM_PROGRAM = Address("11111111111111111111111111111111")
ATA_PROGRAM = Address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SYSVAR_CLOCK = Address("SysvarC1ock11111111111111111111111111111111")
SYSVAR_PROGRAM = Address("Sysvar1111111111111111111111111111111111111")
SYSVAR_INSTRUCTIONS = Address("Sysvar1nstructions1111111111111111111111111")

ACCOUNT_OVERHEAD_BYTES = 128
LAMPORTS_PER_BYTE = 6960
"""Rent exemption: two years of 3,480 lamports a byte-year (Solana's Rent sysvar, unchanged since genesis)."""

SLOTS_PER_EPOCH = 432_000
"""Mainnet's epochs have had this length from its first slot (EpochSchedule: no warm-up)."""
USUAL_SLOT_SECONDS = 0.4
PRIOR_SLOTS = 20_000
"""Number of slots of usual length that are averaged with those of the present epoch, so that its first ones do not
dominate."""

SLOTS_AHEAD, SECONDS_AHEAD = 200, 120
"""How long after a reading its withdrawal may land: a blockhash's life and some more. What is withdrawn from a market
with less cash than our shares are worth is priced for then, so that the cash is still there."""

_SIZES = {
    "u8": 1,
    "u16": 2,
    "u32": 4,
    "u64": 8,
    "u128": 16,
    "i32": 4,
    "i64": 8,
    "i128": 16,
    "bool": 1,
    "f64": 8,
    "pubkey": 32,
}


LATER = "later"
"""Key of a state's market params: the reserve or bank as it will be when a transaction lands (``SLOTS_AHEAD`` or
``SECONDS_AHEAD`` later)."""
TERMS = "terms"
"""Key of a state's market params: what its owners set and its exit depends on (authorities, limits on outflow, fees,
switches). A proof or refusal of the exit holds for these terms (``chains/solana/exits.py``)."""
DEAREST_SHARE = 10_000
"""Most base units of the asset that one base unit of shares counts as."""


def rent_exempt(data_bytes: int) -> int:
    """Lamports that an account of this size must hold so as never to pay rent."""
    return (ACCOUNT_OVERHEAD_BYTES + data_bytes) * LAMPORTS_PER_BYTE


@dataclass(frozen=True, slots=True)
class Clock:
    """The Clock sysvar."""

    slot: int
    """The slot that reads are made at."""
    timestamp: int
    """Time of that slot, in unix seconds."""
    slot_seconds: float
    """Recent length of a slot, in seconds."""
    epoch: int
    """The present epoch."""

    @classmethod
    def of(cls, data: bytes) -> Clock:
        """From the sysvar's bytes: slot, epoch_start_timestamp, epoch, leader_schedule_epoch, unix_timestamp."""
        slot, started_at, epoch, _, now = struct.unpack_from("<QqQQq", data)
        slots, seconds = slot - epoch * SLOTS_PER_EPOCH, now - started_at
        if slots <= 0 or seconds <= 0:
            return cls(slot, now, USUAL_SLOT_SECONDS, epoch)
        return cls(slot, now, (seconds + PRIOR_SLOTS * USUAL_SLOT_SECONDS) / (slots + PRIOR_SLOTS), epoch)


def rounding(pooled_raw: int, shares: int) -> int:
    """Base units that rounding may take of a deposit and its withdrawal.

    Three shares (minted, and the fees of either way), each worth its part of what is pooled, and a few units of the
    asset itself. Bounded for a pool of few very valuable shares: what rounding takes there is a loss.
    """
    return 4 + 3 * min(pooled_raw // shares if shares else 1, DEAREST_SHARE)


def clock_read() -> SvmAccount:
    """The read of the Clock sysvar, for ``Clock.of``."""
    return SvmAccount(SYSVAR_CLOCK, SYSVAR_PROGRAM)


class Layout:
    """One file of abis/ for a Solana program. The program's own address is the deployment's, never the file's."""

    def __init__(self, name: str) -> None:
        document = loads((folder("abis") / f"{name}.json").read_text())
        self._accounts: Mapping[str, Any] = document["accounts"]
        self._instructions: Mapping[str, Any] = document["instructions"]
        self._errors: Mapping[str, str] = document.get("errors", {})

    def read(self, address: Address, program: Address, *, optional: bool = False) -> SvmAccount:
        """The read of an account of this program."""
        return SvmAccount(address, program, optional)

    def decode(self, account: str, data: bytes) -> dict[str, Any]:
        """The fields of an account. Raises MarketError when the bytes are not one of its kind."""
        kind = self._accounts[account]
        tag = bytes.fromhex(kind.get("tag", ""))
        if len(data) != kind["size"] or not data.startswith(tag):
            raise MarketError(f"these {len(data)} bytes are no {account} ({kind['size']} bytes)")
        return {name: _field(data, at, kind_) for name, (at, kind_) in kind["fields"].items()}

    def fields(self, account: str) -> dict[str, int]:
        """Offset of each field of an account."""
        return {name: at for name, (at, _) in self._accounts[account]["fields"].items()}

    def size(self, account: str) -> int:
        """Bytes of an account."""
        return int(self._accounts[account]["size"])

    def tag(self, instruction: str) -> bytes:
        """What the instruction's data begins with."""
        return bytes.fromhex(self._instructions[instruction]["tag"])

    def build(
        self,
        instruction: str,
        program: Address,
        accounts: Mapping[str, Address],
        *args: int,
        description: str = "",
        more: tuple[SvmMeta, ...] = (),
    ) -> SvmInstruction:
        """An instruction: ``accounts`` by the layout's names, then ``more``. KeyError for a name that is missing."""
        kind = self._instructions[instruction]
        metas = []
        for entry in kind["accounts"]:
            name, _, flags = entry.partition(":")
            metas.append(SvmMeta(accounts[name], signer="s" in flags, writable="w" in flags))
        data = self.tag(instruction) + b"".join(_packed(t, v) for t, v in zip(kind["args"], args, strict=True))
        return SvmInstruction(program, (*metas, *more), data, description)

    def explain(self, code: int) -> str | None:
        """Message of a custom error."""
        return self._errors.get(str(code))


@cache
def layout(name: str) -> Layout:
    """The layouts in abis/<name>.json."""
    return Layout(name)


def pda(program: Address, *seeds: bytes) -> Address:
    """The program's derived address of these seeds."""
    from solders.pubkey import Pubkey

    return Address(str(Pubkey.find_program_address(list(seeds), Pubkey.from_string(program))[0]))


@cache
def ata(owner: Address, mint: Address, token_program: Address = TOKEN_PROGRAM) -> Address:
    """The owner's associated token account of a mint."""
    return pda(ATA_PROGRAM, key_bytes(owner), key_bytes(token_program), key_bytes(mint))


def token_amount(data: bytes) -> int:
    """The balance of an SPL Token account's data; 0 for no account. Raises MarketError where it is none."""
    if not data:
        return 0
    if len(data) < TOKEN_ACCOUNT_BYTES:
        raise MarketError(f"these {len(data)} bytes are no token account")
    return int(struct.unpack_from("<Q", data, 64)[0])


def key_bytes(address: Address) -> bytes:
    """A public key's 32 bytes. Raises ValueError where it is none."""
    from solders.pubkey import Pubkey

    return bytes(Pubkey.from_string(address))


def _pubkey(data: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data)))


def _field(data: bytes, at: int, kind: Any) -> Any:
    if isinstance(kind, list):
        inner, count = kind
        step = _SIZES[inner]
        return tuple(_field(data, at + step * i, inner) for i in range(count))
    raw = data[at : at + _SIZES[kind]]
    match kind:
        case "pubkey":
            return _pubkey(raw)
        case "f64":
            return struct.unpack("<d", raw)[0]
        case "bool":
            return raw != b"\0"
        case _:
            return int.from_bytes(raw, "little", signed=kind.startswith("i"))


def _packed(kind: str, value: int) -> bytes:
    return int(value).to_bytes(_SIZES[kind], "little", signed=kind.startswith("i"))
