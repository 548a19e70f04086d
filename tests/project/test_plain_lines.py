"""Lines that a person reads when something is not as it should be: what it is, in words, and the remedy."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from threading import Timer
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from tests.kit.config.files import SETTINGS, swapped, written
from yieldbot.config.load import load
from yieldbot.errors import ConfigError, InvariantError, transport_words
from yieldbot.execution.keyfile import check_private
from yieldbot.journal.store import Journal


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_told_in_one_breath(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"write a finite number$"):
        load(written(tmp_path, swapped(SETTINGS, "move_horizon_days = 14", f"max_exit_hours = {value}")))


def test_names_that_are_known_include_flavours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy.try_first\[1\]: unknown .*'ZZZ': known are: .*generic"):
        load(written(tmp_path, swapped(SETTINGS, "move_horizon_days = 14", 'try_first = ["ZZZ"]')))


def test_no_mode_of_a_device_is_to_be_mended() -> None:
    with pytest.raises(ConfigError, match=r"--key-file /dev/zero is not a regular file: name one$"):
        check_private(Path("/dev/zero"), "--key-file")


def test_a_journal_that_is_no_file_is_told_as_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name, said in (("fifo", "is not a regular file"), ("folder", "is a folder")):
        for opened in (Journal.open, Journal.read):
            with pytest.raises(InvariantError, match=f"{said}: move it away, or correct data_dir"):
                opened(tmp_path / name)


@pytest.mark.parametrize("beside", ["journal.sqlite-wal", "journal.sqlite.bak", "journal.sqlite~"])
def test_an_emptied_journal_is_refused_where_rows_were(tmp_path: Path, beside: str) -> None:
    file = tmp_path / "journal.sqlite"
    file.touch()
    (tmp_path / beside).write_bytes(b"rows")
    with pytest.raises(InvariantError, match=f"is empty, though {beside} lies beside it.*restore it from a backup"):
        Journal.open(file)
    (tmp_path / beside).write_bytes(b"")
    Journal.open(file).close()
    assert file.stat().st_size, "alone it is what a start leaves that was killed before its first row"


def test_a_journal_that_another_program_begins_is_no_emptied_one(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    file.touch()
    beside = tmp_path / "journal.sqlite-journal"
    beside.write_bytes(b"rows")
    begun = Timer(0.05, beside.unlink)
    begun.start()
    Journal.open(file).close()
    begun.join()
    file.write_bytes(b"")
    beside.write_bytes(b"rows")
    os.utime(beside, (1, 1))
    with pytest.raises(InvariantError, match=r"is empty, though journal\.sqlite-journal lies beside it"):
        Journal.open(file)


def test_what_a_transport_says_is_in_words() -> None:
    key = Mock(spec=ConnectionKey, ssl=True, host="node.example", port=443, is_ssl=True)
    cut = aiohttp.ClientConnectorError(key, OSError(111, "Connect call failed"))
    assert transport_words(cut) == "no connection can be made"
    assert transport_words(ConnectionRefusedError()) == "no connection can be made"
    assert transport_words(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")) == "its answer cannot be read"
    assert transport_words(ssl.SSLCertVerificationError()) == "its TLS certificate or handshake is not accepted"
    assert transport_words(aiohttp.ServerDisconnectedError()) == "the connection was cut"
    assert transport_words(TimeoutError()) == "no answer in time"
