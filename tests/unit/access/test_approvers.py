"""Signatures of persons: only theirs, only over that plan, only by a person who was there."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.passkeys import Passkey
from yieldbot.access.approvers import Approver, ToApprove, checked, plan_digest, register_of
from yieldbot.errors import ConfigError, InvariantError

ASKED = ToApprove("p1", b"\x11" * 32, "0x" + "ab" * 20, "eip155:8453", 1_800_000_000, ("deposit 5 USDC", "and more"))
PASSKEY = Passkey()
PARTS = st.sampled_from(("authenticatorData", "clientDataJSON", "signature"))
LEAVES = st.none() | st.text(max_size=5) | st.integers()
ANY_JSON = st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(PARTS, one), max_leaves=6)
KEY = Account.from_key(b"\x07" * 32)
ANNA = Approver(name="anna", kind="wallet", address=str(KEY.address))
OTHERS = (
    replace(ASKED, plan="p2"),
    replace(ASKED, digest=b"\x12" * 32),
    replace(ASKED, account="0x" + "cd" * 20),
    replace(ASKED, chain="eip155:1"),
    replace(ASKED, expires=1_800_000_001),
    replace(ASKED, calls=("deposit 5 USDC",)),
    replace(ASKED, calls=("deposit 5 USDCand more", "")),
)


def by(key: Any, asked: ToApprove = ASKED) -> str:
    return "0x" + bytes(key.sign_message(encode_typed_data(full_message=asked.typed())).signature).hex()


SIGNED = bytes.fromhex(by(KEY)[2:])


@pytest.fixture(scope="module")
def passkey() -> Passkey:
    return Passkey()


def holder(passkey: Passkey) -> Approver:
    return Approver(name="ben", kind="passkey", public_key=passkey.public, origin=passkey.origin)


def test_a_wallets_signature_counts_for_its_plan_alone() -> None:
    assert ANNA.signed(ASKED, by(KEY))
    assert not any(ANNA.signed(other, by(KEY)) for other in OTHERS)
    assert not ANNA.signed(ASKED, by(Account.from_key(b"\x08" * 32)))


def test_the_challenge_is_what_the_wallet_signs() -> None:
    signed = KEY.unsafe_sign_hash(ASKED.challenge())
    assert ANNA.signed(ASKED, "0x" + bytes(signed.signature).hex())


@given(st.binary(max_size=80), st.text(max_size=20))
def test_no_other_bytes_count(raw: bytes, text: str) -> None:
    assert not ANNA.signed(ASKED, "0x" + raw.hex()) and not ANNA.signed(ASKED, text)


@settings(max_examples=draws(25, 1000), deadline=None)
@given(st.integers(0, 64), st.integers(1, 255))
def test_no_changed_byte_counts(place: int, change: int) -> None:
    raw = bytearray(SIGNED)
    raw[place] ^= change
    assert not ANNA.signed(ASKED, "0x" + raw.hex())


def test_a_passkeys_assertion_counts_for_its_plan_alone(passkey: Passkey) -> None:
    ben = holder(passkey)
    made = passkey.assertion(ASKED.challenge())
    assert ben.signed(ASKED, made) and not any(ben.signed(other, made) for other in OTHERS)
    assert not holder(Passkey()).signed(ASKED, made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flags": 0x01},
        {"flags": 0x04},
        {"flags": 0x00},
        {"party": "evil.example"},
        {"type": "webauthn.create"},
        {"origin": "https://evil.example"},
        {"origin": "https://yieldbot.example.evil.example"},
        {"crossOrigin": True},
    ],
)
def test_an_assertion_of_another_page_or_without_the_person_counts_nothing(
    passkey: Passkey, wrong: dict[str, Any]
) -> None:
    assert not holder(passkey).signed(ASKED, passkey.assertion(ASKED.challenge(), **wrong))


@given(ANY_JSON)
def test_no_other_json_is_an_assertion(doc: Any) -> None:
    assert not holder(PASSKEY).signed(ASKED, json.dumps(doc))


def test_a_digest_changes_with_any_part_of_the_plan() -> None:
    plan = {"id": "p1", "legs": [{"amount": "5"}]}
    found = {
        plan_digest(plan, ["a"]), plan_digest(plan, ["a", ""]), plan_digest(plan, []),
        plan_digest(plan | {"x": 1}, ["a"]),
        plan_digest({"id": "p1", "legs": [{"amount": "6"}]}, ["a"]),
    }  # fmt: skip
    assert len(found) == 5 and plan_digest({"legs": [{"amount": "5"}], "id": "p1"}, ["a"]) in found


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"name": "anna"}, "must have name and kind"),
        ({"name": "a b", "kind": "wallet", "address": ANNA.address}, "letters, digits"),
        ({"name": "anna", "kind": "wallet", "address": "0x12"}, "no address"),
        ({"name": "anna", "kind": "wallet", "address": ANNA.address + "\n"}, "no address"),
        ({"name": "anna", "kind": "pgp"}, "known are: wallet, passkey"),
        ({"name": "anna", "kind": "passkey", "public_key": "04" + "00" * 64, "origin": "https://x"}, "no public key"),
        ({"name": "anna", "kind": "passkey", "public_key": PASSKEY.public, "origin": "http://x"}, "--origin"),
        ({"name": "anna", "kind": "wallet", "address": ANNA.address, "weight": "2"}, "must have name and kind"),
        ({"name": "anna", "kind": 5}, "no table of texts"),
        ("anna", "no table of texts"),
    ],
)  # fmt: skip
def test_a_register_holds_persons_alone(row: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        register_of(json.dumps({"approvers": [row]}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"approvers": 5}', "{" * 100_000, '{"approvers": null}'])
def test_a_damaged_register_stops_everything(text: str) -> None:
    with pytest.raises(InvariantError, match="damaged"):
        register_of(text)


def test_nobody_stands_twice() -> None:
    row = {"name": "anna", "kind": "wallet", "address": ANNA.address}
    assert register_of(json.dumps({"approvers": [row]})) == {"anna": ANNA}
    with pytest.raises(ConfigError, match="twice"):
        register_of(json.dumps({"approvers": [row, row]}))


def test_one_key_is_one_person_however_it_is_written(passkey: Passkey) -> None:
    x, y = passkey.public[2:66], passkey.public[66:]
    spaced = " ".join(passkey.public[at : at + 2] for at in range(0, 130, 2)).upper()
    compressed = ("03" if int(y, 16) % 2 else "02") + x
    for form in (passkey.public.upper(), spaced, compressed):
        same = checked(replace(holder(passkey), name="other", public_key=form))
        assert same.key == checked(holder(passkey)).key == passkey.public
        rows = [asdict(holder(passkey)), asdict(replace(holder(passkey), name="other", public_key=form))]
        with pytest.raises(ConfigError, match="ben and other have the same key"):
            register_of(json.dumps({"approvers": rows}))
    rows = [asdict(ANNA), asdict(replace(ANNA, name="other", address=ANNA.address.lower()))]
    with pytest.raises(ConfigError, match="anna and other have the same key"):
        register_of(json.dumps({"approvers": rows}))
