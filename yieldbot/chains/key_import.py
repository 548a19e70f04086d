"""Private keys as other programs export them: a keystore, a Solana keypair, hex digits, base58, or a mnemonic."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM, SOLANA, Family
from yieldbot.model.json_text import loads

FIRST_PATH = {EVM: "m/44'/60'/0'/0/0", SOLANA: "m/44'/501'/0'/0'"}
"""Derivation path of the first account of most wallets, by family."""
WORDS = (12, 15, 18, 21, 24)
"""Lengths of a mnemonic, in words (BIP-39)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A private key."""

    family: Family
    """The chain family that it is for."""
    secret: bytes = field(repr=False)
    """Its 32 bytes; on Solana the Ed25519 seed."""


def key_of_family(text: str, origin: Path, family: Family | None, path: str | None, ask: Callable[[], str]) -> Key:
    """As ``key_in``; also raises ConfigError if ``family`` is given and the key belongs to the other family."""
    key = key_in(text, origin, family, path, ask)
    if family is not None and key.family is not family:
        raise ConfigError(f"--chain {family.name}: this is a key of the other family: leave --chain out")
    return key


def key_in(text: str, origin: Path, family: Family | None, path: str | None, ask: Callable[[], str]) -> Key:
    """The key in a text, whose format is recognised. Raises ConfigError, which never quotes the text.

    origin: the text's file, for messages. family: which one, if the text can be a key of both; None: EVM. path:
    derivation path of a mnemonic's account; None: the text's second line, else the family's first account. ask: returns
    the passphrase of an encrypted file.
    """
    first, _, rest = text.strip().partition("\n")
    words = unicodedata.normalize("NFKD", first).split()
    if text.strip().startswith("{"):
        return _of_file(text, origin, ask)
    if len(words) in WORDS:
        of = family or EVM
        return _of_words(words, of, path or rest.strip() or FIRST_PATH[of])
    if path is not None:
        raise ConfigError(f"{origin} holds no mnemonic of {', '.join(map(str, WORDS))} words: leave --path out")
    if family is SOLANA or (family is None and first.startswith("[")):
        from yieldbot.chains.solana.signing.keystore import secret_of

        return Key(SOLANA, secret_of(text))
    from yieldbot.chains.evm.signing.keystore import secret_of

    return Key(EVM, secret_of(text))


def _of_file(text: str, origin: Path, ask: Callable[[], str]) -> Key:
    """The key of a keystore file."""
    from yieldbot.chains.evm.signing.keystore import decrypted
    from yieldbot.chains.solana.signing.keystore import decrypted as opened
    from yieldbot.chains.solana.signing.keystore import is_solana_key

    try:
        document = loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{origin} cannot be read as a keystore: it is damaged") from None
    if is_solana_key(document):
        return Key(SOLANA, opened(document, origin, ask()))
    return Key(EVM, decrypted(document, origin, ask()))


def _of_words(words: list[str], family: Family, path: str) -> Key:
    """The key of a mnemonic: BIP-39 in English, then BIP-32 or (Solana's Ed25519) SLIP-10."""
    if not re.fullmatch(r"m(/[0-9]{1,10}'?)+", path):
        raise ConfigError(f"the path {path[:40]!r} is none: write one as {FIRST_PATH[family]}")
    from eth_account.hdaccount import key_from_seed
    from eth_account.hdaccount.mnemonic import Mnemonic
    from eth_account.types import Language

    phrase = " ".join(words).lower()
    if not Mnemonic(Language.ENGLISH).is_mnemonic_valid(phrase):
        raise ConfigError("these words are no mnemonic: one is misspelt, or they are not in their order")
    seed: Any = Mnemonic.to_seed(phrase)
    try:
        if family is EVM:
            return Key(EVM, bytes(key_from_seed(seed, path)))
        from solders.keypair import Keypair

        return Key(SOLANA, bytes(Keypair.from_seed_and_derivation_path(seed, path))[:32])
    except Exception:  # nothing of a secret may be quoted
        raise ConfigError(f"no key can be derived by the path {path}") from None
