"""Squads multisigs, governances and durable nonces from the bytes of their accounts, of which any may be anything."""

from __future__ import annotations

import base64
import random
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import Transaction

from yieldbot.chains.solana.controls import _Book
from yieldbot.chains.solana.multisigs import (
    GOVERNANCE,
    LONGEST_LOCK,
    SQUADS_V3,
    SQUADS_V4,
    SYSTEM,
    controller,
    governance,
    multisig,
    nonce_authority,
    owner_of,
    vaults,
)
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.amounts import BlockRef
from yieldbot.model.controls import ControllerKind
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.settings import SvmLimits

KEYS = [Pubkey(bytes([n]) * 32) for n in range(1, 99) if Pubkey(bytes([n]) * 32).is_on_curve()]
AT = Address(str(KEYS[0]))


def v4(
    threshold: int = 2,
    members: list[tuple[Pubkey, int]] | None = None,
    *,
    lock: int = 0,
    authority: Pubkey | None = None,
    collector: Pubkey | None = None,
) -> bytes:
    rows = members if members is not None else [(key, 7) for key in KEYS[1:4]]
    out = sha256(b"account:Multisig").digest()[:8] + bytes(KEYS[5]) + bytes(authority or 32 * b"\0")
    out += threshold.to_bytes(2, "little") + lock.to_bytes(4, "little") + (9).to_bytes(8, "little") + bytes(8)
    out += b"\0" if collector is None else b"\1" + bytes(collector)
    out += b"\xff" + len(rows).to_bytes(4, "little") + b"".join(bytes(key) + bytes([mask]) for key, mask in rows)
    return out + bytes(32)


def v3(threshold: int = 2, keys: list[Pubkey] | None = None) -> bytes:
    rows = KEYS[1:4] if keys is None else keys
    out = sha256(b"account:Ms").digest()[:8] + threshold.to_bytes(2, "little") + (1).to_bytes(2, "little") + bytes(8)
    return out + b"\xfe" + bytes(KEYS[5]) + b"\0" + len(rows).to_bytes(4, "little") + b"".join(map(bytes, rows))


def image(data: bytes, program: str = SQUADS_V4) -> AccountImage:
    return AccountImage(1, Address(program), data)


def test_threshold_voters_time_lock_and_who_sets_them() -> None:
    rows = [(KEYS[1], 7), (KEYS[2], 2), (KEYS[3], 5)]
    for collector in (None, KEYS[9]):
        found = multisig(AT, image(v4(2, rows, lock=3600, collector=collector)))
        assert found is not None and (found.threshold, found.time_lock, found.config_authority) == (2, 3600, None)
        assert found.voters == (str(KEYS[1]), str(KEYS[2])), "who may only propose and execute has no vote"
    own = controller(found)
    assert (own.kind, own.signatures, own.warning_seconds) == (ControllerKind.SAFE, 2, 3600)
    assert "multisig 2 of 2, 1 h" in own.words
    held = multisig(AT, image(v4(2, lock=3600, authority=KEYS[7])))
    assert held is not None and held.config_authority == str(KEYS[7])
    led = controller(held)
    assert (led.signatures, led.warning_seconds) == (1, 0) and "behind it one key" in led.words
    old = multisig(AT, image(v3(), SQUADS_V3))
    assert old is not None and (old.threshold, old.voters) == (2, tuple(map(str, KEYS[1:4])))


def test_a_vault_is_its_multisigs_by_its_address_alone() -> None:
    four, three = image(v4()), image(v3(), SQUADS_V3)
    own = Pubkey.find_program_address([b"multisig", bytes(KEYS[0]), b"vault", b"\x03"], Pubkey.from_string(SQUADS_V4))
    found = owner_of(Address(str(own[0])), {Address(str(KEYS[9])): four, AT: four})
    assert found is not None and found.address == AT
    old = [b"squad", bytes(KEYS[0]), (1).to_bytes(4, "little"), b"authority"]
    assert vaults(multisig(AT, three))[1] == str(Pubkey.find_program_address(old, Pubkey.from_string(SQUADS_V3))[0])  # type: ignore[arg-type]
    assert owner_of(Address(str(KEYS[8])), {AT: four}) is None and owner_of(AT, {AT: four}) is None


@pytest.mark.parametrize(
    "data",
    [
        v4(0),
        v4(4),
        v4(2, [(KEYS[1], 7), (KEYS[1], 7)]),
        v4(1, [(KEYS[1], 5)]),
        v4(lock=LONGEST_LOCK + 1),
        v4()[:98],
        v4()[:-60],
        b"\x01" * 8 + v4()[8:],
        v4()[:94] + b"\x02" + v4()[95:],
    ],
)
def test_what_contradicts_itself_is_no_multisig(data: bytes) -> None:
    assert multisig(AT, image(data)) is None and multisig(AT, image(v4(), SYSTEM)) is None


