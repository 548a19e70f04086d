"""The journal on a disk that is full, a file that cannot be read or is busy, and readers beside a writer."""

import errno
import resource
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.journal.store import CHAIN, OWNER, signed
from tests.kit.journal.store import path as path
from yieldbot.errors import DiskFull, InvariantError, JournalHeld, TransientError
from yieldbot.journal.connections import Written
from yieldbot.journal.journal_entries import (
    TxNoted,
    TxSent,
)
from yieldbot.journal.journal_file import READ_TRIES, database_error
from yieldbot.journal.store import Journal


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, DiskFull, "is full or failing"),
        (sqlite3.SQLITE_IOERR | 3 << 8, DiskFull, "is full or failing"),
        (sqlite3.SQLITE_LOCKED, JournalHeld, "held by another program"),
        (sqlite3.SQLITE_BUSY | 1 << 8, JournalHeld, "held by another program"),
        (sqlite3.SQLITE_NOTADB, InvariantError, "is damaged"),
        (sqlite3.SQLITE_CORRUPT, InvariantError, "is damaged"),
        (sqlite3.SQLITE_READONLY, InvariantError, "cannot be written"),
        (sqlite3.SQLITE_CANTOPEN, InvariantError, "cannot be written"),
        (sqlite3.SQLITE_PERM, InvariantError, "cannot be written"),
        (sqlite3.SQLITE_MISMATCH, InvariantError, "cannot be used: odd"),
        (None, InvariantError, "cannot be used: odd"),
    ],
)
def test_the_databases_own_errors_are_said_with_the_remedy(
    path: Path, code: int | None, kind: type[Exception], words: str
) -> None:
    failure = sqlite3.DatabaseError("odd")
    if code is not None:
        failure.sqlite_errorcode = code
    found = database_error(path, failure)
    assert type(found) is kind and words in str(found) and str(path) in str(found)


def test_a_file_that_is_written_all_the_time_is_not_read_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
    stamps = iter(range(1_000))
    monkeypatch.setattr("yieldbot.journal.journal_file._stamps", lambda _: ((next(stamps), 1), None))
    with pytest.raises(TransientError, match="is being written; try again in a moment"):
        Journal.read(path)
    assert next(stamps) == 2 * READ_TRIES


def test_what_is_not_there_is_not_read(path: Path) -> None:
    with pytest.raises(InvariantError):
        Journal.read(path)
    assert not path.exists() and not path.parent.exists()
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be looked at")
    with pytest.raises(InvariantError, match="is damaged"):
        Journal.read(path)


def test_a_full_disk_writes_nothing_and_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
        pages, connected = _pages(path), Written.connected

        def cramped(way: Written) -> sqlite3.Connection:
            connection = connected(way)  # SQLite's own limit gives the very error of a full disk, SQLITE_FULL
            connection.execute(f"PRAGMA max_page_count = {pages + 1}")
            return connection

        monkeypatch.setattr(Written, "connected", cramped)
        with pytest.raises(DiskFull, match=r"the disk of .*deep is full or failing; nothing was written; free space"):
            journal.append(signed("0xbb", 1), *(TxNoted(CHAIN, OWNER, "0xbb", "x" * 4000) for _ in range(9)))
        assert [tx.signed.hash for tx in journal.transactions()] == ["0xaa"]
        assert journal.verify() == 1


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow beyond ``most`` bytes: SQLite sees the disk I/O error that it sees where no space is left."""
    before, compiling = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # what is imported meanwhile would be compiled into a file that is cut off
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = compiling


def test_on_a_full_disk_the_journal_cannot_be_opened_and_can_be_read(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
    with full_disk(4096), pytest.raises(DiskFull, match=r"the disk of .*deep is full or failing; .* free space"):
        Journal.open(path)
    for leftover in path.parent.glob("*-*"):
        leftover.unlink()
    with full_disk(4096), Journal.read(path) as journal:
        assert [tx.signed.hash for tx in journal.transactions()] == ["0xaa"] and journal.verify() == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name], "reading leaves nothing beside the journal"


def test_no_space_for_the_file_itself_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("yieldbot.journal.store.os.open", full)
    with pytest.raises(DiskFull, match=r"the disk of .*deep is full or failing; .* free space"):
        Journal.open(path)


def test_what_is_read_cannot_be_written(path: Path) -> None:
    Journal.open(path).close()
    with Journal.read(path) as journal:
        with pytest.raises(InvariantError, match="cannot be written"):
            journal.append(signed())
        assert journal.history() == ()
    path.write_bytes(b"")
    with Journal.read(path) as journal:
        assert journal.history() == () and path.stat().st_size == 0


def test_rows_that_a_killed_run_left_in_its_log_are_read(path: Path, tmp_path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
        holder = sqlite3.connect(path)
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM events").fetchone()
        journal.append(TxSent(CHAIN, OWNER, "0xaa", 1))
        for ending in ("", "-wal"):
            shutil.copy(f"{path}{ending}", tmp_path / f"left.sqlite{ending}")
        holder.close()
    with Journal.read(tmp_path / "left.sqlite") as left:
        assert left.verify() == 2


def test_reading_beside_a_writer_sees_whole_transactions(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed(), TxSent(CHAIN, OWNER, "0xaa", 1))

        def write() -> None:
            for attempt in range(60):
                journal.append(*(TxNoted(CHAIN, OWNER, "0xaa", f"{attempt}" + "x" * 3000) for _ in range(2)))

        writer = threading.Thread(target=write)
        writer.start()
        seen = [0]
        while writer.is_alive():
            with Journal.read(path) as copy:
                seen.append(copy.verify())
        writer.join()
    assert seen == sorted(seen) and all(rows % 2 == 0 for rows in seen) and len(seen) > 5


def test_an_unreadable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside = tmp_path / "file" / "journal.sqlite"
    for way in (Journal.open, Journal.read):
        with pytest.raises(InvariantError, match=f"journal {inside} cannot be opened: "):
            way(inside)


def _pages(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        return int(database.execute("PRAGMA page_count").fetchone()[0])
    finally:
        database.close()
