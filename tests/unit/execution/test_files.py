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

from tests.kit.program import yieldbot
from yieldbot.chains.evm.node.anvil import surroundings
from yieldbot.errors import ConfigError
from yieldbot.execution.halt import NAME, halt, halted, resume
from yieldbot.execution.keyfile import read_private, write_new
from yieldbot.execution.lock import run_lock
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.resources import MOST_BYTES, head, read_text, refuse_if_others_change

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user takes root")
CONFIG = 'schema = 1\ndata_dir = "data"\n'


def private(path: Path, data: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        b"correct horse",
        b"correct horse\n",
        b"correct horse\r\n",
        b"\xef\xbb\xbfcorrect horse\n",
        b"correct horse\nnotes\n",
    ],
)
def test_a_passphrase_is_the_first_line_for_every_command(tmp_path: Path, data: bytes) -> None:
    """Before, signing took the whole file and `wallet new` its first line; a byte-order mark was part of it."""
    file = private(tmp_path / "secret", data)
    assert passphrase_in(file) == "correct horse"
    made = yieldbot("wallet", "new", "a", "--passphrase-file", file, cwd=tmp_path)
    assert made.code == 0, made.err
    from yieldbot.chains.evm.signing.keystore import KeystoreSigner

    KeystoreSigner(tmp_path / "keys" / "a.json", lambda: "correct horse").open()


def test_spaces_of_a_passphrase_are_its_own(tmp_path: Path) -> None:
    assert passphrase_in(private(tmp_path / "secret", b" two words \n")) == " two words "
    for empty in (b"", b"\n", b"\xef\xbb\xbf\r\n"):
        with pytest.raises(ConfigError, match="is empty"):
            passphrase_in(private(tmp_path / "empty", empty))


def test_what_is_no_regular_file_or_has_no_end_is_refused_at_once(tmp_path: Path) -> None:
    """A FIFO was waited for without end, /dev/zero was read until the memory was full."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    (tmp_path / "large").chmod(0o600)
    for name, said in (("fifo", "neither"), ("zero", "neither"), ("large", "more than")):
        with pytest.raises(ConfigError, match=r"not a regular file|more than"):
            read_text(tmp_path / name)
        ended = yieldbot("--config", tmp_path / name, "plan", cwd=tmp_path, seconds=100)
        assert ended.code == 2 and said in ended.line
    for read in (read_private, passphrase_in):
        with pytest.raises(ConfigError):
            read(tmp_path / "fifo")
        with pytest.raises(ConfigError):
            read(tmp_path / "large")


def test_whatever_is_named_halt_halts(tmp_path: Path) -> None:
    """A dangling symlink did not: it cannot be opened."""
    (tmp_path / NAME).symlink_to(tmp_path / "nowhere")
    assert halted(tmp_path) == "no reason given" and resume(tmp_path) and halted(tmp_path) is None
    os.mkfifo(tmp_path / NAME)
    assert halted(tmp_path) == "no reason given" and resume(tmp_path)
    (tmp_path / NAME).symlink_to("/dev/zero")
    assert halted(tmp_path) == "no reason given"


def test_a_folder_of_the_kernel_is_told_as_what_it_is(tmp_path: Path) -> None:
    """Its answer to whoever makes a file there is "No such file or directory", though the folder is there."""
    (tmp_path / "yieldbot.toml").write_text('schema = 1\ndata_dir = "/proc"\n')
    ended = yieldbot("halt", cwd=tmp_path)
    assert ended.code == 2 and "/proc takes no files of ours" in ended.line and "name another folder" in ended.line
    with pytest.raises(ConfigError, match="/proc takes no files of ours"), run_lock(Path("/proc")):
        pass
    with pytest.raises(ConfigError, match="/proc takes no files of ours"):
        write_new(Path("/proc/wallets/k.json"), {})
    (tmp_path / "keys").touch()
    with pytest.raises(ConfigError, match="keys is no folder"):  # it was told that the keystore exists already
        write_new(tmp_path / "keys" / "k.json", {})


def test_what_others_can_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "yieldbot.toml"
    file.write_text(CONFIG)
    refuse_if_others_change(file, "it")
    refuse_if_others_change(tmp_path / "absent", "it")
    for mode in (0o664, 0o646, 0o622):
        file.chmod(mode)
        with pytest.raises(ConfigError, match=rf"changed by other users \(mode {mode:04o}\): chmod go-w"):
            refuse_if_others_change(file, "it")
    ended = yieldbot("plan", cwd=tmp_path)
    assert ended.code == 2 and "chmod go-w" in ended.line and str(file) in ended.line
    file.chmod(0o644)
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="chmod go-w"):
        refuse_if_others_change(file, "it")
    tmp_path.chmod(0o1777)  # as /tmp is: others may add files there, and not replace ours
    refuse_if_others_change(file, "it")
    tmp_path.chmod(0o755)


def test_an_env_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """It says which nodes are believed."""
    (tmp_path / "yieldbot.toml").write_text(CONFIG)
    env = tmp_path / ".env"
    env.write_text("BASE_RPC_URL=http://127.0.0.1:1\n")
    env.chmod(0o644)
    assert yieldbot("history", cwd=tmp_path).code == 0
    for mode in (0o666, 0o664, 0o646):
        env.chmod(mode)
        ended = yieldbot("history", cwd=tmp_path)
        assert ended.code == 2 and f"chmod go-w {env}" in ended.line, mode


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


@pytest.mark.parametrize("name", ["data", "chains/base.toml", "anvil"])
def test_data_dir_chains_and_anvil_are_judged_too(tmp_path: Path, name: str) -> None:
    from yieldbot.resources import folder

    job = '[[jobs]]\nwallet = "w"\nchain = "base"\nasset = "USDC"\n'
    wallet = '[[wallets]]\nname = "w"\nkeystore = "k.json"\naddress = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"\n'
    (tmp_path / "yieldbot.toml").write_text('anvil = "anvil"\n' + CONFIG + wallet + job)
    (tmp_path / "data").mkdir()
    (tmp_path / "anvil").touch(0o755)
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / "base.toml").write_text((folder("chains") / "base.toml").read_text())
    assert "chmod go-w" not in yieldbot("history", cwd=tmp_path).err
    (tmp_path / name).chmod(0o777)
    ended = yieldbot("history", cwd=tmp_path)
    assert ended.code == 2 and f"chmod go-w {tmp_path / name}" in ended.line


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
