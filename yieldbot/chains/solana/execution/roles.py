"""The judge's rules for instructions of lending programs, by the role that abis/*.json gives each argument. Pure.

Roles: amount (base units of the asset, the leg's amount at most), shares (what the leg may give back at most), least (a
minimum out: above zero), everything (1 means the whole position: only where the leg says so), and ``{"free": reason}``.
Accounts that a layout lists as ``mine`` must be our own, and every signer must be our account. An instruction with an
argument that has no role is never signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.build import own_accounts
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads
from yieldbot.model.plan import Declined, LegKind
from yieldbot.model.tx import SvmInstruction
from yieldbot.resources import folder

SIZES = {"bool": 1, "u8": 1, "u16": 2, "u32": 4, "u64": 8, "u128": 16}
"""Bytes of each type of argument."""
ROLES = frozenset({"amount", "shares", "least", "everything"})
OF_SWAPS = frozenset({"amount_in", "least_out", "price_limit", "exact_in", "direction"})  # judged in swaps.py


@cache
def instructions_of(protocol: str) -> Mapping[str, Any]:
    """The instructions in a protocol's layout file (abis/*.json) by name; empty if it has no such file. Read once."""
    path = folder("abis") / f"{protocol}.json"
    found = loads(path.read_text()) if path.is_file() else []
    return found["instructions"] if isinstance(found, dict) else {}


def has_roles(kind: Mapping[str, Any]) -> bool:
    """Whether a layout gives every argument of an instruction a role."""
    roles = kind.get("roles", [])
    return len(roles) == len(kind["args"]) and all(
        (isinstance(role, dict) and bool(role.get("free"))) or (isinstance(role, str) and role in ROLES | OF_SWAPS)
        for role in roles
    )


def role_fault(owner: Address, work: LegWork, call: SvmInstruction) -> Declined | None:
    """Why an instruction for the leg's market must not be signed; None if every argument and account obeys its role."""
    for name, kind in instructions_of(work.market.protocol).items():
        tag = bytes.fromhex(kind["tag"])
        if call.data.startswith(tag):
            return _judged(owner, work, call, name, kind, len(tag))
    return Declined("CALLDATA_UNKNOWN", f"nothing in abis/ describes {call.data[:8].hex()} of {call.program}")


def _judged(
    owner: Address, work: LegWork, call: SvmInstruction, name: str, kind: Mapping[str, Any], at: int
) -> Declined | None:
    if not has_roles(kind):
        return Declined("ARGUMENT_WITHOUT_ROLE", f"{name}: abis/ does not say what each of its arguments is")
    sizes = [SIZES[argument] for argument in kind["args"]]
    if len(call.data) != at + sum(sizes) or len(call.accounts) < len(kind["accounts"]):
        return Declined("CALLDATA_MALFORMED", f"the bytes are not an exact {name}")
    for role, size in zip(kind["roles"], sizes, strict=True):
        value = int.from_bytes(call.data[at : at + size], "little")
        at += size
        if isinstance(role, str) and (why := _beyond(work, role, value)) is not None:
            return Declined(why[0], f"{name}: {why[1]}")
    ours = {owner, *own_accounts(work, owner).values()}
    mine = set(kind.get("mine", ()))
    for entry, meta in zip(kind["accounts"], call.accounts, strict=False):
        label, _, flags = entry.partition(":")
        if label in mine and meta.address not in ours:
            return Declined("RECIPIENT_NOT_SELF", f"{name}: {label} is {meta.address}, no account of ours")
        if "s" in flags and meta.address != owner:
            return Declined("RECIPIENT_NOT_SELF", f"{name}: {label} is {meta.address}, not our account {owner}")
    return None


def _beyond(work: LegWork, role: str, value: int) -> tuple[str, str] | None:
    leaves = work.leg.kind is LegKind.WITHDRAW
    if role == "amount" and value > work.leg.amount.raw and not (leaves and work.leg.all):
        return "AMOUNT_ABOVE_PLAN", f"{value} base units, {work.leg.amount.raw} were approved"
    if role == "shares" and value > work.most_shares:
        return "AMOUNT_ABOVE_PLAN", f"{value} shares, {work.most_shares} may be given back"
    if role == "least" and value == 0:
        return "BELOW_LEAST", "nothing at all would be enough"
    if role == "everything" and value and not (leaves and work.leg.all):
        return "AMOUNT_ABOVE_PLAN", "the whole position, a part was approved"
    if role in OF_SWAPS:
        return "SWAP_NOT_PLANNED", "a swap, and the leg is none"
    return None
