"""Where a wallet's passphrase comes from: a file, an environment variable, or the person at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import check_private
from yieldbot.model.settings import Wallet
from yieldbot.resources import first_line


def passphrase(
    wallet: Wallet, environment: Mapping[str, str], prompt: Callable[[str], str] | None
) -> Callable[[], str]:
    """A function that gets the wallet's passphrase when it is needed: from its file, else its variable, else by
    ``prompt`` (None: there is no terminal). It raises ConfigError when none of the three gives one."""

    def ask() -> str:
        if wallet.passphrase_file is not None:
            return passphrase_in(wallet.passphrase_file)
        if wallet.passphrase_env is not None and environment.get(wallet.passphrase_env):
            return environment[wallet.passphrase_env]
        if prompt is not None:
            return prompt(f"Passphrase of wallet {wallet.name}: ")
        where = (
            f"${wallet.passphrase_env} is not set" if wallet.passphrase_env else "no passphrase_file or _env is named"
        )
        raise ConfigError(f"wallet {wallet.name}: {where}, and there is no terminal to ask on")

    return ask


def is_given(wallet: Wallet, environment: Mapping[str, str]) -> bool:
    """Whether no person needs to be asked for a passphrase: a file or a variable has it, or the wallet's key needs
    none."""
    given = wallet.passphrase_file is not None or bool(environment.get(wallet.passphrase_env or ""))
    return given or wallet.held is not None


def passphrase_in(file: Path, what: str = "passphrase_file") -> str:
    """The passphrase in a file: its first line. Raises ConfigError for a file that is empty, no text, or open to
    others.

    what: the key in yieldbot.toml, or the flag, that named the file.
    """
    check_private(file, what, "write the passphrase into that file (mode 600), or name the right one")
    try:
        found = first_line(file)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{what} {file} cannot be read as text: write the passphrase into it") from None
    if not found:
        raise ConfigError(f"{what} {file} is empty: write the passphrase into it")
    return found
