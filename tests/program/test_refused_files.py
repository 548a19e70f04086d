"""Files that a person's money depends on, as the program judges them: regular and changed by their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from tests.unit.execution.test_files import CONFIG, private
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import read_private, write_new
from yieldbot.execution.lock import run_lock
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.resources import MOST_BYTES, read_text, refuse_if_others_change


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
