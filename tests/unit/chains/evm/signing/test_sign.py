"""Keys: encrypted, private, never shown; a signature is over exactly what was approved."""

import copy
import inspect
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as Keys
from eth_utils.crypto import keccak

from tests.kit.evm.signing import approved
from tests.kit.wiring import APPROVAL, KEY, NOW, OWNER, RULES, STRANGER, simulated, supply_data, supply_tx, work
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.signing import keystore
from yieldbot.chains.evm.signing.keystore import KeystoreSigner, create, import_key
from yieldbot.chains.evm.signing.sign import (
    CURVE_ORDER,
    address_of,
    assembled,
    digest,
    fields,
    payload,
    to_sign,
    verified,
    with_parity,
)
from yieldbot.chains.keystores import list_keystores
from yieldbot.chains.solana.signing import keystore as solana
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.execution.passphrases import passphrase
from yieldbot.model.ids import Address
from yieldbot.model.settings import Wallet
from yieldbot.model.tx import ApprovedTx

SECRET = "long enough to be one"
FAST = 2


@pytest.fixture
def signer(tmp_path: Path) -> KeystoreSigner:
    import_key(tmp_path / "keys" / "main.json", "0x" + KEY, SECRET, scrypt_n=FAST)
    return KeystoreSigner(tmp_path / "keys" / "main.json", lambda: SECRET)


def test_the_bytes_signed_are_those_approved(signer: KeystoreSigner) -> None:
    from eth_account import Account

    signed = signer.sign(approved())
    assert signer.address == OWNER == Account.recover_transaction(signed.raw)
    assert signed.raw[0] == 2 and supply_data() in signed.raw
    assert signed == signer.sign(approved())  # RFC 6979: the same bytes each time
    other = Account.sign_transaction(fields(supply_tx()), KEY)
    assert bytes(other.raw_transaction) == signed.raw and "0x" + bytes(other.hash).hex() == signed.hash


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": 8},
        {"gas": 1},
        {"value": 1},
        {"to": STRANGER},
        {"data": b""},
        {"max_fee_wei": 1, "priority_fee_wei": 1},
    ],
)
def test_other_bytes_are_refused(change: dict[str, Any]) -> None:
    from eth_account import Account

    raw = bytes(Account.sign_transaction(fields(replace(supply_tx(), **change)), KEY).raw_transaction)
    with pytest.raises(SafetyError) as refused:
        verified(approved(), raw)
    assert refused.value.code == "DIGEST_MISMATCH"
    swapped = replace(approved(), digest=digest(replace(supply_tx(), **change)))
    with pytest.raises(SafetyError, match="DIGEST_MISMATCH"):
        verified(swapped, raw)


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", bytes(100), b"\xff" * 50])
def test_bytes_that_are_no_transaction_are_refused(raw: bytes) -> None:
    with pytest.raises(SafetyError, match="DIGEST_MISMATCH"):
        verified(approved(), raw)


def test_another_key_is_refused() -> None:
    from eth_account import Account

    raw = bytes(Account.sign_transaction(fields(supply_tx()), "22" * 32).raw_transaction)
    with pytest.raises(SafetyError, match="WRONG_KEY"):
        verified(approved(), raw)


def test_the_key_is_in_nothing_that_can_be_shown(signer: KeystoreSigner, tmp_path: Path) -> None:
    signer.sign(approved())
    wrong = KeystoreSigner(tmp_path / "keys" / "main.json", lambda: "wrong " + SECRET)
    with pytest.raises(ConfigError, match="wrong passphrase") as failure:
        wrong.sign(approved())
    with pytest.raises(ConfigError) as imported:
        import_key(tmp_path / "x.json", KEY + "00", SECRET)
    shown = " ".join([repr(signer), str(signer), repr(failure.value), repr(imported.value)])
    shown += repr(failure.value.__cause__) + (tmp_path / "keys" / "main.json").read_text()
    assert KEY not in shown and SECRET not in shown
    for copied in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="cannot be copied"):
            copied(signer)
    assert not hasattr(signer, "__dict__")


