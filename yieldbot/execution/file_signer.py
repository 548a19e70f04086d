"""What signs with a file of keys, whatever its family: the address is known at once, the key when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from yieldbot.model.ids import Address


class Openable(Protocol):
    """A signer that can be tried before it is needed."""

    @property
    def address(self) -> Address: ...

    @property
    def opened(self) -> bool:
        """Whether ``open`` has succeeded."""

    def open(self) -> None:
        """Make sure that the key can be used and is the account's. Raises ConfigError, or TransientError for later."""


class FileSigner:
    """A keystore's key, decrypted by ``open`` or the first signature (and kept until the process ends). A family's own
    adds ``sign``."""

    __slots__ = ("_address", "_ask", "_key", "_path")

    def __init__(self, path: Path, ask: Callable[[], str], address: Address) -> None:
        """``ask`` gives the passphrase."""
        self._path = path
        self._ask = ask
        self._address = address
        self._key: Any = None

    @property
    def address(self) -> Address:
        return self._address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer cannot be copied out of its process")

    @property
    def opened(self) -> bool:
        """Whether the key is decrypted already."""
        return self._key is not None

    def open(self) -> None:
        """Ask for the passphrase and decrypt the key (about a second), once. Raises ConfigError."""
        if self._key is None:
            self._key = self._unlocked()

    def _unlocked(self) -> Any:
        """The family's own object of the key. Raises ConfigError."""
        raise NotImplementedError
