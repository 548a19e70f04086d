"""Local keys of Solana: JSON files encrypted with scrypt and AES-256-GCM, readable only by their owner.

A file has version, type, address, scrypt's work factors and salt (RFC 7914), nonce and ciphertext. The 32 bytes of an
Ed25519 seed are encrypted; the address is authenticated with them. A decrypted key exists only inside solders' object,
until the process ends; it is in no message, repr or file of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError, SafetyError
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
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads
from yieldbot.model.solana_tx import SvmApproved, SvmSigned

TYPE = "yieldbot solana key"
VERSION = 1
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
"""scrypt's work factors for new files: 128 MiB and about half a second for each try."""
SEED_BYTES, SALT_BYTES, NONCE_BYTES = 32, 32, 12


def create(path: Path, passphrase: str, scrypt_n: int = SCRYPT_N) -> Address:
    """Make a new key, write it encrypted, and return its address. Raises ConfigError when the file exists or the
    passphrase is too short. scrypt_n: scrypt's work factor."""
    return _write(path, os.urandom(SEED_BYTES), passphrase, scrypt_n)


def import_key(path: Path, text: str, passphrase: str, scrypt_n: int = SCRYPT_N) -> Address:
    """Write the keystore of a key in solana-cli's JSON (64 numbers) or in base58 text as wallets export it. Raises
    ConfigError, which never quotes the key, also when the public half does not belong to the secret half."""
    return import_seed(path, secret_of(text), passphrase, scrypt_n)


def import_seed(path: Path, seed: bytes, passphrase: str, scrypt_n: int = SCRYPT_N) -> Address:
    """Write the keystore of an Ed25519 seed (32 bytes), and return its address. Raises ConfigError."""
    return _write(path, seed, passphrase, scrypt_n)


def is_solana_key(document: Mapping[str, Any]) -> bool:
    """Whether a document is a Solana keystore of ours."""
    return document.get("type") == TYPE


def address_of(document: Mapping[str, Any], path: Path) -> Address:
    """The address that a keystore's document names. Raises ConfigError."""
    from solders.pubkey import Pubkey

    if document.get("version") != VERSION:
        raise ConfigError(f"{path} is of another version than {VERSION}: {AGAIN}")
    try:
        return Address(str(Pubkey.from_string(str(document["address"]))))
    except (KeyError, ValueError):
        raise ConfigError(f"{path} does not name its address: {AGAIN}") from None


class KeystoreSigner(FileSigner):
    """Signs with the key of a key file."""

    __slots__ = ()

    def __init__(self, path: Path, ask: Callable[[], str]) -> None:
        """Reads the file's address; the key stays encrypted. ask: returns the passphrase. Raises ConfigError if the
        file is missing, readable by others, or not a key file of ours."""
        document = read_private(path)
        if not is_solana_key(document):
            raise ConfigError(
                f"{path} holds no Solana key: correct yieldbot.toml, or `yieldbot wallet new --chain solana`"
            )
        super().__init__(path, ask, address_of(document, path))

    def sign(self, approved: SvmApproved) -> SvmSigned:
        """Sign an approved transaction. Raises SafetyError if the message is not the approved one, or demands another
        signature than ours; ConfigError if the key cannot be decrypted."""
        import hashlib

        from solders.message import from_bytes_versioned
        from solders.transaction import VersionedTransaction

        message_bytes = approved.simulated.tx.message
        if hashlib.sha256(message_bytes).digest() != approved.digest:
            raise SafetyError("DIGEST_MISMATCH", "the bytes to be signed are not those that were approved")
        message: Any = from_bytes_versioned(message_bytes)
        if message.header.num_required_signatures != 1 or str(message.account_keys[0]) != self._address:
            raise SafetyError("SIGNER_NOT_SELF", "the transaction does not want our signature alone")
        self.open()
        signature = self._key.sign_message(message_bytes)
        signed = VersionedTransaction.populate(message, [signature])
        if not all(signed.verify_with_results()) or bytes(signed)[-len(message_bytes) :] != message_bytes:
            raise SafetyError("DIGEST_MISMATCH", "the signed bytes are not those that were approved")
        return SvmSigned(approved, bytes(signed), str(signature))

    def _unlocked(self, passphrase: str) -> Any:
        from solders.keypair import Keypair

        return Keypair.from_seed(decrypted(read_private(self._path), self._path, passphrase))