def test_a_keystore_is_private_complete_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "main.json"
    address = create(path, SECRET, scrypt_n=FAST)
    assert path.stat().st_mode & 0o777 == 0o600
    document = json.loads(path.read_text())
    assert document["version"] == 3 and document["crypto"]["kdf"] == "scrypt"
    with pytest.raises(ConfigError, match="exists already"):
        create(path, SECRET, scrypt_n=FAST)
    (tmp_path / "junk.json").write_text("{}")
    (tmp_path / "junk.json").chmod(0o600)
    junk, main = list_keystores(tmp_path)
    assert main.address == address and main.fault is None
    assert junk.address is None and junk.fault is not None and "version 3" in junk.fault
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"open to other users \(mode 0640\): chmod 600"):
        KeystoreSigner(path, lambda: SECRET)
    with pytest.raises(ConfigError, match="cannot be found"):
        KeystoreSigner(tmp_path / "none.json", lambda: SECRET)


def test_a_new_keystore_costs_who_guesses_its_passphrase_half_a_second_a_try() -> None:
    """The program names no work factor (and runs of it in the tests have a small one: ``tests.kit.warm``)."""
    for family, factor in ((keystore, 2**18), (solana, 2**17)):
        for function in (family.create, family.import_key, family.import_seed):
            assert inspect.signature(function).parameters["scrypt_n"].default == factor


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"{}", b'{"version": 3, "address": 7, "crypto": 1}'])
def test_a_keystore_that_cannot_be_read_is_told_with_the_remedy(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "main.json"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"main\.json .*: .*`yieldbot wallet import`"):
        KeystoreSigner(path, lambda: SECRET)


@pytest.mark.parametrize("secret", ["", "a", "seven77"])
def test_a_short_passphrase_is_refused(secret: str, tmp_path: Path) -> None:
    for write in (lambda file: create(file, secret, FAST), lambda file: import_key(file, KEY, secret, FAST)):
        with pytest.raises(ConfigError, match="fewer than 8 characters protects nothing: choose a longer one"):
            write(tmp_path / "main.json")
    assert not list(tmp_path.iterdir())
    create(tmp_path / "main.json", "eight888", scrypt_n=FAST)


def test_a_keystore_that_names_another_account_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "main.json"
    import_key(path, "22" * 32, SECRET, scrypt_n=FAST)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"address": OWNER[2:].lower()}))
    with pytest.raises(ConfigError, match="holds the key of"):
        KeystoreSigner(path, lambda: SECRET).sign(approved())


