"""Who may deploy a Solana program anew, from the bytes of its accounts."""

from __future__ import annotations

from solders.pubkey import Pubkey

from yieldbot.chains.solana.controls import authority, data_of, facts_of
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.controls import ControllerKind
from yieldbot.model.ids import Address
from yieldbot.model.known import UPGRADEABLE_LOADER

PROGRAM = Address(str(Pubkey(bytes([7]) * 32)))
DATA = Pubkey.find_program_address([b"data"], Pubkey.from_string(UPGRADEABLE_LOADER))[0]
VAULT = Pubkey.find_program_address([b"vault"], Pubkey(bytes([9]) * 32))[0]


def image(data: bytes, program: str = UPGRADEABLE_LOADER, *, executable: bool = False) -> AccountImage:
    return AccountImage(1, Address(program), data, executable)


HEAD = image(b"\x02\0\0\0" + bytes(DATA), executable=True)


def deployed(holder: Pubkey | None, slot: int = 5) -> dict[Address, AccountImage | None]:
    by = b"\0" + bytes(32) if holder is None else b"\x01" + bytes(holder)
    return {Address(str(DATA)): image(b"\x03\0\0\0" + slot.to_bytes(8, "little") + by)}


def test_the_upgrade_authority_and_the_slot_of_the_last_deployment() -> None:
    key = next(Pubkey(bytes([n]) * 32) for n in range(1, 99) if Pubkey(bytes([n]) * 32).is_on_curve())
    assert data_of(HEAD) == str(DATA)
    for holder, kind in ((key, ControllerKind.EOA), (VAULT, ControllerKind.CONTRACT), (None, ControllerKind.NONE)):
        found = facts_of(PROGRAM, HEAD, data_of(HEAD), deployed(holder), 9)
        assert (found.upgrade_by.kind, found.created_block, found.implementation) == (kind, 5, str(DATA))
        assert not found.missing and found.values == (("deployed at slot", "5"),)
    assert "multisig" in authority(Address(str(VAULT))).why


def test_what_cannot_be_read_is_the_worst_case_and_named() -> None:
    short = {Address(str(DATA)): image(b"\x03\0\0\0")}
    odd = {Address(str(DATA)): image(b"\x03\0\0\0" + bytes(8) + b"\x05" + bytes(32))}
    for behind in ({}, {Address(str(DATA)): None}, short, odd):
        found = facts_of(PROGRAM, HEAD, data_of(HEAD), behind, 9)
        assert found.upgrade_by.kind is ControllerKind.UNKNOWN and found.missing
    assert facts_of(PROGRAM, None, None, {}, 9).upgrade_by.kind is ControllerKind.UNKNOWN
    fixed = image(b"\x7fELF", "BPFLoader2111111111111111111111111111111111", executable=True)
    assert facts_of(PROGRAM, fixed, data_of(fixed), {}, 9).upgrade_by.kind is ControllerKind.NONE
