"""Files that hold secrets: written once, and read only while no other user can read or change them."""

from __future__ import annotations

import json
import stat
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.model.json_text import loads
from yieldbot.resources import create_whole, read_text, refuse_if_others_change, why

SHORTEST = 8
"""Least characters of a new keystore's passphrase: a shorter one can be found by trial, however slow each trial is."""
MISSING = "correct yieldbot.toml, or make it: `yieldbot wallet import` for a key you have, `wallet new` for another"
AGAIN = "restore it from your copy, or make it again with `yieldbot wallet import`"


def check_private(path: Path, what: str = "", missing: str = MISSING) -> None:
    """Raise ConfigError unless the file exists and no other user can read or change it.

    what: the key in yieldbot.toml that names the file, for messages. missing: the remedy to name when it is not there.
    """
    named = f"{what} {path}" if what else str(path)
    try:
        kind = path.stat().st_mode
    except OSError:
        raise ConfigError(f"{named} cannot be found: {missing}") from None
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # for a device, chmod is no remedy
        raise ConfigError(f"{named} is not a regular file: name one")
    mode = stat.S_IMODE(kind)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{named} is open to other users (mode {mode:04o}): chmod 600 {path}")
    refuse_if_others_change(path, what or "the file")


def long_enough(secret: str) -> None:
    """Raise ConfigError if the passphrase of a new keystore is too short."""
    if len(secret) < SHORTEST:
        raise ConfigError(
            f"a passphrase of fewer than {SHORTEST} characters protects nothing: choose a longer one, several words say"
        )


def write_new(path: Path, document: Mapping[str, Any]) -> None:
    """Write a new keystore that only its owner can read, and sync it to the disk. Raises ConfigError; never
    overwrites."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        raise ConfigError(f"{path} cannot be written: {path.parent} is no folder: name another place") from None
    except OSError as failure:
        raise ConfigError(f"{path} cannot be written: {why(failure, path)}") from None
    try:
        create_whole(path, json.dumps(document).encode())
    except FileExistsError:
        raise ConfigError(f"{path} exists already: choose another name (a key is never overwritten)") from None
    except OSError as failure:
        raise ConfigError(f"{path} cannot be written: {why(failure, path)}") from None


def read_private(path: Path) -> dict[str, Any]:
    """The JSON object in a keystore file. Raises ConfigError when others can read the file, or it holds no object."""
    check_private(path)
    try:
        document = loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        raise ConfigError(f"{path} cannot be read as a keystore: {AGAIN}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path} cannot be read as a keystore: {AGAIN}")
    return document


MOST_MEMORY_BYTES = 2**30
"""Memory that a keystore's scrypt may take, 128 * n * r (RFC 7914): four times geth's standard. A file that needs more
is refused."""
MOST_SCRYPT = 2**24
"""Work that a keystore's scrypt may take, n * r * p: eight times geth's standard, some seconds."""


def forms(secret: str) -> tuple[str, ...]:
    """The passphrase as it was typed, then in Unicode's NFC and NFD forms: systems encode one letter differently."""
    return tuple(dict.fromkeys((secret, *(unicodedata.normalize(form, secret) for form in ("NFC", "NFD")))))
