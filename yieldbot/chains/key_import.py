"""A key as other programs hand it out: a keystore, a Solana keypair, hex digits, base58, or the words of a mnemonic."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.model.families import EVM, SOLANA, Family

EVM_PATH, SOLANA_PATH = "m/44'/60'/0'/0/0", "m/44'/501'/0'/0'"
"""The first account of most wallets of the family."""
WORDS = (12, 15, 18, 21, 24)


@dataclass(frozen=True, slots=True)
class Key:
    """solana: of which family. secret: 32 bytes, a private key or an Ed25519 seed."""

    solana: bool
    secret: bytes = field(repr=False)

    @property
    def family(self) -> Family:
        return SOLANA if self.solana else EVM


def key_of_family(text: str, origin: Path, family: Family | None, path: str | None, ask: Callable[[], str]) -> Key:
    """As ``key_in``; raises ConfigError also for a key of another family than ``family``, where that is given."""
    key = key_in(text, origin, None if family is None else family is SOLANA, path, ask)
    if family is not None and key.family is not family:
        raise ConfigError(f"--chain {family.name}: this is a key of the other family: leave --chain out")
    return key


def key_in(text: str, origin: Path, solana: bool | None, path: str | None, ask: Callable[[], str]) -> Key:
    """The key in a text; its form is told by the text itself. Raises ConfigError, never quoting any of it.

    origin: where the text is from; solana: the family where the text can be of both (None: EVM); path: of a mnemonic's
    account (default: the family's first, or the text's second line); ask: for the passphrase of an encrypted file.
    """
    first, _, rest = text.strip().partition("\n")
    words = unicodedata.normalize("NFKD", first).split()
    if text.strip().startswith("{"):
        return _of_file(text, origin, ask)
    if len(words) in WORDS:
        return _of_words(words, bool(solana), path or rest.strip() or (SOLANA_PATH if solana else EVM_PATH))
    if path is not None:
        raise ConfigError(f"{origin} holds no mnemonic of {', '.join(map(str, WORDS))} words: leave --path out")
    if solana or (solana is None and first.startswith("[")):
        from yieldbot.chains.solana.signing.keystore import secret_of

        return Key(True, secret_of(text))
    from yieldbot.chains.evm.signing.keystore import secret_of

    return Key(False, secret_of(text))


def _of_file(text: str, origin: Path, ask: Callable[[], str]) -> Key:
    from yieldbot.chains.evm.signing.keystore import decrypted
    from yieldbot.chains.solana.signing.keystore import decrypted as opened
    from yieldbot.chains.solana.signing.keystore import is_solana_key

    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{origin} cannot be read as a keystore: it is damaged") from None
    if is_solana_key(document):
        return Key(True, opened(document, origin, ask()))
    return Key(False, decrypted(document, origin, ask()))


def _of_words(words: list[str], solana: bool, path: str) -> Key:
    """BIP-39 in English, then BIP-32 or (Ed25519) SLIP-10."""
    if not re.fullmatch(r"m(/[0-9]{1,10}'?)+", path):
        raise ConfigError(f"the path {path[:40]!r} is none: write one as {SOLANA_PATH if solana else EVM_PATH}")
    from eth_account.hdaccount import key_from_seed
    from eth_account.hdaccount.mnemonic import Mnemonic
    from eth_account.types import Language

    phrase = " ".join(words).lower()
    if not Mnemonic(Language.ENGLISH).is_mnemonic_valid(phrase):
        raise ConfigError("these words are no mnemonic: one is misspelt, or they are not in their order")
    seed: Any = Mnemonic.to_seed(phrase)
    try:
        if not solana:
            return Key(False, bytes(key_from_seed(seed, path)))
        from solders.keypair import Keypair

        return Key(True, bytes(Keypair.from_seed_and_derivation_path(seed, path))[:32])
    except Exception:  # nothing of a secret may be quoted
        raise ConfigError(f"no key can be derived by the path {path}") from None
