"""Local keys: encrypted keystore files of version 3 (Web3 Secret Storage; scrypt or pbkdf2), readable by their owner
alone.

A decrypted key exists only inside eth-account's object, until the process ends; it is in no message, repr or file of
ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm.signing.sign import fields, verified
from yieldbot.errors import ConfigError
from yieldbot.execution.file_signer import FileSigner
from yieldbot.execution.keyfile import (
    AGAIN,
    MOST_MEMORY_BYTES,
    MOST_SCRYPT,
    forms,
    long_enough,
    read_private,
    write_new,
)
from yieldbot.model.address import checksummed
from yieldbot.model.ids import Address
from yieldbot.model.tx import ApprovedTx, SignedTx

if TYPE_CHECKING:
    from yieldbot.chains.evm.signing.safe import ApprovedSafeTx

SCRYPT_N = 2**18
"""scrypt's work factor n for new keystores: about half a second a try."""
KEY_BYTES = 32
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of secp256k1 (SEC 2, 2.4.1): a private key is at least 1 and less than this."""


def create(path: Path, passphrase: str, scrypt_n: int = SCRYPT_N) -> Address:
    """Make a new key, write its keystore, and return its address. Raises ConfigError when the file exists or the
    passphrase is too short. scrypt_n: scrypt's work factor."""
    return _write(path, os.urandom(32), passphrase, scrypt_n)


def import_key(path: Path, text: str, passphrase: str, scrypt_n: int = SCRYPT_N) -> Address:
    """Write the keystore of a private key in 64 hex digits, and return its address. Raises ConfigError, which never
    quotes the key."""
    return import_seed(path, secret_of(text), passphrase, scrypt_n)


def import_seed(path: Path, seed: bytes, passphrase: str, scrypt_n: int = SCRYPT_N) -> Address:
    """Write the keystore of a private key's 32 bytes, and return its address. Raises ConfigError."""
    return _write(path, seed, passphrase, scrypt_n)


def secret_of(text: str) -> bytes:
    """The 32 bytes of a private key in 64 hex digits. Raises ConfigError, which never quotes the text."""
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
        if len(key) != KEY_BYTES or not 0 < int.from_bytes(key, "big") < ORDER:
            raise ValueError
    except ValueError:
        message = "this is not a private key: 64 hex digits are expected"
        if text.strip().startswith("["):
            message += "; this looks like a solana-cli file: add --chain solana"
        raise ConfigError(message) from None
    return key


def named_address(path: Path) -> Address | None:
    """The address in a keystore; None if it has none (the format does not require it, and Foundry's `cast wallet`
    writes none). Raises ConfigError for a file that is not a keystore."""
    return address_of(_evm(read_private(path), path), path)


def nameless(path: Path) -> Address:
    """Raises ConfigError: neither the keystore nor yieldbot.toml names the key's address."""
    raise ConfigError(f"{path} does not name its address: give the wallet's in yieldbot.toml")


class KeystoreSigner(FileSigner):
    """Signs with a keystore's key."""

    __slots__ = ()

    def __init__(self, path: Path, ask: Callable[[], str], address: Address | None = None) -> None:
        """Reads the keystore's address; the key stays encrypted. ask: returns the passphrase.

        address: the wallet's in yieldbot.toml, for a keystore without one; ``open`` compares it with the key's. Raises
        ConfigError if the file is missing, readable by others, or not a keystore.
        """
        super().__init__(path, ask, named_address(path) or address or nameless(path))

    def sign(self, approved: ApprovedTx) -> SignedTx:
        """Sign an approved transaction. The signed bytes are decoded again and compared. Raises SafetyError,
        ConfigError."""
        self.open()
        signed = self._key.sign_transaction(fields(approved.simulated.tx))
        return verified(approved, bytes(signed.raw_transaction))

    def sign_safe(self, approved: ApprovedSafeTx) -> bytes:
        """An owner's signature over a Safe transaction: r, s, v. Raises ConfigError."""
        self.open()
        return bytes(self._key.unsafe_sign_hash(approved.hash).signature)

    def _unlocked(self, passphrase: str) -> Any:
        from eth_account import Account as Keys

        document = read_private(self._path)
        key = Keys.from_key(decrypted(document, self._path, passphrase))
        if str(key.address).lower() != self._address.lower():
            source = "keystore" if document.get("address") else "yieldbot.toml, for keystore"
            raise ConfigError(f"{source} {self._path}, says {self._address} but it holds the key of {key.address}")
        return key


MOST_ROUNDS = 10_000_000
"""Most iterations of pbkdf2 that are accepted: forty times the format's example, some seconds."""


def decrypted(document: dict[str, Any], path: Path, secret: str) -> bytes:
    """The private key (32 bytes) in a keystore of version 3. ``secret``: the passphrase.

    Raises ConfigError for a wrong passphrase, a damaged file, or work factors above MOST_MEMORY_BYTES, MOST_SCRYPT or
    MOST_ROUNDS.
    """
    from eth_account import Account as Keys

    _bounded(_evm(document, path), path)
    for form in forms(secret):
        try:
            key = bytes(Keys.decrypt(document, form))
        except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, OverflowError):
            continue
        if len(key) == KEY_BYTES and any(key):
            return key
    message = f"keystore {path} cannot be opened: wrong passphrase, or a damaged file"
    raise ConfigError(f"{message}: correct the passphrase, or {AGAIN}")


def _bounded(document: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError for work factors that would take minutes or all of the memory, or that are missing."""
    crypto = next((part for name, part in document.items() if name.lower() == "crypto"), None)
    try:
        kinds = {str(name).lower(): value for name, value in crypto.items()}  # type: ignore[union-attr]
        parameters = {str(name).lower(): value for name, value in kinds["kdfparams"].items()}
        names = ("n", "r", "p", "dklen") if kinds["kdf"] == "scrypt" else ("c", "dklen")
        factors = [parameters[name] for name in names]
        if not all(type(factor) is int and factor > 0 for factor in factors):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError(f"{path} cannot be read as a keystore: {AGAIN}") from None
    if len(factors) == 4:
        n, r, p, length = factors
        above = 128 * n * r > MOST_MEMORY_BYTES or n * r * p > MOST_SCRYPT
    else:
        rounds, length = factors
        above = rounds > MOST_ROUNDS
    if above or length > 1024:
        raise ConfigError(f"{path} asks for more work than any keystore needs: it is damaged or hostile; {AGAIN}")


def _write(path: Path, key: bytes, secret: str, scrypt_n: int) -> Address:
    from eth_account import Account as Keys

    long_enough(secret)
    document = Keys.encrypt(key, secret, kdf="scrypt", iterations=scrypt_n)
    address = Address(str(Keys.from_key(key).address))
    write_new(path, document | {"address": address[2:].lower()})
    return address


def _evm(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document, if it is a keystore of version 3. Raises ConfigError."""
    if document.get("version") != 3:
        raise ConfigError(f"{path} is not a keystore of version 3: {AGAIN}")
    return document


def address_of(document: Mapping[str, Any], path: Path) -> Address | None:
    """The address in a keystore's document; None if it has none. Raises ConfigError for an invalid one."""
    if not document.get("address"):
        return None
    try:
        return checksummed("0x" + str(document["address"]).lower().removeprefix("0x"))
    except ValueError:
        raise ConfigError(f"{path} names no address that is one: {AGAIN}") from None
