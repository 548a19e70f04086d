"""The export's file: whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from yieldbot.app.export import write_whole
from yieldbot.errors import ConfigError, InvariantError


def test_a_file_is_written_whole_and_never_over_another(tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    write_whole(file, "a\r\nb\n", force=False)
    assert file.read_bytes() == b"a\r\nb\n" and file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="--force"):
        write_whole(file, "other", force=False)
    assert file.read_bytes() == b"a\r\nb\n"
    write_whole(file, "other", force=True)
    assert file.read_bytes() == b"other" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    file = tmp_path / "books.csv"
    file.write_text("before") if force else None

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvariantError, match="No space left on device"):
        write_whole(file, "x" * 100, force=force)
    assert [one.name for one in tmp_path.iterdir()] == (["books.csv"] if force else [])
    assert not force or file.read_text() == "before"


def test_a_file_system_without_hard_links_and_a_link_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(source: object, target: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", none)
    file, link = tmp_path / "books.csv", tmp_path / "link.csv"
    write_whole(file, "one", force=False)
    with pytest.raises(ConfigError, match="--force"):
        write_whole(file, "two", force=False)
    link.symlink_to(file)
    write_whole(link, "three", force=True)
    assert link.is_symlink() and file.read_text() == "three" and len(list(tmp_path.iterdir())) == 2


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "books.csv", "x", force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvariantError, match="cannot be written"):
        write_whole(tmp_path / "no" / "books.csv", "x", force=False)
