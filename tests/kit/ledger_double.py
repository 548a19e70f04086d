"""A double of a Ledger with its Ethereum app, and of the USB library that reaches it: no emulator installs here.

It does what the app's documentation says (https://github.com/LedgerHQ/app-ethereum/blob/develop/doc/ethapp.adoc): reads
the APDUs, follows the chunks, refuses what is malformed, derives keys by BIP-32 from a mnemonic, signs with eth-keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rlp
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow"
PATH = "m/44'/60'/0'/0/0"

OK, REFUSED, LOCKED, OTHER_APP, INVALID = 0x9000, 0x6985, 0x5515, 0x6E00, 0x6A80
NO_INSTRUCTION, BAD_PARAMETER, BAD_LENGTH = 0x6D00, 0x6B00, 0x6700


def key_of(path: str) -> PrivateKey:
    Account.enable_unaudited_hdwallet_features()
    return PrivateKey(bytes(Account.from_mnemonic(MNEMONIC, account_path=path).key))


@dataclass
class Ledger:
    """A double of the device. person: called with a shown transaction's RLP fields; returns whether the person
    confirms."""

    person: Callable[[list[Any]], bool] = lambda shown: True
    state: int = OK
    blind_signing: bool = True
    version: tuple[int, int, int] = (1, 17, 0)
    signs_another: bool = False
    shown: list[list[Any]] = field(default_factory=list)
    apdus: list[bytes] = field(default_factory=list)
    _path: str = ""
    _data: bytes = b""

    def exchange(self, apdu: bytes) -> bytes:
        self.apdus.append(apdu)
        status, data = (self.state, b"") if self.state != OK else self._answer(apdu)
        return data + status.to_bytes(2, "big")

    def _answer(self, apdu: bytes) -> tuple[int, bytes]:
        if len(apdu) < 5 or apdu[4] != len(apdu) - 5:
            return BAD_LENGTH, b""
        if apdu[0] != 0xE0:
            return OTHER_APP, b""
        instruction, first, second, data = apdu[1], apdu[2], apdu[3], apdu[5:]
        if second != 0:
            return BAD_PARAMETER, b""
        match instruction:
            case 0x06:
                return (OK, bytes([self.blind_signing, *self.version])) if first == 0 else (BAD_PARAMETER, b"")
            case 0x02:
                return self._address(first, data)
            case 0x04:
                return self._sign(first, data)
        return NO_INSTRUCTION, b""

    def _address(self, first: int, data: bytes) -> tuple[int, bytes]:
        path, rest = _path_of(data)
        if first != 0 or path is None or rest:
            return INVALID, b""
        public = key_of(path).public_key
        text = public.to_checksum_address()[2:].encode()
        return OK, b"\x41\x04" + public.to_bytes() + bytes([len(text)]) + text

    def _sign(self, first: int, data: bytes) -> tuple[int, bytes]:
        if first == 0x00:
            path, self._data = _path_of(data)
            if path is None or not path.startswith("m/44'/60'/"):
                return INVALID, b""
            self._path = path
        elif first == 0x80 and self._path:
            self._data += data
        else:
            return BAD_PARAMETER, b""
        missing = _missing(self._data)
        if missing is not None and missing > 0:
            return OK, b""
        path, self._path = self._path, ""
        if missing is None or missing < 0:
            return INVALID, b""
        return self._shown(path, self._data)

    def _shown(self, path: str, transaction: bytes) -> tuple[int, bytes]:
        fields = rlp.decode(transaction[1:])
        if len(fields) != 9 or len(fields[5]) != 20 or (fields[7] and not self.blind_signing):
            return INVALID, b""
        self.shown.append(fields)
        if not self.person(fields):
            return REFUSED, b""
        if self.signs_another:
            fields[5] = bytes([fields[5][0] ^ 1]) + fields[5][1:]
        signature = key_of(path).sign_msg_hash(keccak(b"\x02" + rlp.encode(fields)))
        return OK, bytes([signature.v]) + signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big")


def _path_of(data: bytes) -> tuple[str | None, bytes]:
    """The BIP-32 path that data begins with, and what follows it."""
    if not data or not 1 <= data[0] <= 10 or len(data) < 1 + 4 * data[0]:
        return None, b""
    numbers = [int.from_bytes(data[at : at + 4], "big") for at in range(1, 1 + 4 * data[0], 4)]
    return "/".join(["m", *(f"{n & 0x7FFFFFFF}'" if n >> 31 else str(n) for n in numbers)]), data[1 + 4 * data[0] :]


def _missing(data: bytes) -> int | None:
    """How many bytes of the typed transaction are still missing, by its RLP length; None for other data."""
    if len(data) < 2:
        return 1
    if data[0] != 0x02 or data[1] < 0xC0:
        return None
    size = data[1] - 0xF7
    if size <= 0:
        return 2 + data[1] - 0xC0 - len(data)
    if len(data) < 2 + size:
        return 2 + size - len(data)
    return 2 + size + int.from_bytes(data[2 : 2 + size], "big") - len(data)


class UsbLibrary:
    """A double of the module ``hid`` (hidapi), through which the Ledger double exchanges reports of 64 bytes."""

    def __init__(self, ledger: Ledger, plugged: int = 1) -> None:
        self.ledger, self.plugged = ledger, plugged
        self.opened, self.deaf, self.broken = 0, False, False

    def enumerate(self, vendor: int, product: int) -> list[dict[str, Any]]:
        assert (vendor, product) == (0x2C97, 0)
        faces = ({"usage_page": 0xFFA0, "interface_number": 0}, {"usage_page": 0xF1D0, "interface_number": 1})
        return [{"path": f"usb{n}:{i}".encode(), **face} for n in range(self.plugged) for i, face in enumerate(faces)]

    def device(self) -> UsbDevice:
        return UsbDevice(self)


class UsbDevice:
    def __init__(self, library: UsbLibrary) -> None:
        self.library = library
        self.sent, self.left = b"", [b"\x01\x01\x05\x00\x07stale".ljust(64, b"\0")]

    def open_path(self, path: bytes) -> None:
        assert path == b"usb0:0"
        if self.library.broken:
            raise OSError("open failed")
        self.library.opened += 1

    def write(self, report: bytes) -> int:
        if self.library.broken:
            return -1
        assert len(report) == 65 and report[:4] == b"\0\x01\x01\x05"
        number, body = int.from_bytes(report[4:6], "big"), report[6:]
        self.sent = body if number == 0 else self.sent + body
        length = int.from_bytes(self.sent[:2], "big")
        assert number == (len(self.sent) - 1) // 59
        if len(self.sent) >= 2 + length and not self.library.deaf:
            answer = self.library.ledger.exchange(self.sent[2 : 2 + length])
            rest = len(answer).to_bytes(2, "big") + answer
            for n, at in enumerate(range(0, len(rest), 59)):
                self.left.append((b"\x01\x01\x05" + n.to_bytes(2, "big") + rest[at : at + 59]).ljust(64, b"\0"))
        return len(report)

    def read(self, size: int, timeout_ms: int) -> list[int]:
        assert size == 64 and timeout_ms > 0
        return list(self.left.pop(0)) if self.left else []

    def close(self) -> None:
        self.left.clear()
