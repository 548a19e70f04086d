"""The keystores of a folder, of either family."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yieldbot.chains.evm.signing import keystore as evm
from yieldbot.chains.solana.signing import keystore as solana
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import read_private
from yieldbot.model.ids import Address


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
