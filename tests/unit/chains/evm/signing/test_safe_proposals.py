"""A Safe's proposal: its hash and bytes as the contracts have them, and when none is signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account as Keys
from eth_utils.crypto import keccak

from tests.kit.chain_double import ChainDouble, account_of, node_of, open_journal
from tests.kit.evm.safe_proposals import (
    ALLOW,
    APPROVAL,
    DELTAS,
    PLAN,
    REHEARSAL,
    SAFE,
    SEND,
    SUPPLY,
    WORK,
    Device,
    chain_with,
)
from tests.kit.wiring import (
    EXPIRES,
    NOW,
    OWNER,
    POOL,
    RAW,
    SHARES,
    STRANGER,
    USDC,
    leg,
    supply_data,
    word,
)
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.signing.safe import ApprovedSafeTx, _compared, _document, propose, state_of, waiting
from yieldbot.chains.evm.signing.safe_tx import MULTI_SEND, NOBODY, SafeTx, batch, calls_in, packed, unpacked
from yieldbot.errors import NodeRefused, SafetyError
from yieldbot.execution.results import Proposed
from yieldbot.journal.journal_entries import AccountStopped, PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Delta, EvmCall

TX = SafeTx(SAFE, 8453, SEND, b"\x01\x02", 1, 9)


def test_the_hash_is_safes_own() -> None:
    """By hand, with the two type hashes that Safe 1.4.1 has as constants."""
    domain = keccak(
        encode(
            ["bytes32", "uint256", "address"],
            [bytes.fromhex("47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218"), 8453, SAFE],
        )
    )
    kinds = ["bytes32", "address", "uint256", "bytes32", "uint8", *["uint256"] * 3, "address", "address", "uint256"]
    values = [
        bytes.fromhex("bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8"),
        *(SEND, 0, keccak(b"\x01\x02"), 1, 0, 0, 0, NOBODY, NOBODY, 9),
    ]
    assert TX.hash == keccak(b"\x19\x01" + domain + keccak(encode(kinds, values)))


CALLS = [EvmCall(POOL, b"\xaa\xbb", 0, "one"), EvmCall(STRANGER, b"", 5, "two")]
BYTES = (
    b"\0" + word(POOL)[12:] + bytes(32) + (2).to_bytes(32, "big") + b"\xaa\xbb"
    b"\0" + word(STRANGER)[12:] + (5).to_bytes(32, "big") + bytes(32)
)


def test_calls_are_packed_and_read_again_as_multi_send_does() -> None:
    assert packed(CALLS) == BYTES
    assert unpacked(BYTES) == [(0, POOL.lower(), 0, b"\xaa\xbb"), (0, STRANGER.lower(), 5, b"")]
    assert unpacked(b"") == [] and unpacked(b"\x01" + BYTES[1:87])[0][0] == 1
    for cut in (BYTES[:86], BYTES[:84], BYTES[:-1], BYTES + b"\0", BYTES[:87] + bytes(84)):
        with pytest.raises(ValueError, match="in the middle of a call"):
            unpacked(cut)


def test_a_batch_of_plain_calls_is_read_and_nothing_else() -> None:
    good = batch(SAFE, 8453, CALLS[:1], SEND, 9)
    assert (good.safe, good.chain, good.to, good.operation, good.nonce) == (SAFE, 8453, SEND, 1, 9)
    assert good.data == selector(MULTI_SEND) + encode(["bytes"], [packed(CALLS[:1])])
    assert calls_in(good, SEND) == [(POOL.lower(), b"\xaa\xbb")]
    assert calls_in(replace(good, to=Address(SEND.lower())), SEND) == [(POOL.lower(), b"\xaa\xbb")]
    delegates = selector(MULTI_SEND) + encode(["bytes"], [b"\x01" + packed(CALLS[:1])[1:]])
    for bad, said in (
        (replace(good, to=STRANGER), "no multiSend"),
        (replace(good, operation=0), "no multiSend"),
        (replace(good, data=b"\0" + good.data[1:]), "no multiSend"),
        (replace(good, data=good.data + b"\0"), "no exact call"),
        (replace(good, data=good.data[:40]), "no exact call"),
        (replace(good, data=delegates), "delegates or sends value"),
        (batch(SAFE, 8453, CALLS, SEND, 9), "delegates or sends value"),
    ):
        with pytest.raises(ValueError, match=said):
            calls_in(bad, SEND)


def test_an_earlier_proposal_waits_until_the_safe_has_gone_past_it() -> None:
    notes = ["words of another kind", "0xaa nonce 4", "0xbb nonce 7", "0xcc nonce x"]
    assert [waiting(notes, nonce) for nonce in (4, 5, 7, 8)] == ["0xaa", "0xbb", "0xbb", None]
    assert waiting([], 0) is None


@pytest.mark.parametrize("raw", [-RAW + 1_200_001, -RAW - 1_200_001, 0, RAW])
def test_the_safes_own_change_is_the_rehearsed_one(raw: int) -> None:
    """One basis point of 12,000 USDC is 1,200,000 base units."""
    wanted = [Delta(SHARES, RAW), Delta(USDC, -RAW)]
    for good in (-RAW, -RAW + 1_200_000, -RAW - 1_200_000):
        assert _compared(wanted, [Delta(USDC, good), Delta(SHARES, RAW)], 1.0) is None
    found = _compared(wanted, [Delta(USDC, raw), Delta(SHARES, RAW)], 1.0)
    assert found is not None and found.code == "DELTA_NOT_PLANNED"
    assert found.reason == f"the Safe transaction: USDC changes by {raw} base units, {-RAW} were rehearsed"
    missing = _compared(wanted, [Delta(USDC, -RAW)], 1.0)
    assert missing is not None and "aUSDC changes by 0 base units" in missing.reason


def test_the_document_is_what_the_transaction_service_takes() -> None:
    document = _document(ApprovedSafeTx(TX, b"\x0f" * 32, "you", EXPIRES), OWNER, b"\x07" * 65)
    assert document == {
        "safe": SAFE,
        "to": SEND,
        "value": "0",
        "data": "0x0102",
        "operation": 1,
        "safeTxGas": 0,
        "baseGas": 0,
        "gasPrice": 0,
        "gasToken": NOBODY,
        "refundReceiver": NOBODY,
        "nonce": 9,
        "contractTransactionHash": "0x" + "0f" * 32,
        "sender": OWNER,
        "signature": "0x" + "07" * 65,
        "origin": "yieldbot",
    }
    assert json.loads(json.dumps(document)) == document
    assert Proposed("0xaa", 2, (OWNER,), document).note == "0xaa nonce 9"
    assert waiting([Proposed("0xaa", 2, (OWNER,), document).note], 9) == "0xaa"


# The proposal of a plan, on the double of a chain.


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        opened.append(PlanWritten(PLAN))
        yield opened


def safe_of(chain: ChainDouble, journal: Journal, **changes: Any) -> Account:
    return account_of(chain, journal, **{"owner": SAFE, "pays_gas": False} | changes)


async def refusal(account: Account, **changes: Any) -> str | None:
    """The code of a proposal that is not made; the device is then never asked, unless ``asked``."""
    device = changes.pop("device", Device())
    given = {"approval": APPROVAL, "works": (WORK,), "rehearsal": REHEARSAL} | changes
    found = await propose(account, device, **given)
    return found.code if isinstance(found, Declined) else None


async def test_an_approved_plan_becomes_one_signed_transaction_of_the_safe(journal: Journal) -> None:
    chain, device = chain_with(), Device()
    made = await propose(safe_of(chain, journal), device, APPROVAL, (WORK,), REHEARSAL)
    assert isinstance(made, Proposed), made
    wanted = batch(SAFE, 8453, [ALLOW, SUPPLY], SEND, 9)
    (asked,) = device.asked
    assert asked == ApprovedSafeTx(wanted, wanted.hash, "you", EXPIRES)
    assert (made.hash, made.threshold, made.owners) == ("0x" + wanted.hash.hex(), 2, (STRANGER, OWNER))
    assert made.document == _document(asked, OWNER, bytes.fromhex(made.document["signature"][2:]))
    assert Keys._recover_hash(wanted.hash, signature=bytes.fromhex(made.document["signature"][2:])) == OWNER
    assert not chain.sent


async def test_a_halt_and_an_expiry_end_it_also_while_the_device_is_asked(journal: Journal) -> None:
    chain, device = chain_with(), Device()
    assert await refusal(safe_of(chain, journal, halted=lambda: "stop"), device=device) == "HALTED"
    assert await refusal(safe_of(chain, journal, now=lambda: EXPIRES), device=device) == "EXPIRED"
    assert not device.asked and not [one for one in chain.asked if one[0] == "eth_sendRawTransaction"]
    said = iter([None, "stop"])
    assert await refusal(safe_of(chain, journal, halted=lambda: next(said)), device=device) == "EXPIRED"
    assert len(device.asked) == 1
    for last, code in ((EXPIRES - 1, None), (EXPIRES, "EXPIRED"), (EXPIRES + 1, "EXPIRED")):
        device = Device()
        account = safe_of(chain, journal, now=lambda last=last, device=device: last if device.asked else NOW)
        assert await refusal(account, device=device) == code
        assert len(device.asked) == 1


async def test_a_stopped_safe_signs_nothing(journal: Journal) -> None:
    journal.append(AccountStopped(PLAN.block.chain, SAFE, "it lost something", "0xaa"))
    found = await propose(safe_of(chain_with(), journal), Device(), APPROVAL, (WORK,), REHEARSAL)
    assert found == Declined("ACCOUNT_STOPPED", f"account {SAFE} is stopped: it lost something")


async def test_there_must_be_a_safe_that_we_own_and_its_multi_send(journal: Journal) -> None:
    for address in (SAFE, SEND):
        chain = chain_with()
        del chain.code[address.lower()]
        found = await propose(safe_of(chain, journal), Device(), APPROVAL, (WORK,), REHEARSAL)
        assert isinstance(found, Declined) and found.code == "NO_SAFE" and address in found.reason
    chain = chain_with(owners=(STRANGER,))
    assert await refusal(safe_of(chain, journal)) == "NOT_AN_OWNER"
    chain = chain_with()
    chain.answers[(SAFE.lower(), selector("getOwners()").hex())] = b"\1"
    assert await refusal(safe_of(chain, journal)) == "NO_SAFE"
    with pytest.raises(ValueError, match="names no owners"):
        await state_of(node_of(chain), SAFE)
    chain = chain_with()
    chain.refuses = {"eth_call": "execution reverted"}
    assert await refusal(safe_of(chain, journal)) == "NO_SAFE"
    chain.refuses = {"eth_call": "archive state is not in your plan, upgrade"}
    try:
        assert await refusal(safe_of(chain, journal)) == "NO_SAFE"
    except NodeRefused as words:
        assert words.by_provider


async def test_it_waits_for_a_proposal_of_the_same_safe_that_is_still_in_time(journal: Journal) -> None:
    account = safe_of(chain_with(), journal)
    journal.append(PlanMarked(PLAN.id, PlanStatus.APPROVED, "you", "0xaa nonce 30"))
    assert await refusal(account) is None, "only what was handed over waits"
    journal.append(PlanMarked(PLAN.id, PlanStatus.HANDED_OVER, "safe", "0xaa nonce 8"))
    assert await refusal(account) is None, "executed since"
    other = replace(PLAN, id="p2", owner=OWNER)
    journal.append(PlanWritten(other), PlanMarked("p2", PlanStatus.HANDED_OVER, "safe", "0xbb nonce 30"))
    assert await refusal(account) is None, "another account's"
    journal.append(PlanMarked(PLAN.id, PlanStatus.HANDED_OVER, "safe", "0xcc nonce 9"))
    found = await propose(account, Device(), APPROVAL, (WORK,), REHEARSAL)
    assert isinstance(found, Declined) and found.code == "WAITS_FOR_OWNERS" and "0xcc" in found.reason
    longer = replace(APPROVAL, expires_at=EXPIRES + 9)
    for now, code in ((PLAN.expires_at - 1, "WAITS_FOR_OWNERS"), (PLAN.expires_at, None)):
        assert await refusal(safe_of(chain_with(), journal, now=lambda now=now: now), approval=longer) == code


async def test_the_batch_is_judged_and_does_on_the_fork_what_was_rehearsed(journal: Journal) -> None:
    account = safe_of(chain_with(), journal)
    elsewhere = replace(SUPPLY, data=supply_data(to=STRANGER))
    (its,) = REHEARSAL.legs
    stolen = replace(REHEARSAL, legs=(replace(its, txs=(its.txs[0], replace(its.txs[1], call=elsewhere))),))
    assert await refusal(account, rehearsal=stolen, works=(replace(WORK, calls=(elsewhere,)),)) == "RECIPIENT_NOT_SELF"
    paying = replace(its.txs[1], call=replace(SUPPLY, value=1))
    assert await refusal(account, rehearsal=replace(REHEARSAL, legs=(replace(its, txs=(paying,)),))) == "NOT_A_BATCH"
    smaller = replace(APPROVAL, plan=replace(PLAN, legs=(leg(RAW - 1),)))
    assert await refusal(account, approval=smaller) == "AMOUNT_ABOVE_PLAN"
    more = replace(REHEARSAL, legs=(replace(its, deltas=(Delta(USDC, -RAW), Delta(SHARES, 2 * RAW))),))
    assert await refusal(account, rehearsal=more) == "DELTA_NOT_PLANNED"
    chain = chain_with()
    chain.effect = lambda fork, fields: None
    assert await refusal(safe_of(chain, journal)) == "WOULD_REVERT"
    native = replace(its, deltas=(*DELTAS[:2], Delta(account.native, -(10**15))))
    assert await refusal(account, rehearsal=replace(REHEARSAL, legs=(native,))) is None, "who executes pays the gas"


async def test_another_keys_signature_is_a_safety_error(journal: Journal) -> None:
    class Short(Device):
        def sign_safe(self, approved: ApprovedSafeTx) -> bytes:
            return super().sign_safe(approved)[:64]

    for device in (Device(spoils=True), Short()):
        with pytest.raises(SafetyError, match=f"the signature is not {OWNER}'s"):
            await propose(safe_of(chain_with(), journal), device, APPROVAL, (WORK,), REHEARSAL)


async def test_the_chain_is_verified_before_the_key_is_asked(journal: Journal) -> None:
    chain, device = chain_with(), Device()
    chain.chain = 1
    with pytest.raises(Exception, match="8453"):
        await propose(safe_of(chain, journal), device, APPROVAL, (WORK,), REHEARSAL)
    assert not device.asked


def test_several_transactions_of_one_plan_wait_one_by_one() -> None:
    documents = [_document(ApprovedSafeTx(replace(TX, nonce=n), b"", "you", 0), OWNER, b"") for n in (9, 10)]
    first = Proposed("0xaa", 2, (OWNER,), documents[0], (Proposed("0xbb", 2, (OWNER,), documents[1]),))
    assert first.note == "0xaa nonce 9, 0xbb nonce 10" and [one.hash for one in first.every] == ["0xaa", "0xbb"]
    assert [waiting([first.note], nonce) for nonce in (9, 10, 11)] == ["0xaa", "0xbb", None]
    assert replace(TX, gas=7).message["safeTxGas"] == 7 and replace(TX, gas=7).hash != TX.hash
