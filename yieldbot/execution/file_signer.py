"""Signing with a keystore file, on any chain: its address is known at once, its key is decrypted when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from yieldbot.model.ids import Address


class Openable(Protocol):
    """A signer whose key can be tested before it is needed."""

    @property
    def address(self) -> Address:
        """The key's address."""

    @property
    def opened(self) -> bool:
        """Whether ``open`` has succeeded."""

    def open(self) -> None:
        """Check that the key can be used and belongs to the account. Raises ConfigError; TransientError if a later try
        may succeed."""


class FileSigner:
    """Holds a keystore's key, decrypted by ``open`` or the first signature and kept until the process ends. The signers
    of both chain families inherit it and add ``sign``."""

    __slots__ = ("_address", "_ask", "_key", "_lock", "_path")

    def __init__(self, path: Path, ask: Callable[[], str], address: Address) -> None:
        """path: the keystore. ask: returns the passphrase. address: the key's expected address, which ``open``
        compares."""
        self._path = path
        self._ask = ask
        self._address = address
        self._key: Any = None
        self._lock = Lock()  # jobs of one wallet on several chains want its key at once

    @property
    def address(self) -> Address:
        """The key's address."""
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
        """Ask for the passphrase and decrypt the key (about a second), once. It waits while as many keystores are being
        opened as there is memory for. Raises ConfigError."""
        with self._lock:
            if self._key is None:
                from yieldbot.execution.slots import key_slots

                passphrase = self._ask()
                with key_slots().held_here():
                    self._key = self._unlocked(passphrase)

    def _unlocked(self, passphrase: str) -> Any:
        """The decrypted key, as an object of the chain family's library. Raises ConfigError."""
        raise NotImplementedError