def test_the_passphrase_comes_from_file_then_variable_then_prompt(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from file\n")
    file.chmod(0o600)
    wallet = Wallet(name="main", address=OWNER, keystore=tmp_path / "k", passphrase_file=file, passphrase_env="PASS")
    assert passphrase(wallet, {"PASS": "from env"}, None)() == "from file"
    wallet = replace(wallet, passphrase_file=None)
    assert passphrase(wallet, {"PASS": "from env"}, None)() == "from env"
    assert passphrase(wallet, {}, lambda question: f"from {question}")() == "from Passphrase of wallet main: "
    with pytest.raises(ConfigError, match=r"\$PASS is not set"):
        passphrase(wallet, {}, None)()
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        passphrase(replace(wallet, passphrase_file=file), {}, None)()


def approved_tx(**changes: Any) -> ApprovedTx:
    found = judge(RULES, APPROVAL, work(), simulated(supply_tx(**changes)), NOW)
    assert isinstance(found, ApprovedTx)
    return found


def signature(of: bytes, key: str = KEY) -> tuple[int, int]:
    made = Keys.unsafe_sign_hash(of, key)
    return int(made.r), int(made.s)


def test_an_approval_of_other_bytes_is_not_signed() -> None:
    good = approved_tx()
    assert to_sign(good) == good.digest == digest(supply_tx())
    other = replace(good, digest=digest(supply_tx(nonce=8)))
    with pytest.raises(SafetyError, match="the approval is of another transaction than supply") as refused:
        to_sign(other)
    assert refused.value.code == "DIGEST_MISMATCH"


def test_a_signature_made_elsewhere_becomes_the_signed_transaction_with_the_lower_s() -> None:
    good = approved_tx()
    r, s = signature(good.digest)
    whole = assembled(good, OWNER, r, s)
    assert whole == assembled(good, Address(OWNER.lower()), r, CURVE_ORDER - s)
    assert whole.raw == bytes(Keys.from_key(KEY).sign_transaction(fields(supply_tx())).raw_transaction)
    assert whole.approved == good and whole.hash == "0x" + keccak(whole.raw).hex()
    for bad in (signature(good.digest, "22" * 32), signature(digest(supply_tx(nonce=8))), (r + 1, s), (r, 0), (0, s)):
        with pytest.raises(SafetyError, match=f"what came back is no signature of {OWNER} over supply") as refused:
            assembled(good, OWNER, *bad)
        assert refused.value.code == "WRONG_KEY"
    with pytest.raises(SafetyError, match="the bytes signed are not those approved") as refused:
        assembled(replace(good, digest=bytes(32)), OWNER, r, s)
    assert refused.value.code == "DIGEST_MISMATCH"


def test_both_parities_are_told_apart() -> None:
    seen = set()
    for nonce in range(12):
        hash_ = digest(supply_tx(nonce=nonce))
        r, s = signature(hash_)
        for given in (s, CURVE_ORDER - s):
            found = with_parity(hash_, OWNER, r, given)
            assert found == bytes(Keys.unsafe_sign_hash(hash_, KEY).signature) and len(found) == 65
            assert Keys._recover_hash(hash_, signature=found) == OWNER
            seen.add(found[64])
    assert seen == {27, 28}
    with pytest.raises(SafetyError, match=f"no signature of {STRANGER}") as refused:
        with_parity(hash_, STRANGER, r, s)
    assert refused.value.code == "WRONG_KEY"


def test_bytes_that_cannot_be_read_or_are_anothers_are_no_signed_transaction() -> None:
    good = approved_tx()
    theirs = bytes(Keys.from_key("22" * 32).sign_transaction(fields(supply_tx())).raw_transaction)
    ours = bytes(Keys.from_key(KEY).sign_transaction(fields(supply_tx())).raw_transaction)
    other = bytes(Keys.from_key(KEY).sign_transaction(fields(supply_tx(nonce=8))).raw_transaction)
    assert verified(good, ours).raw == ours
    for raw, code, said in (
        (theirs, "WRONG_KEY", "the key signs for"),
        (other, "DIGEST_MISMATCH", "are not those approved"),
        (ours + b"\0", "DIGEST_MISMATCH", "no EIP-1559 transaction"),
        (b"", "DIGEST_MISMATCH", "no EIP-1559 transaction"),
        (b"\x02", "DIGEST_MISMATCH", "no EIP-1559 transaction"),
    ):
        with pytest.raises(SafetyError, match=said) as refused:
            verified(good, raw)
        assert refused.value.code == code
    both = replace(good, digest=digest(supply_tx(nonce=8)))
    for raw in (ours, other):
        with pytest.raises(SafetyError, match="are not those approved"):
            verified(both, raw)


def test_an_account_is_told_by_its_public_key() -> None:
    key = Keys.from_key(KEY)._key_obj.public_key.to_bytes()
    assert address_of(key) == OWNER
    for bad in (key[:-1], key + b"\0", b""):
        with pytest.raises(ValueError, match="64 bytes"):
            address_of(bad)


def test_the_payload_is_what_the_digest_is_of() -> None:
    tx = supply_tx()
    assert keccak(payload(tx)) == digest(tx) and payload(tx)[0] == 2
