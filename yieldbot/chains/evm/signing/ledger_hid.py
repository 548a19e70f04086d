"""The USB connection to a Ledger: APDUs are cut into HID reports of 64 bytes, and answers joined again.

A report: channel (2 bytes), tag 0x05, sequence number (2 bytes), data; the first one's data begins with the length of
the whole (2 bytes), the last one is filled up with zeros. All numbers are big endian.
https://github.com/LedgerHQ/ledger-live/tree/develop/libs/ledgerjs/packages/devices (hid-framing)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from yieldbot.errors import ConfigError, TransientError

VENDOR = 0x2C97
USAGE_PAGE = 0xFFA0
CHANNEL, TAG = 0x0101, 0x05
REPORT = 64
HEADER = CHANNEL.to_bytes(2, "big") + bytes([TAG])
PERSON_SECONDS = 300.0
"""How long a person may take to confirm or refuse on the device."""
POLL_MS = 200
"""How long one read waits; between two reads Ctrl-C takes effect."""

INSTALL = "a Ledger needs the package hidapi, which is not installed: pip install hidapi (yieldbot's extra ledger)"


def framed(apdu: bytes) -> list[bytes]:
    """A command as HID reports of 64 bytes."""
    rest = len(apdu).to_bytes(2, "big") + apdu
    room = REPORT - len(HEADER) - 2
    pieces = [rest[at : at + room] for at in range(0, len(rest), room)]
    return [(HEADER + n.to_bytes(2, "big") + piece).ljust(REPORT, b"\0") for n, piece in enumerate(pieces)]


def joined(reports: Iterable[bytes]) -> bytes:
    """The answer in HID reports; no more reports are read than it needs. Raises ValueError for malformed reports."""
    found, length = b"", None
    for number, report in enumerate(reports):
        if len(report) < 7 or report[:3] != HEADER or int.from_bytes(report[3:5], "big") != number:
            raise ValueError("a report of another exchange")
        body = report[5:]
        if length is None:
            length, body = int.from_bytes(body[:2], "big"), body[2:]
        found += body
        if len(found) >= length:
            return found[:length]
    raise ValueError("the answer ends too early")


class HidTransport:
    """The one Ledger that is plugged in, opened with the first command and kept open. A ``ledger.Transport``."""

    __slots__ = ("_device", "_seconds", "_unanswered")

    def __init__(self, person_seconds: float = PERSON_SECONDS) -> None:
        self._device: Any = None
        self._seconds = person_seconds
        self._unanswered = False

    def exchange(self, apdu: bytes) -> bytes:
        """Send a command and wait for its answer. Raises ConfigError without the package hidapi, TransientError when
        the device is not connected, disconnected, or nobody acts on it in time."""
        if self._unanswered:  # a late answer would be taken for that of the next command
            raise TransientError("the Ledger still waits for an answer: refuse on it, unplug it, then run again")
        try:
            if self._device is None:
                self._device = _opened()
            for report in framed(apdu):
                if self._device.write(b"\0" + report) < 0:
                    raise OSError("not written")
            self._unanswered = True
            answer = joined(self._reports())
            self._unanswered = False
            return answer
        except (OSError, ValueError):
            self._close()
            raise TransientError("the connection to the Ledger broke: plug it in again, open its app") from None

    def _reports(self) -> Iterator[bytes]:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            if report := bytes(self._device.read(REPORT, POLL_MS)):
                yield report
        self._device.close()
        raise TransientError(f"nobody answered on the Ledger for {self._seconds:z.0f} s: refuse on it, then run again")

    def _close(self) -> None:
        device, self._device, self._unanswered = self._device, None, False
        if device is not None:
            device.close()


def _opened() -> Any:
    """The opened device. Raises ConfigError, TransientError."""
    try:
        import hid
    except ImportError:
        raise ConfigError(INSTALL) from None
    found = {
        entry["path"]
        for entry in hid.enumerate(VENDOR, 0)
        if entry.get("usage_page") == USAGE_PAGE or entry.get("interface_number") == 0
    }
    if not found:
        raise TransientError("no Ledger is plugged in: connect it, unlock it, open its Ethereum app")
    if len(found) > 1:
        raise TransientError("more than one Ledger is plugged in: leave only the right one")
    device = hid.device()
    try:
        device.open_path(found.pop())
    except OSError:
        raise TransientError(
            "the Ledger cannot be opened: close other programs that use it (Ledger's own), and on Linux install "
            "Ledger's udev rules"
        ) from None
    while device.read(REPORT, 1):  # reports left over from another program
        pass
    return device
