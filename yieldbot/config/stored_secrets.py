"""The encrypted file of secrets in the data directory, which `yieldbot secret set NAME` writes.

scrypt (RFC 7914) makes a key of the passphrase, and AES-256-GCM encrypts all values together; it also authenticates the
rest of the file. The names are not encrypted, so that the passphrase is asked for only where a secret of the file is
needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yieldbot.config.messages import config_error
from yieldbot.execution.keyfile import MOST_MEMORY_BYTES, MOST_SCRYPT, check_private
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.resources import read_text, why

FILE = "secrets.enc"
"""Its name in the data directory."""
PASSPHRASE_NAME = "YIELDBOT_SECRETS_PASSPHRASE"
"""Name of the variable with its passphrase, in the environment or under [secrets]."""
CREDENTIAL = "yieldbot-secrets"
"""Name of a systemd credential with its passphrase (``LoadCredential=``)."""
FORMAT = "yieldbot-secrets-1"
WORK = (2**17, 8, 1)
"""n, r and p of scrypt: 128 MiB of memory for each attempt at a passphrase."""
LEAST_N = 2**14
LATEST = 2**33
"""Later times, in unix seconds, are damage."""
KEY_BYTES, SALT_BYTES, NONCE_BYTES = 32, 16, 12
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
"""Form of a variable's name."""
DAMAGED = "is damaged: restore it from a backup, or remove it and set its secrets again"
_keys: dict[bytes, bytes] = {}


@dataclass(frozen=True, slots=True)
class Sealed:
    """The file's content, still encrypted."""

    file: Path
    """The file."""
    work: tuple[int, int, int]
    """n, r and p of scrypt."""
    salt: bytes
    """Salt of scrypt; the same as long as the passphrase is."""
    nonce: bytes
    """Nonce of AES-GCM, new with each change."""
    changed_at: Mapping[str, int]
    """When each secret was set, in unix seconds, by name."""
    text: bytes
    """The encrypted values, with their tag."""

    @property
    def is_open(self) -> bool:
        """Whether this process has derived the key already."""
        return self.salt in _keys

    def values(self, passphrase: Callable[[], str]) -> dict[str, str]:
        """Every secret by name. passphrase: returns the passphrase; called only if this process has not derived the key
        yet. Raises ConfigError for a wrong passphrase, which is not kept, and for a file that was altered."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = _keys.get(self.salt) or _key(passphrase(), self.salt, self.work)
        try:
            found = loads(AESGCM(key).decrypt(self.nonce, self.text, self._clear))
        except InvalidTag:
            _keys.pop(self.salt, None)
            message = "cannot be opened: the passphrase is wrong, or the file was changed: try again, or restore the"
            raise config_error(self.file, "", f"{message} file from a backup") from None
        _keys[self.salt] = key
        return {str(name): str(value) for name, value in found.items()}

    @property
    def _clear(self) -> bytes:
        """The part of the file that is authenticated but not encrypted."""
        return json.dumps(self._head, sort_keys=True, separators=(",", ":")).encode()

    @property
    def _head(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "scrypt": {**dict(zip("nrp", self.work, strict=True)), "salt": self.salt.hex()},
            "aes_256_gcm": {"nonce": self.nonce.hex()},
            "changed_at": dict(self.changed_at),
        }

    def json(self) -> bytes:
        """The file's bytes."""
        return (json.dumps({**self._head, "text": self.text.hex()}, indent=1) + "\n").encode()


def read(file: Path) -> Sealed | None:
    """The file's content; None where there is none. Raises ConfigError for a file that is damaged, or that another user
    can read or change."""
    if not file.exists():
        return None
    check_private(file)
    try:
        found = loads(read_text(file))
        if found["format"] != FORMAT:
            raise ValueError
        work = tuple(int(found["scrypt"][name]) for name in "nrp")
        made = Sealed(
            file=file,
            work=(work[0], work[1], work[2]),
            salt=bytes.fromhex(found["scrypt"]["salt"]),
            nonce=bytes.fromhex(found["aes_256_gcm"]["nonce"]),
            changed_at={str(name): int(at) for name, at in found["changed_at"].items()},
            text=bytes.fromhex(found["text"]),
        )
    except OSError as failure:
        raise config_error(file, "", f"cannot be read: {why(failure, file)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise config_error(file, "", DAMAGED) from None
    n, r, p = made.work
    bounded = (
        n >= LEAST_N and n & (n - 1) == 0 and 0 < 128 * n * r <= MOST_MEMORY_BYTES and 0 < n * r * p <= MOST_SCRYPT
    )
    dated = all(0 <= at <= LATEST for at in made.changed_at.values())
    if not bounded or not dated or (len(made.salt), len(made.nonce)) != (SALT_BYTES, NONCE_BYTES):
        raise config_error(file, "", DAMAGED)
    return made


def sealed(
    file: Path, values: Mapping[str, str], changed_at: Mapping[str, int], like: Sealed | None, passphrase: str = ""
) -> Sealed:
    """Encrypt all values. like: the previous content, whose key is used again; None: a new key is derived from
    ``passphrase``."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, work = (secrets.token_bytes(SALT_BYTES), WORK) if like is None else (like.salt, like.work)
    if like is None:
        _keys[salt] = _key(passphrase, salt, work)
    empty = Sealed(file, work, salt, secrets.token_bytes(NONCE_BYTES), dict(changed_at), b"")
    plain = json.dumps(dict(values)).encode()
    text = AESGCM(_keys[salt]).encrypt(empty.nonce, plain, empty._clear)
    return Sealed(file, work, salt, empty.nonce, empty.changed_at, text)


def write(made: Sealed) -> None:
    """Replace the file, completely or not at all (mode 0600). Raises ConfigError."""
    file = made.file
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600), "wb") as out:
                out.write(made.json())
                out.flush()
                os.fsync(out.fileno())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as failure:
        raise config_error(file, "", f"cannot be written: {why(failure, file)}") from None


def keys() -> list[list[str]]:
    """The keys that this process has derived, for a process that it starts. Pass them through a pipe, never as an
    argument or in an environment variable."""
    return [[salt.hex(), key.hex()] for salt, key in _keys.items()]


def take(given: list[list[str]]) -> None:
    """Use the keys (``keys``) of the process that started this one."""
    _keys.update((bytes.fromhex(salt), bytes.fromhex(key)) for salt, key in given)


def forget() -> None:
    """Drop every derived key: the passphrase is needed again."""
    _keys.clear()


def _key(passphrase: str, salt: bytes, work: tuple[int, int, int]) -> bytes:
    n, r, p = work
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY_BYTES + 2**26, dklen=KEY_BYTES)
