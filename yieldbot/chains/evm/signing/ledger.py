"""Signs with a key in a Ledger, by APDUs to its Ethereum app; a person confirms each signature on the device.

Protocol: https://github.com/LedgerHQ/app-ethereum/blob/develop/doc/ethapp.adoc. The device shows what it can decode of
a call, which is little for a protocol's contracts (blind signing); what is signed is checked here in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from yieldbot.chains.evm.signing.sign import address_of, assembled, payload, to_sign
from yieldbot.errors import ConfigError, SafetyError, SignerRefused, TransientError, YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, hd_path
from yieldbot.model.settings import LedgerKey
from yieldbot.model.tx import ApprovedTx, SignedTx

CLA = 0xE0
GET_ADDRESS, SIGN_TRANSACTION, GET_CONFIGURATION = 0x02, 0x04, 0x06
FIRST, NEXT = 0x00, 0x80
CHUNK = 255
"""Most bytes of data in one APDU."""
BLIND_SIGNING = 0x01
"""The flag of the app's configuration that allows signing calls which it cannot show."""
OLDEST = (1, 9, 2)
"""The app's first version with EIP-1559 (1.9.0) and chain numbers above 255 (1.9.2)."""
OK = 0x9000
REFUSED = (0x6985, 0x5501)
LOCKED = (0x5515, 0x6B0C, 0x6982, 0x6804)
OTHER_APP = (0x6D00, 0x6E00, 0x6E01, 0x6D02, 0x6511)
INVALID = 0x6A80

Waits = Callable[[str], AbstractContextManager[None]]
"""Makes a context that lasts while a person must act at the device. Argument: a description of what is to be
confirmed."""


class Transport(Protocol):
    """A connection to the device."""

    def exchange(self, apdu: bytes) -> bytes:
        """Send one command (APDU) and wait for its answer: data, then the status word of 2 bytes. Raises
        TransientError."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The Ethereum app's configuration."""

    version: tuple[int, int, int]
    """Major, minor, patch."""
    blind_signing: bool
    """Whether it signs calls that it cannot show to the person."""


class EthereumApp:
    """The three commands of the Ethereum app that we use."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def configuration(self) -> Configuration:
        """Its version and flags. Raises TransientError, as every command: not connected, locked, or another app is
        open."""
        data = self._exchange(GET_CONFIGURATION, FIRST, b"")
        if len(data) < 4:
            raise _nonsense()
        return Configuration((data[1], data[2], data[3]), bool(data[0] & BLIND_SIGNING))

    def address(self, path: str) -> Address:
        """The address of a BIP-32 path. Raises ValueError for a text that is not a path."""
        data = self._exchange(GET_ADDRESS, FIRST, encoded(path))
        try:
            if data[0] != 65 or data[1] != 4:
                raise ValueError
            return address_of(data[2:66])
        except (IndexError, ValueError):
            raise _nonsense() from None

    def sign(self, path: str, transaction: bytes) -> tuple[int, int]:
        """(r, s) of a signature over a typed transaction's bytes, once the person has confirmed it. Raises
        SignerRefused when the person refuses."""
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
    """Signs with a Ledger. No command is sent before ``open`` or the first signature."""

    __slots__ = ("_address", "_app", "_opened", "_path", "_waits")

    def __init__(
        self, key: LedgerKey, address: Address, transport: Transport, waits: Waits = lambda words: nullcontext()
    ) -> None:
        """``address``: the wallet's in yieldbot.toml; ``open`` checks that the key's path belongs to it."""
        self._path = key.path
        self._address = address
        self._app = EthereumApp(transport)
        self._waits = waits
        self._opened = False

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self._address

    def __repr__(self) -> str:
        return f"LedgerSigner({self._address})"

    @property
    def opened(self) -> bool:
        """Whether the device has shown that the path belongs to the address."""
        return self._opened

    def open(self) -> None:
        """Check, once and without a person, that the device is connected, signs contract calls, and holds the address's
        key. Raises ConfigError, TransientError."""
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
        """Sign an approved transaction once the person has confirmed it. Raises SignerRefused when the person refuses,
        SafetyError, ConfigError, TransientError: then there is no signature."""
        to_sign(approved)
        self.open()
        tx = approved.simulated.tx
        with self._waits(tx.description):
            r, s = self._app.sign(self._path, payload(tx))
        return assembled(approved, self._address, r, s)


def encoded(path: str) -> bytes:
    """A BIP-32 path as the app takes it: one byte with the count of numbers, then each in 4 bytes. Raises
    ValueError."""
    numbers = hd_path(path)
    return bytes([len(numbers)]) + b"".join(number.to_bytes(4, "big") for number in numbers)


def chunks(data: bytes) -> list[tuple[bool, bytes]]:
    """(whether it is the first, bytes) of each piece of ``data``, CHUNK bytes at most."""
    return [(at == 0, data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)]


def _status_error(status: int, instruction: int) -> YieldbotError:
    """The error for a status word, with its remedy."""
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
