"""Layouts of Solana accounts and instructions, derived addresses, and the length of a slot."""

from __future__ import annotations

import struct

import pytest

from yieldbot.errors import MarketError
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.protocols.solana import layout as _svm
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, Clock, ata, pda, rent_exempt

OWNER = Address("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin")
USDC = Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")


def test_associated_token_account_is_the_canonical_one() -> None:
    from solders.pubkey import Pubkey
    from spl.token.instructions import get_associated_token_address

    ours = ata(OWNER, USDC)
    assert ours == str(get_associated_token_address(Pubkey.from_string(OWNER), Pubkey.from_string(USDC)))
    assert pda(TOKEN_PROGRAM, b"seed") != pda(TOKEN_PROGRAM, b"other")


def test_rent_of_a_token_account() -> None:
    assert rent_exempt(165) == 2_039_280  # what every wallet shows for one


def test_clock_measures_slots_of_the_epoch_and_does_not_trust_its_first_ones() -> None:
    def clock(slots: int, seconds: int) -> Clock:
        return Clock.of(struct.pack("<QqQQq", 5 * SLOTS_PER_EPOCH + slots, 1000, 5, 6, 1000 + seconds))

    assert clock(0, 0).slot_seconds == 0.4
    assert clock(10, 40).slot_seconds == pytest.approx(0.4, abs=0.002)
    assert clock(200_000, 100_000).slot_seconds == pytest.approx(0.49, abs=0.001)
    assert (clock(10, 40).slot, clock(10, 40).timestamp) == (5 * SLOTS_PER_EPOCH + 10, 1040)


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch, tmp_path) -> _svm.Layout:
    (tmp_path / "toy.json").write_text(
        '{"accounts": {"Box": {"size": 60, "tag": "0a0b", "fields": {"n": [2, "u64"], "who": [10, "pubkey"],'
        ' "signed": [42, "i64"], "pair": [50, ["u32", 2]], "on": [58, "bool"]}}},'
        ' "instructions": {"put": {"tag": "07", "args": ["u64", "bool"], "accounts": ["box:w", "who:ws", "clock"]}},'
        ' "errors": {"6": "the box is full"}}'
    )
    monkeypatch.setattr(_svm, "folder", lambda name: tmp_path)
    return _svm.Layout("toy")


def test_layout_reads_fields_and_refuses_other_accounts(layout: _svm.Layout) -> None:
    data = bytes.fromhex("0a0b") + struct.pack("<Q32sqII?x", 7, bytes(32), -3, 1, 2, True)
    assert layout.decode("Box", data) == {
        "n": 7,
        "who": _svm.SYSTEM_PROGRAM,
        "signed": -3,
        "pair": (1, 2),
        "on": True,
    }
    for other in (data[:-1], b"\0" + data[1:]):
        with pytest.raises(MarketError, match="no Box"):
            layout.decode("Box", other)


def test_layout_builds_an_instruction(layout: _svm.Layout) -> None:
    built = layout.build(
        "put", TOKEN_PROGRAM, {"box": USDC, "who": OWNER, "clock": _svm.SYSVAR_CLOCK}, 258, 1, description="x"
    )
    assert built.data == bytes([7, 2, 1, 0, 0, 0, 0, 0, 0, 1])
    assert [(m.address, m.signer, m.writable) for m in built.accounts] == [
        (USDC, False, True),
        (OWNER, True, True),
        (_svm.SYSVAR_CLOCK, False, False),
    ]
    assert (layout.explain(6), layout.explain(7)) == ("the box is full", None)
