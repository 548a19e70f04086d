"""Solana keys at rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yieldbot.chains.keystores import keystore_address, list_keystores
from yieldbot.chains.solana.signing.keystore import KeystoreSigner, create, import_key
from yieldbot.errors import ConfigError

WORK = 2**10
WORDS = "correct horse battery"


def test_a_key_comes_back_and_is_nowhere_in_clear(tmp_path: Path) -> None:
    from solders.keypair import Keypair

    path = tmp_path / "keys" / "sol.json"
    pair = Keypair.from_seed(bytes(range(32)))
    address = import_key(path, json.dumps(list(bytes(pair))), WORDS, WORK)
    assert address == str(pair.pubkey()) == keystore_address(path)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    for secret in (bytes(range(32)).hex(), str(pair), WORDS):
        assert secret not in text
    signer = KeystoreSigner(path, lambda: WORDS)
    assert not signer.opened and str(pair) not in repr(signer)
    signer.open()
    assert signer.opened and signer.address == address
    assert import_key(tmp_path / "b58.json", str(pair), WORDS, WORK) == address
    assert [found.address for found in list_keystores(tmp_path)] == [address]
    with pytest.raises(ConfigError, match="never overwritten"):
        create(path, WORDS, WORK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["cipher"].update(ciphertext="00" * 48), "wrong passphrase, or a damaged file"),
        (lambda d: d["kdf"].update(n=2**40), "as no file of ours"),
        (lambda d: d["kdf"].update(name="none"), "as no file of ours"),
        (lambda d: d.pop("kdf"), "damaged file"),
        (lambda d: d.update(address="11111111111111111111111111111112"), "damaged file"),
        (lambda d: d.update(version=9), "another version"),
    ],
)
def test_a_changed_file_is_refused_in_one_line(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "sol.json"
    create(path, WORDS, WORK)
    document = json.loads(path.read_text())
    change(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=said):
        KeystoreSigner(path, lambda: WORDS).open()


def test_a_wrong_passphrase_and_open_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sol.json"
    create(path, WORDS, WORK)
    with pytest.raises(ConfigError, match="wrong passphrase"):
        KeystoreSigner(path, lambda: "something else").open()
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        KeystoreSigner(path, lambda: WORDS)
    with pytest.raises(ConfigError, match="protects nothing"):
        create(tmp_path / "short.json", "short", WORK)


@pytest.mark.parametrize(
    "text", ["", "[1, 2, 3]", "[" + "1," * 63 + "300]", "0OIl", "x" * 88, "{}", "[" + "7," * 63 + "7]"]
)
def test_what_is_no_key_is_told_without_quoting_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as failure:
        import_key(tmp_path / "sol.json", text, WORDS, WORK)
    assert len(text) < 5 or text not in str(failure.value)
    assert not (tmp_path / "sol.json").exists()
