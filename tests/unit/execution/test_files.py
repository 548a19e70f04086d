"""Files that a person's money depends on: regular, bounded, changed by their owner alone."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yieldbot.chains.evm.node.anvil import surroundings
from yieldbot.errors import ConfigError
from yieldbot.execution.halt import NAME, halt, halted, resume
from yieldbot.execution.keyfile import write_new
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.resources import head

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user takes root")
CONFIG = 'schema = 1\ndata_dir = "data"\n'


def private(path: Path, data: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(data)
    return path


def test_spaces_of_a_passphrase_are_its_own(tmp_path: Path) -> None:
    assert passphrase_in(private(tmp_path / "secret", b" two words \n")) == " two words "
    for empty in (b"", b"\n", b"\xef\xbb\xbf\r\n"):
        with pytest.raises(ConfigError, match="is empty"):
            passphrase_in(private(tmp_path / "empty", empty))


def test_whatever_is_named_halt_halts(tmp_path: Path) -> None:
    """A dangling symlink did not: it cannot be opened."""
    (tmp_path / NAME).symlink_to(tmp_path / "nowhere")
    assert halted(tmp_path) == "no reason given" and resume(tmp_path) and halted(tmp_path) is None
    os.mkfifo(tmp_path / NAME)
    assert halted(tmp_path) == "no reason given" and resume(tmp_path)
    (tmp_path / NAME).symlink_to("/dev/zero")
    assert halted(tmp_path) == "no reason given"


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Files take ``room`` bytes and no more, as on a disk that is full: by this process's own limit."""
    was, compiling = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # what is imported meanwhile would be compiled into a file that is cut off
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        sys.dont_write_bytecode = compiling


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_leaves_no_keystore_behind(tmp_path: Path, room: int) -> None:
    path = tmp_path / "keys" / "k.json"
    document = {"crypto": "x" * 500}
    with full_disk(room), pytest.raises(ConfigError, match="cannot be written"):
        write_new(path, document)
    assert list(path.parent.iterdir()) == []
    write_new(path, document)
    assert json.loads(path.read_text()) == document and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="exists already"):
        write_new(path, {})
    assert [one.name for one in path.parent.iterdir()] == ["k.json"] and json.loads(path.read_text()) == document


def test_a_halt_on_a_full_disk_halts_and_says_so(tmp_path: Path) -> None:
    with full_disk(0):
        path, lacking = halt(tmp_path, "the oracle looks wrong", 0)
    assert path.exists() and halted(tmp_path) == "no reason given"
    assert "is there and halts" in lacking and "File too large" in lacking


@ROOT_ONLY
def test_what_another_user_owns_is_refused(tmp_path: Path) -> None:
    file = private(tmp_path / "secret", b"correct horse\n")
    os.chown(file, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        passphrase_in(file)
    link = tmp_path / "link"
    link.symlink_to(private(tmp_path / "mine", b"correct horse\n"))
    os.chown(link, 12345, -1, follow_symlinks=False)
    with pytest.raises(ConfigError, match="belongs to another user"):
        passphrase_in(link)


def test_the_first_bytes_are_enough_where_no_more_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    assert head(tmp_path / "f", 10) == b"x" * 10
    with pytest.raises(IsADirectoryError):
        head(tmp_path, 10)


def test_anvil_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIN_PASSPHRASE", "s3cr3t")
    monkeypatch.setenv("BASE_RPC_URL", "https://node/key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    assert set(surroundings()) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT"}


def test_a_real_child_sees_none_of_our_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yieldbot.chains.evm.node.anvil import find_anvil

    monkeypatch.setenv("MAIN_PASSPHRASE", "s3cr3t")
    program = tmp_path / "anvil"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path / 'seen'}\necho 'anvil Version: 1.7.1'\n")
    program.chmod(0o755)
    find_anvil(program)
    assert "s3cr3t" not in (tmp_path / "seen").read_text()
