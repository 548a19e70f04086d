"""Keys as other programs write them: keystores without an address, of both kinds; passphrases of other systems; what
`wallet import` takes."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from yieldbot.chains.evm.signing.keystore import KeystoreSigner, decrypted
from yieldbot.chains.key_import import FIRST_PATH, key_in
from yieldbot.chains.keystores import list_keystores
from yieldbot.chains.solana.signing import keystore as solana
from yieldbot.errors import ConfigError
from yieldbot.model.families import EVM, SOLANA, Family
from yieldbot.model.ids import Address

SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
ADDRESS = Address("0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b")
COMMON: dict[str, Any] = {"cipher": "aes-128-ctr"}
PBKDF2: dict[str, Any] = {
    "crypto": COMMON
    | {
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT: dict[str, Any] = {
    "crypto": COMMON
    | {
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
"""The two test vectors of the Web3 Secret Storage definition; neither names its address."""
HARDHAT = "test test test test test test test test test test test junk"
ABANDON = "abandon " * 11 + "about"


def private(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_text(text)
    return path


def cheap(secret: str, kdf: str = "pbkdf2") -> dict[str, Any]:
    """A keystore of the same key that is open at once."""
    from eth_account import Account

    return dict(Account.encrypt(bytes.fromhex(SECRET), secret, kdf=kdf, iterations=2))


@pytest.mark.parametrize("document", [PBKDF2, SCRYPT], ids=["pbkdf2", "scrypt"])
def test_a_keystore_that_names_no_address_takes_it_from_the_configuration(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    """It was refused: import the key again."""
    path = private(tmp_path / "cast.json", json.dumps(document))
    signer = KeystoreSigner(path, lambda: "testpassword", ADDRESS)
    assert signer.address == ADDRESS and not signer.opened
    signer.open()
    (listed,) = list_keystores(tmp_path)
    assert listed.fault is None and listed.address is None
    with pytest.raises(ConfigError, match=r"does not name its address: give the wallet's in yieldbot.toml"):
        KeystoreSigner(path, lambda: "testpassword")
    nameless = {
        key: value for key, value in cheap("testpassword", document["crypto"]["kdf"]).items() if key != "address"
    }
    private(path, json.dumps(nameless))
    other = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
    with pytest.raises(ConfigError, match=f"yieldbot.toml, .* says {other} but it holds the key of {ADDRESS}"):
        KeystoreSigner(path, lambda: "testpassword", other).open()
    with pytest.raises(ConfigError, match="wrong passphrase"):
        KeystoreSigner(path, lambda: "testpasswort", ADDRESS).open()


def test_a_keystore_that_names_another_address_than_its_key_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "k.json", json.dumps(cheap("testpassword") | {"address": "11" * 20}))
    with pytest.raises(ConfigError, match=r"says 0x1111.* but it holds the key of"):
        KeystoreSigner(path, lambda: "testpassword", ADDRESS).open()
    for bad in ("12", "zz" * 20, {"a": 1}, 7):
        private(path, json.dumps(cheap("testpassword") | {"address": bad}))
        with pytest.raises(ConfigError, match="names no address that is one"):
            KeystoreSigner(path, lambda: "testpassword", ADDRESS)


@pytest.mark.parametrize(
    ("made", "typed"), [("Gr\u00fc\u00dfe\u00e9", "Gru\u0308\u00dfee\u0301"), ("Gru\u0308n", "Gr\u00fcn")]
)
def test_a_passphrase_is_tried_in_both_of_unicodes_spellings(tmp_path: Path, made: str, typed: str) -> None:
    """macOS types NFD, others NFC: the same letters opened nothing."""
    assert made != typed
    assert decrypted(cheap(made), tmp_path, typed).hex() == SECRET
    with pytest.raises(ConfigError, match="wrong passphrase"):
        decrypted(cheap(made), tmp_path, "Grun")
    path = tmp_path / "sol.json"
    address = solana.create(path, made + "long enough", scrypt_n=2)
    signer = solana.KeystoreSigner(path, lambda: typed + "long enough")
    signer.open()
    assert signer.address == address
    with pytest.raises(ConfigError, match="wrong passphrase"):
        solana.KeystoreSigner(path, lambda: "another one").open()


@pytest.mark.parametrize(
    ("kind", "factors"),
    [
        (SCRYPT, {"n": 2**30}),
        (SCRYPT, {"p": 2**20}),
        (SCRYPT, {"r": 2**20}),
        (SCRYPT, {"dklen": 2**30}),
        (SCRYPT, {"n": -1}),
        (SCRYPT, {"n": "262144"}),
        (SCRYPT, {"n": True}),
        (PBKDF2, {"c": 2**40}),
        (PBKDF2, {"c": 0}),
        (PBKDF2, {"dklen": 10**9}),
    ],
)
def test_work_without_an_end_is_refused_before_it_begins(
    tmp_path: Path, kind: dict[str, Any], factors: dict[str, Any]
) -> None:
    crypto = kind["crypto"] | {"kdfparams": kind["crypto"]["kdfparams"] | factors}
    with pytest.raises(ConfigError, match=r"more work than any keystore needs|cannot be read as a keystore"):
        decrypted(kind | {"crypto": crypto}, tmp_path, "testpassword")


def test_each_form_of_a_key_is_told_by_itself(tmp_path: Path) -> None:
    from solders.keypair import Keypair

    def of(text: str, family: Family | None = None, path: str | None = None) -> tuple[Family, str]:
        key = key_in(text, tmp_path, family, path, lambda: "testpassword")
        assert key.secret.hex() not in repr(key)
        return key.family, key.secret.hex()

    pair = Keypair.from_seed(bytes(range(32)))
    assert of(json.dumps(cheap("testpassword"))) == (EVM, SECRET)
    assert of(SECRET) == of(f"0x{SECRET}\n") == (EVM, SECRET)
    assert of(json.dumps(list(bytes(pair)))) == of(str(pair), SOLANA) == (SOLANA, bytes(range(32)).hex())
    first = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    second = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
    assert of(HARDHAT) == of(f"  {HARDHAT.upper()}\n") == (EVM, first)
    assert of(HARDHAT, None, "m/44'/60'/0'/0/1") == of(f"{HARDHAT}\nm/44'/60'/0'/0/1\n") == (EVM, second)
    assert of(ABANDON, SOLANA) == (SOLANA, slip10(ABANDON, FIRST_PATH[SOLANA]).hex())


def slip10(words: str, path: str) -> bytes:
    """Ed25519 of SLIP-10, written out from its text: the second opinion."""
    seed = hashlib.pbkdf2_hmac("sha512", words.encode(), b"mnemonic", 2048)
    node = hmac.digest(b"ed25519 seed", seed, "sha512")
    for part in path.split("/")[1:]:
        index = int(part.removesuffix("'")) + 2**31
        node = hmac.digest(node[32:], b"\0" + node[:32] + index.to_bytes(4, "big"), "sha512")
    return node[:32]


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        (HARDHAT.replace("junk", "test"), None, "no mnemonic"),
        (HARDHAT, "44/60", "the path '44/60' is none"),
        (SECRET, "m/44'/60'/0'/0/0", "holds no mnemonic"),
        (SECRET[:-1], None, "not a private key"),
        ("f" * 64, None, "not a private key"),
        ("[1, 2, 3]", None, "no Solana key"),
        ("{nonsense", None, "cannot be read as a keystore"),
        ("{}", None, "not a keystore of version 3"),
    ],
)
def test_what_is_no_key_is_told_without_quoting_it(tmp_path: Path, text: str, path: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        key_in(text, tmp_path / "f", None, path, lambda: "testpassword")
    assert SECRET[:8] not in str(refused.value) and "junk" not in str(refused.value)
