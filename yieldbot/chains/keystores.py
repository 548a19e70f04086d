"""Keystore files of both families: makes them, lists a folder's, and makes their signers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from yieldbot.chains.evm.signing import keystore as evm
from yieldbot.chains.solana.signing import keystore as solana
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import read_private
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM, SOLANA, Family
from yieldbot.model.ids import Address
from yieldbot.model.settings import Wallet

KEY_FORMS = {EVM: "64 hex digits", SOLANA: "base58 or 64 numbers"}
"""The text form of a private key of each family, for the prompt that asks for one."""


class Maker(Protocol):
    """Writes keystore files of one family. Each method returns the key's address, and raises ConfigError (which never
    quotes the key) for an existing file, a short passphrase or an invalid key."""

    def create(self, path: Path, passphrase: str) -> Address:
        """Make a new key and write its keystore."""

    def import_key(self, path: Path, text: str, passphrase: str, /) -> Address:
        """Write the keystore of a key given as text (``KEY_FORMS``)."""

    def import_seed(self, path: Path, secret: bytes, passphrase: str, /) -> Address:
        """Write the keystore of a key's 32 bytes."""


def maker(family: Family) -> Maker:
    """The keystore maker of a family."""
    return solana if family is SOLANA else evm


@dataclass(frozen=True, slots=True)
class KeystoreFile:
    """A keystore found on disk."""

    path: Path
    """The file."""
    address: Address | None
    """The key's address; None: the file cannot be read, or names none."""
    fault: str | None
    """Why it cannot be used safely; None: it can."""


def list_keystores(folder: Path) -> tuple[KeystoreFile, ...]:
    """Every *.json file of a folder, as a keystore."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(KeystoreFile(path, named_address(path), None))
        except ConfigError as fault:
            found.append(KeystoreFile(path, None, str(fault)))
    return tuple(found)


def named_address(path: Path) -> Address | None:
    """The address that a keystore file names; None: it names none. Raises ConfigError for a file that is not a
    keystore."""
    document = read_private(path)
    return solana.address_of(document, path) if solana.is_solana_key(document) else evm.named_address(path)


def keystore_address(path: Path) -> Address:
    """The address that a keystore file names. Raises ConfigError, also if it names none."""
    return named_address(path) or evm.nameless(path)


def key_signer(wallet: Wallet, passphrase: Callable[[], str]) -> evm.KeystoreSigner | solana.KeystoreSigner:
    """The signer of the wallet's keystore, which calls ``passphrase`` before its first signature. Raises
    ConfigError."""
    assert wallet.keystore is not None  # the configuration sees to it
    if wallet.family is SOLANA:
        return solana.KeystoreSigner(wallet.keystore, passphrase)
    return evm.KeystoreSigner(wallet.keystore, passphrase, wallet.address)
