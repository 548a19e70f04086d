"""Where the passphrase of a wallet comes from: its file, its variable, or the person at the terminal."""

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
    """How to get the wallet's passphrase when it is needed: from its file, its variable, or by asking.

    Calling the result raises ConfigError when none of the three gives one.
    """

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
    """Whether nobody is asked for a passphrase: it comes from a file or a variable that is set, or there is none."""
    given = wallet.passphrase_file is not None or bool(environment.get(wallet.passphrase_env or ""))
    return given or wallet.held is not None


def passphrase_in(file: Path, what: str = "passphrase_file") -> str:
    """The passphrase that a file holds, for every command: its first line. Raises ConfigError.

    what: how the file was named, as its key in yieldbot.toml or its flag.
    """
    check_private(file, what, "write the passphrase into that file (mode 600), or name the right one")
    try:
        found = first_line(file)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{what} {file} cannot be read as text: write the passphrase into it") from None
    if not found:
        raise ConfigError(f"{what} {file} is empty: write the passphrase into it")
    return found
