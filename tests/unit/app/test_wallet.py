"""Wallets without a terminal: what is asked of a person, and what nobody can be asked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from yieldbot.app import wallet
from yieldbot.app.context import Context
from yieldbot.app.keys import NewPassphrase
from yieldbot.app.wallet_documents import KmsAddressDocument
from yieldbot.chains.evm.signing import keystore
from yieldbot.errors import ConfigError
from yieldbot.model.families import SOLANA

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(keystore.create, "__defaults__", (2,))
    monkeypatch.setattr(keystore.import_seed, "__defaults__", (2,))
    return Context(tmp_path / "yieldbot.toml")


def answers(context: Context, *lines: str) -> list[str]:
    """From now on a person answers with these lines; the questions that were asked."""
    asked: list[str] = []
    rest: Iterator[str] = iter(lines)

    def secret(question: str) -> str:
        asked.append(question)
        return next(rest)

    context.secret = secret
    return asked


def test_a_person_is_asked_twice_for_a_new_passphrase(context: Context, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no terminal to ask"):
        wallet.new(wallet.NewWalletRequest(name="a"), context)
    typed, again = "New passphrase (at least 8 characters, not shown): ", "The same again: "
    asked = answers(context, *(PASSPHRASE, "another") * 3, "short", PASSPHRASE, "another", PASSPHRASE, PASSPHRASE)
    with pytest.raises(ConfigError, match="differ"):
        wallet.new(wallet.NewWalletRequest(name="a"), context)
    made = wallet.new(wallet.NewWalletRequest(name="a"), context)
    assert asked == [typed, again] * 3 + [typed, typed, again, typed, again]
    assert made.as_json() == {
        "schema": "yieldbot/wallet-new/v1",
        "name": "a",
        "address": made.address,
        "keystore": str(tmp_path / "keys" / "a.json"),
    }
    found = wallet.list_(context)
    assert [(row.kind, row.address, row.fault) for row in found.wallets] == [("keystore", made.address, None)]
    assert found.exit_code == 0


def test_a_key_is_piped_in_or_asked_for(context: Context, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.touch(0o600)
    words.write_text(PASSPHRASE)
    given = NewPassphrase(file=words)
    made = wallet.import_(wallet.ImportWalletRequest(name="a", piped=lambda: KEY, passphrase=given), context)
    assert (made.name, made.address) == ("a", ADDRESS)
    asked = answers(context, KEY, KEY)
    other = wallet.ImportWalletRequest(name="b", piped=lambda: "", passphrase=given)
    assert wallet.import_(other, context).address == ADDRESS
    assert asked == ["Private key (64 hex digits, or a mnemonic, not shown): "]
    wrong = wallet.ImportWalletRequest(name="c", family=SOLANA, piped=lambda: "", passphrase=given)
    with pytest.raises(ConfigError, match="no Solana key"):
        wallet.import_(wrong, context)
    assert asked[1] == "Private key (base58 or 64 numbers, or a mnemonic, not shown): "


def test_the_passphrase_of_a_pasted_keystore_is_asked_for_by_what_it_is(context: Context, tmp_path: Path) -> None:
    source = tmp_path / "old.json"
    keystore.import_seed(source, bytes.fromhex(KEY), PASSPHRASE)
    asked = answers(context, source.read_text(), PASSPHRASE, PASSPHRASE, PASSPHRASE)
    pasted = wallet.import_(wallet.ImportWalletRequest(name="a", piped=lambda: ""), context)
    assert pasted.address == ADDRESS
    assert asked[1] == "Passphrase of the keystore that was pasted: "
    asked = answers(context, PASSPHRASE, PASSPHRASE, PASSPHRASE)
    wallet.import_(wallet.ImportWalletRequest(name="b", piped=lambda: "", key_file=source), context)
    assert asked[0] == f"Passphrase of {source}: "


def test_the_table_of_a_key_in_kms_has_what_is_known_of_it() -> None:
    found = KmsAddressDocument(kind="kms", address=ADDRESS, key_id="alias/bot", region=None, endpoint_url=None)
    said = f'[[wallets]]\nname = "main"\naddress = "{ADDRESS}"\nkind = "kms"\nkey_id = "alias/bot"'
    assert wallet.toml_of(found) == said


def test_the_table_of_a_new_wallet_says_where_its_passphrase_came_from(context: Context, tmp_path: Path) -> None:
    words = tmp_path / "words ü🔑"
    words.write_text(PASSPHRASE)
    words.chmod(0o600)
    given = NewPassphrase(file=words)
    made = wallet.import_(wallet.ImportWalletRequest(name="a", piped=lambda: KEY, passphrase=given), context)
    (table,) = tomllib.loads(wallet.toml_of(made, given))["wallets"]
    assert table["passphrase_file"] == str(words) and table["keystore"] == made.keystore
    assert "passphrase" not in wallet.toml_of(made)
    assert 'passphrase_env = "W"' in wallet.toml_of(made, NewPassphrase(variable="W"))