def test_a_governance_acts_on_votes_after_its_hold_up_time() -> None:
    def account(kind: int, threshold: bytes, seconds: int) -> bytes:
        return (
            bytes([kind])
            + bytes(68)
            + threshold
            + (10**6).to_bytes(8, "little")
            + seconds.to_bytes(4, "little")
            + bytes(99)
        )

    for threshold in (b"\0\x3c", b"\1\x05", b"\2"):
        found = governance(AT, image(account(19, threshold, 2 * 86_400), GOVERNANCE))
        assert found is not None and (found.kind, found.warning_seconds) == (ControllerKind.GOVERNOR, 2 * 86_400)
    for data, program in ((account(3, b"\0\x3c", 5), GOVERNANCE), (account(19, b"\0\x3c", 5), SYSTEM)):
        assert governance(AT, image(data, program)) is None
    assert governance(AT, image(account(19, b"\0\x3c", 2**32 - 1), GOVERNANCE)) is None


def test_a_durable_nonce_names_who_may_use_it() -> None:
    data = (1).to_bytes(4, "little") * 2 + bytes(KEYS[1]) + bytes(KEYS[2]) + (5000).to_bytes(8, "little")
    assert nonce_authority(image(data, SYSTEM)) == (str(KEYS[1]), str(KEYS[2]))
    assert nonce_authority(image(bytes(80), SYSTEM)) is None and nonce_authority(image(data)) is None


@settings(max_examples=200, deadline=None)
@given(st.integers())
def test_no_bytes_raise(seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(draw.choice((v4(), v3(), draw.randbytes(draw.randrange(300)))))
    for _ in range(draw.randrange(4)):
        if data:
            data[draw.randrange(len(data))] = draw.randrange(256)
    cut = bytes(data[: draw.randrange(len(data) + 1)]) if draw.random() < 0.5 else bytes(data)
    for program in (SQUADS_V3, SQUADS_V4, GOVERNANCE, SYSTEM):
        one = image(cut, program)
        found = multisig(AT, one)
        assert found is None or 0 < found.threshold <= len(found.voters)
        governance(AT, one)
        nonce_authority(one)


class History:
    """Double of a node that tells a vault's transactions: answers by method, the accounts of a small world."""

    def __init__(self, accounts: dict[Address, AccountImage], keys: list[Pubkey], loaded: list[str]) -> None:
        blockhash = Hash(bytes(32))
        message = Message.new_with_blockhash([Instruction(keys[-1], b"", [])], keys[0], blockhash)
        raw = bytes(Transaction.populate(message, [Signature.default()] * message.header.num_required_signatures))
        self.accounts, self.asked = accounts, 0
        self.answer = {
            "transaction": [base64.b64encode(raw).decode(), "base64"],
            "meta": {"loadedAddresses": {"writable": loaded, "readonly": []}},
        }

    async def request(self, method: str, params: list[Any]) -> Any:
        assert method == "getSignaturesForAddress"
        self.asked += 1
        return [{"signature": "s"}, {"signature": "t"}]

    async def transaction(self, signature: str, commitment: str) -> Any:
        return self.answer if signature == "s" else None

    async def heads(self, addresses: list[Address], length: int) -> dict[Address, AccountImage | None]:
        return {one: self.accounts.get(one) for one in addresses}


async def test_a_vaults_multisig_is_found_in_its_transactions_and_kept() -> None:
    vault = vaults(multisig(AT, image(v4())))[0]  # type: ignore[arg-type]
    block = BlockRef(ChainId("solana:x"), 50, "", 1_800_000_000)
    node: Any = History({AT: image(v4(3))}, [KEYS[2], KEYS[3]], [AT])
    book = _Book.of({}, SvmLimits())
    await book.read(node, (vault,), block)
    assert book.who[vault].kind is ControllerKind.SAFE and book.who[vault].threshold == 3 and node.asked == 1
    later = _Book.of(book.kept(), SvmLimits())
    await later.read(node, (vault,), block)
    assert later.who[vault] == book.who[vault] and node.asked == 1, "kept, and proven again by its address"
    strange: Any = History({AT: image(v4(3))}, [KEYS[2], KEYS[3]], [str(KEYS[9])])
    blank = _Book.of({"multisigs": 7}, SvmLimits())
    await blank.read(strange, (vault,), block)
    assert blank.who[vault].kind is ControllerKind.CONTRACT
    await blank.read(strange, (vault,), block)
    assert strange.asked == 1, "searched again in a week"
    strange.answer = {"transaction": ["x"]}
    await _Book.of({}, SvmLimits()).read(strange, (vault,), block)
