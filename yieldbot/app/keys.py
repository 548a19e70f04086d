"""Paths of new keystores, and where passphrases and imported keys are read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.wiring import passphrases_in_env
from yieldbot.chains.key_import import key_in
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import SHORTEST, check_private, long_enough
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import read_text

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.chains.key_import import Key
    from yieldbot.model.families import Family

KEYS = "keys"
"""The folder of keystores, beside the configuration."""
MOST_TRIES = 3
"""How often a person may type a passphrase or a key until it is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassphrase:
    """Where a new keystore's passphrase comes from; if neither is given, a person is asked for it twice."""

    file: Path | None = None
    """The file whose first line is the passphrase; must have mode 0600."""
    variable: str | None = None
    """A variable of the environment or .env that holds the passphrase."""


def passphrase_of(given: NewPassphrase, context: Context) -> str:
    """The new keystore's passphrase. Raises ConfigError if it cannot be read, or nobody can be asked."""
    if given.file is not None:
        return passphrase_in(given.file, "--passphrase-file")
    if given.variable is not None:
        passphrases_in_env(context, given.variable)
        found = context.environment.get(given.variable)
        if not found:
            raise ConfigError(f"--passphrase-env: {given.variable} is not set, or empty")
        return found
    if context.secret is None:
        raise ConfigError("there is no terminal to ask for a passphrase on: use --passphrase-file or --passphrase-env")
    return typed_passphrase("New passphrase", context)


def check_given(given: NewPassphrase, context: Context) -> None:
    """Raises ConfigError where the passphrase is given, and cannot be read or is too short; before questions are asked
    whose answers would then be lost."""
    if given.file is not None or given.variable is not None:
        long_enough(passphrase_of(given, context))


def typed_passphrase(what: str, context: Context) -> str:
    """A new passphrase, typed twice by a person, who is asked again up to MOST_TRIES times. Raises ConfigError."""
    assert context.secret is not None
    for left in reversed(range(MOST_TRIES)):
        first = context.secret(f"{what} (at least {SHORTEST} characters, not shown): ")
        try:
            long_enough(first)
            if first != context.secret("The same again: "):
                raise ConfigError("the two passphrases differ: nothing was written")
        except ConfigError as wrong:
            if not left:
                raise
            context.say(f"   {wrong}; try again")
        else:
            break
    return first


def imported_key(file: Path | None, form: str, family: Family, piped: Callable[[], str], context: Context) -> Key:
    """A key of this family to import, in any form that ``wallet import`` reads. A person who types it is asked again up
    to MOST_TRIES times. Raises ConfigError, which never quotes the key."""

    def ask() -> str:
        if context.secret is None:
            raise ConfigError(
                "there is no terminal to ask for the keystore's passphrase on: use `yieldbot wallet import`"
            )
        return context.secret("Passphrase of the keystore that is imported: ")

    typed = file is None and context.secret is not None
    for left in reversed(range(MOST_TRIES if typed else 1)):
        text = key_text(file, f"{form}, or a mnemonic", piped, context)
        try:
            key = key_in(text, file or Path("the key"), family, None, ask)
            if key.family is not family:
                raise ConfigError(f"this is a key of another family than the chain's, which is {family.name}")
        except ConfigError as wrong:
            if not left:
                raise
            context.say(f"   {wrong}; try again")
        else:
            break
    return key


def key_text(file: Path | None, form: str, piped: Callable[[], str], context: Context) -> str:
    """The text of a private key: from a file (mode 0600), from a person, or from standard input (``-``).

    ``form``: the expected forms, for the question. Raises ConfigError.
    """
    if file is None and context.secret is not None:
        return context.secret(f"Private key ({form}, not shown): ")
    if file is None or str(file) == "-":
        return piped()
    check_private(file, "--key-file", "name a file that is there")
    return text_of(file)


def text_of(file: Path) -> str:
    """The content of a text file. Raises ConfigError."""
    try:
        return read_text(file)
    except OSError as failure:
        raise ConfigError(f"{file}: cannot be read ({failure.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not text") from None


def keys_folder(context: Context) -> Path:
    return context.config.expanduser().absolute().parent / KEYS


def is_name(text: str) -> bool:
    """Whether this is a valid wallet name."""
    return text.replace("-", "").replace("_", "").isalnum()


def keystore_path(name: str, elsewhere: Path | None, context: Context) -> Path:
    """The path of a new wallet's keystore. Raises ConfigError for an invalid name."""
    if elsewhere is not None:
        return elsewhere
    if not is_name(name):
        raise ConfigError(f"wallet name {name!r}: use letters, digits, - and _")
    return keys_folder(context) / f"{name}.json"
