"""A key in a Ledger: the Ethereum app's APDUs over any ``Transport``; a person confirms each signature on the device.

Protocol: https://github.com/LedgerHQ/app-ethereum/blob/develop/doc/ethapp.adoc. The device shows what it can read of a
call, which for a protocol's contracts is little (blind signing); what is signed is checked here all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from yieldbot.chains.evm.signing.sign import address_of, assembled, payload, to_sign
from yieldbot.errors import ConfigError, SafetyError, SignerRefused, TransientError, YieldbotError
from yieldbot.model.ids import Address, hd_path
from yieldbot.model.settings import LedgerKey
from yieldbot.model.tx import ApprovedTx, SignedTx

CLA = 0xE0
GET_ADDRESS, SIGN_TRANSACTION, GET_CONFIGURATION = 0x02, 0x04, 0x06
FIRST, NEXT = 0x00, 0x80
CHUNK = 255
"""Bytes of data in one APDU at most."""
BLIND_SIGNING = 0x01
OLDEST = (1, 9, 2)
"""The app's first version with EIP-1559 (1.9.0) and chain numbers above 255 (1.9.2)."""
OK = 0x9000
REFUSED = (0x6985, 0x5501)
LOCKED = (0x5515, 0x6B0C, 0x6982, 0x6804)
OTHER_APP = (0x6D00, 0x6E00, 0x6E01, 0x6D02, 0x6511)
INVALID = 0x6A80

Waits = Callable[[str], AbstractContextManager[None]]
"""Entered while a person is expected at the device; takes what the device asks about, in words."""


class Transport(Protocol):
    """A way to the device."""

    def exchange(self, apdu: bytes) -> bytes:
        """Send one command, wait for its answer: data and the two bytes of the status word. Raises TransientError."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the Ethereum app says of itself. blind_signing: whether it signs calls that it cannot show in words."""

    version: tuple[int, int, int]
    blind_signing: bool


class EthereumApp:
    """The three commands that we use."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def configuration(self) -> Configuration:
        """Flags and version. Raises TransientError (not reachable, locked, another app), as every command."""
        data = self._exchange(GET_CONFIGURATION, FIRST, b"")
        if len(data) < 4:
            raise _nonsense()
        return Configuration((data[1], data[2], data[3]), bool(data[0] & BLIND_SIGNING))

    def address(self, path: str) -> Address:
        """The account of a path, by its public key. Raises ValueError for what is no path."""
        data = self._exchange(GET_ADDRESS, FIRST, encoded(path))
        try:
            if data[0] != 65 or data[1] != 4:
                raise ValueError
            return address_of(data[2:66])
        except (IndexError, ValueError):
            raise _nonsense() from None

    def sign(self, path: str, transaction: bytes) -> tuple[int, int]:
        """r and s over a typed transaction; waits for the person. Raises SignerRefused when the person says no."""
        answer = b""
        for apdu_first, chunk in chunks(encoded(path) + transaction):
            answer = self._exchange(SIGN_TRANSACTION, FIRST if apdu_first else NEXT, chunk)
        if len(answer) != 65:
            raise SafetyError("DIGEST_MISMATCH", "what came back from the Ledger is no signature")
        return int.from_bytes(answer[1:33], "big"), int.from_bytes(answer[33:], "big")

    def _exchange(self, instruction: int, first: int, data: bytes) -> bytes:
        answer = self._transport.exchange(bytes([CLA, instruction, first, 0, len(data)]) + data)
        if len(answer) < 2:
            raise _nonsense()
        status = int.from_bytes(answer[-2:], "big")
        if status != OK:
            raise _status_error(status, instruction)
        return answer[:-2]


class LedgerSigner:
    """Signs with a Ledger. The device is not asked before ``open`` or the first signature."""

    __slots__ = ("_address", "_app", "_opened", "_path", "_waits")

    def __init__(
        self, key: LedgerKey, address: Address, transport: Transport, waits: Waits = lambda words: nullcontext()
    ) -> None:
        """``address``: the account that yieldbot.toml names; the path must be its."""
        self._path = key.path
        self._address = address
        self._app = EthereumApp(transport)
        self._waits = waits
        self._opened = False

    @property
    def address(self) -> Address:
        return self._address

    def __repr__(self) -> str:
        return f"LedgerSigner({self._address})"

    @property
    def opened(self) -> bool:
        """Whether the device has shown that the path is the account's."""
        return self._opened

    def open(self) -> None:
        """See that the device is there, ready to sign calls, and of this account. Raises ConfigError, TransientError.

        No person is asked.
        """
        if self._opened:
            return
        found = self._app.configuration()
        if found.version < OLDEST:
            installed, oldest = (".".join(map(str, version)) for version in (found.version, OLDEST))
            raise ConfigError(
                f"the Ledger's Ethereum app is {installed}: update it to {oldest} or newer in Ledger's program"
            )
        if not found.blind_signing:
            raise ConfigError("the Ledger refuses contract calls: turn on Blind signing in its Ethereum app's settings")
        address = self._app.address(self._path)
        if address.lower() != self._address.lower():
            raise ConfigError(
                f"the Ledger's {self._path} is of {address}, not {self._address}: correct address or path, or connect "
                "the right device"
            )
        self._opened = True

    def sign(self, approved: ApprovedTx) -> SignedTx:
        """Sign what was approved, once the person has confirmed it. Raises SafetyError (SignerRefused when the person
        says no), ConfigError, TransientError (nothing is signed then)."""
        to_sign(approved)
        self.open()
        tx = approved.simulated.tx
        with self._waits(tx.description):
            r, s = self._app.sign(self._path, payload(tx))
        return assembled(approved, self._address, r, s)


def encoded(path: str) -> bytes:
    """A BIP-32 path as the app takes it: how many numbers, each of 4 bytes. Raises ValueError."""
    numbers = hd_path(path)
    return bytes([len(numbers)]) + b"".join(number.to_bytes(4, "big") for number in numbers)


def chunks(data: bytes) -> list[tuple[bool, bytes]]:
    """Data in pieces of at most 255 bytes, each with whether it is the first."""
    return [(at == 0, data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)]


def _status_error(status: int, instruction: int) -> YieldbotError:
    """A status word in words, with the remedy."""
    if status in REFUSED and instruction == SIGN_TRANSACTION:
        return SignerRefused("it was refused on the Ledger")
    if status in LOCKED:
        return TransientError("the Ledger is locked: unlock it with its PIN and open its Ethereum app")
    if status in OTHER_APP:
        return TransientError("the Ledger has another app open, or none: open its Ethereum app")
    if status == INVALID:
        return ConfigError(
            "the Ledger cannot take this: turn on Blind signing in its Ethereum app's settings, and update the app"
        )
    return TransientError(
        f"the Ledger answered with status 0x{status:04x}: open its Ethereum app again, then try again"
    )


def _nonsense() -> TransientError:
    return TransientError("the Ledger's answer cannot be read: open its Ethereum app again, then try again")
