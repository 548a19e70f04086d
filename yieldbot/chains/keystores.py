"""Keystores of either family: those of a folder, whose they are, and what signs with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yieldbot.chains.evm.signing import keystore as evm
from yieldbot.chains.solana.signing import keystore as solana
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import read_private
from yieldbot.model.families import EVM, SOLANA, Family
from yieldbot.model.ids import Address
from yieldbot.model.settings import Wallet

KEY_FORMS = {EVM: "64 hex digits", SOLANA: "base58 or 64 numbers"}
"""How a key of the family is written, for whoever is asked for one."""


class Maker(Protocol):
    """What writes keystores of one family. Each raises ConfigError for a file that is there already, a short passphrase
    or what is no key, and quotes nothing of it."""

    def create(self, path: Path, passphrase: str) -> Address:
        """Of a new key; its address."""

    def import_key(self, path: Path, text: str, passphrase: str, /) -> Address:
        """Of a key as it is written (``KEY_FORMS``)."""

    def import_seed(self, path: Path, secret: bytes, passphrase: str, /) -> Address:
        """Of a key's 32 bytes."""


def maker(family: Family) -> Maker:
    """Of the family's keystores."""
    return solana if family is SOLANA else evm


@dataclass(frozen=True, slots=True)
class KeystoreFile:
    """A keystore found on disk. ``fault``: why it cannot be used safely, None when it can."""

    path: Path
    address: Address | None
    fault: str | None


def list_keystores(folder: Path) -> tuple[KeystoreFile, ...]:
    """Every *.json of a folder that is, or looks like, a keystore."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(KeystoreFile(path, named_address(path), None))
        except ConfigError as fault:
            found.append(KeystoreFile(path, None, str(fault)))
    return tuple(found)


def named_address(path: Path) -> Address | None:
    """The account that a keystore says it is for; None where it names none. Raises ConfigError."""
    document = read_private(path)
    return solana.address_of(document, path) if solana.is_solana_key(document) else evm.named_address(path)


def keystore_address(path: Path) -> Address:
    """As ``named_address``; raises ConfigError also where it says none."""
    return named_address(path) or evm.nameless(path)


def key_signer(wallet: Wallet, passphrase: Callable[[], str]) -> evm.KeystoreSigner | solana.KeystoreSigner:
    """What signs with the wallet's keystore; the passphrase is asked for when it first does. Raises ConfigError."""
    assert wallet.keystore is not None  # the configuration sees to it
    if wallet.family is SOLANA:
        return solana.KeystoreSigner(wallet.keystore, passphrase)
    return evm.KeystoreSigner(wallet.keystore, passphrase, wallet.address)
