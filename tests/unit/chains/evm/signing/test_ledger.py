"""The Ledger signer against a double of the device (no emulator installs here): APDUs, USB reports, refusals."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.evm.signing import approved
from tests.kit.ledger_double import PATH, Ledger, UsbLibrary, key_of
from tests.kit.wiring import OWNER, supply_data, supply_tx
from yieldbot.chains.evm.signing.ledger import EthereumApp, LedgerSigner, chunks, encoded
from yieldbot.chains.evm.signing.ledger_hid import INSTALL, HidTransport, framed, joined
from yieldbot.chains.evm.signing.sign import digest, payload
from yieldbot.errors import ConfigError, SafetyError, SignerRefused, TransientError
from yieldbot.model.ids import Address, hd_path
from yieldbot.model.settings import LedgerKey
from yieldbot.model.tx import ApprovedTx

HOLDER = Address(key_of(PATH).public_key.to_checksum_address())
KEY = LedgerKey(path=PATH)


def approved_of(owner: Address = HOLDER, data: bytes | None = None) -> ApprovedTx:
    found = approved()
    tx = replace(supply_tx(), sender=owner, data=supply_data() if data is None else data)
    return replace(found, simulated=replace(found.simulated, tx=tx), digest=digest(tx))


@pytest.fixture
def usb(monkeypatch: pytest.MonkeyPatch) -> UsbLibrary:
    """hidapi with a Ledger behind it."""
    library = UsbLibrary(Ledger())
    module = ModuleType("hid")
    module.enumerate, module.device = library.enumerate, library.device
    monkeypatch.setitem(sys.modules, "hid", module)
    return library


def test_the_digest_is_of_the_payload() -> None:
    from eth_utils.crypto import keccak

    assert keccak(payload(supply_tx())) == digest(supply_tx())
    assert payload(supply_tx())[0] == 2 and len(rlp.decode(payload(supply_tx())[1:])) == 9


@pytest.mark.parametrize("size", [0, 4, 50, 150, 200, 233, 234, 255, 256, 500, 510, 511, 3000])
def test_transactions_of_every_length_are_signed(size: int) -> None:
    device = Ledger()
    signer = LedgerSigner(KEY, HOLDER, device)
    wanted = approved_of(data=bytes(range(256)) * (size // 256) + bytes(range(size % 256)))
    signed = signer.sign(wanted)
    assert signer.opened and signed.raw[0] == 2
    sent = [apdu for apdu in device.apdus if apdu[1] == 0x04]
    assert [apdu[2] for apdu in sent] == [0x00] + [0x80] * (len(sent) - 1)
    assert all(apdu[4] == 255 for apdu in sent[:-1])
    assert b"".join(apdu[5:] for apdu in sent) == encoded(PATH) + payload(wanted.simulated.tx)
    ((_, nonce, _, _, _, to, _, data, _),) = device.shown
    tx = wanted.simulated.tx
    assert (int.from_bytes(nonce, "big"), "0x" + to.hex(), data) == (tx.nonce, tx.to.lower(), tx.data)
    assert signer.sign(wanted) == signed and len(device.shown) == 2


def test_a_path_is_read_as_the_app_reads_it() -> None:
    assert encoded("m/44'/60'/0/0").hex() == "048000002c8000003c0000000000000000"  # the example of its documentation
    assert hd_path("m/44h/60h/7'/0/1") == (44 + 2**31, 60 + 2**31, 7 + 2**31, 0, 1)
    for path in (PATH, "m/44'/60'/7'/0/0", "m/44'/60'/0'/3"):
        assert EthereumApp(Ledger()).address(path) == key_of(path).public_key.to_checksum_address()
    for wrong in ("", "m", "44'/60'", "m/", "m/x", "m/44''", "m/44'h", "m/-1", "m/2147483648", "m/²", "m" + "/0" * 11):
        with pytest.raises(ValueError, match="write one such as m/44'/60'/0'/0/0"):
            hd_path(wrong)


def test_a_no_on_the_device_is_a_no() -> None:
    device = Ledger(person=lambda shown: False)
    with pytest.raises(SignerRefused, match="HUMAN_REJECTED: it was refused on the Ledger"):
        LedgerSigner(KEY, HOLDER, device).sign(approved_of())
    assert len(device.shown) == 1


@pytest.mark.parametrize(
    ("changes", "kind", "remedy"),
    [
        ({"state": 0x5515}, TransientError, "unlock it with its PIN"),
        ({"state": 0x6B0C}, TransientError, "unlock it with its PIN"),
        ({"state": 0x6E00}, TransientError, "open its Ethereum app"),
        ({"state": 0x6D00}, TransientError, "open its Ethereum app"),
        ({"state": 0x6511}, TransientError, "open its Ethereum app"),
        ({"state": 0x6F42}, TransientError, "status 0x6f42"),
        ({"state": 0x6A80}, ConfigError, "turn on Blind signing"),
        ({"blind_signing": False}, ConfigError, "turn on Blind signing"),
        ({"version": (1, 9, 0)}, ConfigError, "is 1.9.0: update it to 1.9.2 or newer"),
    ],
)
def test_a_device_that_is_not_ready_is_told_before_anybody_is_asked(
    changes: dict[str, Any], kind: type[Exception], remedy: str
) -> None:
    device = Ledger(**changes)
    signer = LedgerSigner(KEY, HOLDER, device)
    for attempt in (signer.open, lambda: signer.sign(approved_of())):
        with pytest.raises(kind, match=remedy) as refused:
            attempt()
        assert "\n" not in str(refused.value)
    assert not signer.opened and not device.shown


def test_another_device_or_path_signs_nothing() -> None:
    device = Ledger()
    with pytest.raises(ConfigError, match="correct address or path, or connect the right device"):
        LedgerSigner(LedgerKey(path="m/44'/60'/1'/0/0"), HOLDER, device).sign(approved_of())
    assert not device.shown
    signer = LedgerSigner(KEY, HOLDER, device)
    with pytest.raises(SafetyError, match="WRONG_KEY"):  # another's transaction, whoever approved it
        signer.sign(approved_of(OWNER))


def test_a_signature_over_other_bytes_is_refused() -> None:
    with pytest.raises(SafetyError, match="WRONG_KEY: what came back is no signature of"):
        LedgerSigner(KEY, HOLDER, Ledger(signs_another=True)).sign(approved_of())
    device = Ledger()
    with pytest.raises(SafetyError, match="DIGEST_MISMATCH"):
        LedgerSigner(KEY, HOLDER, device).sign(replace(approved_of(), digest=bytes(32)))
    assert not device.apdus


@pytest.mark.parametrize("answer", ["", "90", "9000", "019000", "41049000", "0000" * 40 + "9000"])
def test_answers_that_cannot_be_read_are_told(answer: str) -> None:
    class Confused:
        def exchange(self, apdu: bytes) -> bytes:
            return bytes.fromhex(answer)

    app = EthereumApp(Confused())
    with pytest.raises(TransientError):
        app.address(PATH)
    with pytest.raises((TransientError, SafetyError)):
        app.sign(PATH, payload(supply_tx()))


def test_the_person_is_told_what_the_device_asks_about() -> None:
    told: list[str] = []

    @contextmanager
    def waits(words: str) -> Iterator[None]:
        told.append(words)
        yield
        told.append("done")

    wanted = approved_of()
    LedgerSigner(KEY, HOLDER, Ledger(), waits).sign(wanted)
    assert told == [wanted.simulated.tx.description, "done"]


def test_reports_are_what_ledgers_framing_says() -> None:
    (report,) = framed(bytes.fromhex("e006000000"))
    assert report == bytes.fromhex("0101050000" + "0005" + "e006000000") + bytes(52)
    first, second = framed(bytes(range(58)))
    assert first[:7].hex() == "0101050000003a" and second[:6].hex() == "010105000139" and len(second) == 64


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=64, max_size=64))
def test_what_is_framed_is_joined_and_no_report_more_is_taken(data: bytes, more: bytes) -> None:
    reports = framed(data)
    assert all(len(report) == 64 for report in reports)
    left = iter([*reports, more])
    assert joined(left) == data and next(left) == more
    for broken in (reports[:-1], [b"\0" + reports[0][1:], *reports[1:]], reports[1:]):
        with pytest.raises(ValueError):
            joined(broken)


@given(st.binary(min_size=1, max_size=1200))
def test_chunks_are_the_data(data: bytes) -> None:
    cut = chunks(data)
    assert b"".join(chunk for _, chunk in cut) == data and [first for first, _ in cut].count(True) == 1
    assert cut[0][0] and all(1 <= len(chunk) <= 255 for _, chunk in cut)


def test_over_the_cable(usb: UsbLibrary) -> None:
    signer = LedgerSigner(KEY, HOLDER, HidTransport())
    signed = signer.sign(approved_of(data=bytes(700)))
    assert signed.raw[0] == 2 and usb.opened == 1  # kept open; what another program left unread is not taken
    usb.broken = True
    with pytest.raises(TransientError, match="plug it in again"):
        signer.sign(approved_of())
    usb.broken = False
    assert signer.sign(approved_of()).raw[0] == 2 and usb.opened == 2


def test_no_cable_two_cables_and_a_busy_one_are_told(usb: UsbLibrary) -> None:
    for plugged, said in ((0, "no Ledger is plugged in: connect it"), (2, "more than one Ledger")):
        usb.plugged = plugged
        with pytest.raises(TransientError, match=said):
            HidTransport().exchange(b"\xe0\x06\0\0\0")
    usb.plugged, usb.broken = 1, True
    with pytest.raises(TransientError, match="close other programs that use it"):
        HidTransport().exchange(b"\xe0\x06\0\0\0")


def test_a_late_answer_is_not_taken_for_the_next_commands(usb: UsbLibrary) -> None:
    usb.deaf = True
    transport = HidTransport(person_seconds=0.05)
    with pytest.raises(TransientError, match="nobody answered on the Ledger"):
        transport.exchange(b"\xe0\x06\0\0\0")
    usb.deaf = False
    with pytest.raises(TransientError, match="still waits for an answer"):
        transport.exchange(b"\xe0\x06\0\0\0")


def test_the_real_usb_library_has_what_we_use() -> None:
    hid = pytest.importorskip("hid")
    assert callable(hid.enumerate)
    device = hid.device()
    assert all(callable(getattr(device, name)) for name in ("open_path", "write", "read", "close"))
    with pytest.raises(OSError):
        device.open_path(b"/no/such/device")


def test_without_hidapi_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **more: Any) -> Any:
        if name == "hid":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError) as refused:
        HidTransport().exchange(b"\xe0\x06\0\0\0")
    assert str(refused.value) == INSTALL and "pip install hidapi" in INSTALL
