"""The real programs of LiteSVM do what the words of a DANGER say, for bytes that no public builder makes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from solders import system_program as system
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from tests.kit.solana.dangers import (
    AT,
    CLOCK,
    HIS,
    KEY,
    KINDS,
    LOADERS,
    ME,
    OTHER,
    OURS,
    OWNER,
    PLACE,
    RENT,
    STAKES,
    TOKENS,
    grant,
    hand,
    said,
    stake,
    text,
    u32,
)


def ran(svm: LiteSVM, made: Sequence[Instruction], *signers: Keypair) -> bool:
    message = Message(list(made), OWNER)
    tx = VersionedTransaction(Message.new_with_blockhash(list(made), OWNER, svm.latest_blockhash()), list(signers))
    assert message.account_keys[0] == OWNER
    return not isinstance(svm.send_transaction(tx), FailedTransactionMetadata)


def world() -> LiteSVM:
    svm = LiteSVM()
    svm.airdrop(OWNER, 10**11)
    mint = bytes(4) + bytes(32) + struct.pack("<Q", 10**9) + b"\6\1" + bytes(36)
    held = bytes(KEY) + bytes(OWNER) + struct.pack("<Q", 10**9) + bytes(36) + b"\1" + bytes(12 + 8 + 36)
    for place, data in ((KEY, mint), (OURS, held)):
        svm.set_account(place, Account(10**9, data, TOKENS, False, 0))
    return svm


def test_the_token_program_passes_over_bytes_behind() -> None:
    svm = world()
    for made, at, want in (
        (grant(5), slice(76, 108), bytes(HIS)),
        (hand(KINDS.CLOSE_ACCOUNT, HIS), slice(133, 165), bytes(HIS)),
        (hand(KINDS.ACCOUNT_OWNER, HIS), slice(32, 64), bytes(HIS)),
    ):
        longer = Instruction(made.program_id, bytes(made.data) + b"\1\2\3", made.accounts)
        assert said(longer).dangers and ran(svm, [longer], ME)
        account = svm.get_account(OURS)
        assert account is not None and bytes(account.data)[at] == want


def test_the_system_program_passes_over_bytes_behind() -> None:
    svm = world()
    svm.airdrop(AT, 10**9)
    made = system.assign({"pubkey": AT, "owner": HIS})
    longer = Instruction(made.program_id, bytes(made.data) + b"\1\2\3", made.accounts)
    assert said(longer).dangers and ran(svm, [longer], ME, PLACE)
    account = svm.get_account(AT)
    assert account is not None and account.owner == HIS


def test_the_stake_program_does_what_the_words_say() -> None:
    svm = world()
    space, rent = 200, 10**9
    opened = system.create_account(
        {"from_pubkey": OWNER, "to_pubkey": AT, "lamports": rent, "space": space, "owner": STAKES}
    )
    mine = stake(0, bytes(OWNER) + bytes(OWNER) + bytes(48), RENT)
    assert said(mine).dangers == () and ran(svm, [opened, mine], ME, PLACE)

    def rights() -> tuple[bytes, bytes]:
        account = svm.get_account(AT)
        assert account is not None
        data = bytes(account.data)
        return data[12:44], data[44:76]

    assert rights() == (bytes(OWNER), bytes(OWNER))
    moved = stake(1, bytes(HIS) + u32(0) + b"\1\2", CLOCK, OWNER)
    assert said(moved).dangers and ran(svm, [moved], ME) and rights() == (bytes(HIS), bytes(OWNER))
    checked = Instruction(
        STAKES, u32(10) + u32(1), [AccountMeta(a, a in (OWNER, OTHER.pubkey()), a == AT) for a in
                                   (AT, CLOCK, OWNER, OTHER.pubkey())],
    )  # fmt: skip
    assert said(checked).dangers and ran(svm, [checked], ME, OTHER)
    assert rights() == (bytes(HIS), bytes(OTHER.pubkey()))


def test_a_derived_stake_authority_is_handed_on_by_its_seed() -> None:
    svm = world()
    derived = Pubkey.create_with_seed(OWNER, "stake:0", STAKES)
    opened = system.create_account(
        {"from_pubkey": OWNER, "to_pubkey": AT, "lamports": 10**9, "space": 200, "owner": STAKES}
    )
    assert ran(svm, [opened, stake(0, bytes(derived) + bytes(derived) + bytes(48), RENT)], ME, PLACE)
    given_ = stake(8, bytes(HIS) + u32(1) + text("stake:0") + bytes(STAKES) + b"\1", OWNER, CLOCK)
    assert said(given_).dangers and ran(svm, [given_], ME)
    account = svm.get_account(AT)
    assert account is not None and bytes(account.data)[44:76] == bytes(HIS)


def test_the_loader_does_what_the_words_say() -> None:
    svm = world()
    buffer = u32(1) + b"\1" + bytes(OWNER) + bytes(100)
    svm.set_account(AT, Account(10**9, buffer, LOADERS, False, 0))
    given_ = Instruction(LOADERS, u32(4) + b"\7", [
        AccountMeta(AT, False, True), AccountMeta(OWNER, True, False), AccountMeta(HIS, False, False)])  # fmt: skip
    assert said(given_).dangers and ran(svm, [given_], ME)
    account = svm.get_account(AT)
    assert account is not None and bytes(account.data)[5:37] == bytes(HIS)