def secret_of(text: str) -> bytes:
    """The seed in solana-cli's JSON or base58 text. Raises ConfigError, which never quotes the text."""
    from solders.keypair import Keypair

    message = "this is no Solana key: the 64 numbers of a solana-cli file, or base58 text, are expected"
    text = text.strip()
    try:
        raw = bytes(loads(text)) if text.startswith("[") else bytes(Keypair.from_base58_string(text))
        if len(raw) != 2 * SEED_BYTES:
            raise ValueError
        if bytes(Keypair.from_seed(raw[:SEED_BYTES])) != raw:
            raise ConfigError("the public half of this key does not belong to its secret half: it is damaged")
    except ConfigError:
        raise
    except BaseException as unreadable:  # solders panics for some texts; its message may quote the key
        if isinstance(unreadable, KeyboardInterrupt | SystemExit):
            raise
        raise ConfigError(message) from None
    return raw[:SEED_BYTES]


def _write(path: Path, seed: bytes, secret: str, scrypt_n: int) -> Address:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from solders.keypair import Keypair

    long_enough(secret)
    address = Address(str(Keypair.from_seed(seed).pubkey()))
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    key = _derived(secret, salt, scrypt_n, SCRYPT_R, SCRYPT_P)
    document = {
        "version": VERSION,
        "type": TYPE,
        "address": address,
        "kdf": {"name": "scrypt", "n": scrypt_n, "r": SCRYPT_R, "p": SCRYPT_P, "salt": salt.hex()},
        "cipher": {
            "name": "aes-256-gcm",
            "nonce": nonce.hex(),
            "ciphertext": AESGCM(key).encrypt(nonce, seed, address.encode()).hex(),
        },
    }
    write_new(path, document)
    return address


def decrypted(document: Mapping[str, Any], path: Path, secret: str) -> bytes:
    """The seed in a keystore of ours. Raises ConfigError for a wrong passphrase, a damaged file, or work factors that
    need too much memory."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from solders.keypair import Keypair

    address = address_of(document, path)
    try:
        kdf, cipher = document["kdf"], document["cipher"]
        n, r, p = (int(kdf[name]) for name in ("n", "r", "p"))
        if (
            (kdf["name"], cipher["name"]) != ("scrypt", "aes-256-gcm")
            or n * r * p > MOST_SCRYPT
            or 128 * n * r > MOST_MEMORY_BYTES
        ):
            raise ConfigError(f"{path} is encrypted as no file of ours is: {AGAIN}")
        nonce, text = bytes.fromhex(cipher["nonce"]), bytes.fromhex(cipher["ciphertext"])
        keys = (_derived(form, bytes.fromhex(kdf["salt"]), n, r, p) for form in forms(secret))
        seed = next(found for key in keys if (found := _plain(AESGCM(key), nonce, text, address)) is not None)
    except (StopIteration, KeyError, TypeError, ValueError):
        message = f"keystore {path} cannot be opened: wrong passphrase, or a damaged file"
        raise ConfigError(f"{message}: correct the passphrase, or {AGAIN}") from None
    if len(seed) != SEED_BYTES or str(Keypair.from_seed(seed).pubkey()) != address:
        raise ConfigError(f"keystore {path} says {address} but holds another key: {AGAIN}")
    return seed


def _plain(cipher: Any, nonce: bytes, text: bytes, address: Address) -> bytes | None:
    """The decrypted bytes; None if the key is wrong."""
    from cryptography.exceptions import InvalidTag

    try:
        return bytes(cipher.decrypt(nonce, text, address.encode()))
    except InvalidTag:
        return None


def _derived(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(secret.encode())
