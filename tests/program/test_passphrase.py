"""The passphrase: where it may lie, and that `check` opens the keystore with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.config.files import SETTINGS, swapped, written
from tests.kit.program import yieldbot
from yieldbot.app.wiring import signers
from yieldbot.chains.evm.signing.keystore import create
from yieldbot.cli.screen import Screen
from yieldbot.errors import ConfigError

PASSPHRASE = "correct horse battery staple"


def home(folder: Path, how: str, env: str = "") -> Path:
    """A configuration with a keystore that PASSPHRASE opens; ``how``: the wallet's line about the passphrase."""
    address = create(folder / "keys" / "main.json", PASSPHRASE, scrypt_n=2)
    lines = SETTINGS.replace('"0x52908400098527886E0F7030069857D2E4169EE7"', f'"{address}"')
    path = written(folder, settings=lines.replace('keys/main.json"\n', f'keys/main.json"\n{how}\n'), env=env)
    if env:
        (folder / ".env").chmod(0o600)
    return path


def checked(path: Path, **environment: str) -> dict[str, Any]:
    """What `check` says, by what it looked at; no passphrase in it."""
    ended = yieldbot("--config", path, "--json", "check", cwd=path.parent, environment=environment)
    assert PASSPHRASE not in ended.out + ended.err
    assert "anvil" in ended.out and ended.code in (1, 2)  # no RPC address is set here
    return {row["what"]: row for row in ended.document["checks"]}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])  # one that others can write no command reads: test_files.py
def test_an_env_with_a_passphrase_must_be_private(mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home(tmp_path, 'passphrase_env = "WORDS"', env=f"WORDS={PASSPHRASE}\n")
    file = tmp_path / ".env"
    context = Screen()
    context.use(path)
    (wallet,) = context.settings.wallets.values()
    assert checked(path)[str(file)]["ok"]
    file.chmod(mode)
    row = checked(path)[".env"]
    assert not row["ok"] and f"chmod 600 {file}" in row["remedy"]
    for real in ("", PASSPHRASE):  # a copy in the real environment makes the file no safer
        monkeypatch.setenv("WORDS", real)
        with pytest.raises(ConfigError, match=rf"\.env is open to other users \(mode {mode:04o}\): chmod 600"):
            signers(context)(wallet).open()


@pytest.mark.parametrize("url", ["", "TESTNET_RPC_URL=http://127.0.0.1:9/\n"])
def test_an_env_without_a_secret_is_not_judged(url: str, tmp_path: Path) -> None:
    path = home(tmp_path, 'passphrase_file = "passphrase"', env=f"OTHER=1\n{url}")
    (tmp_path / ".env").chmod(0o644)
    assert not any(".env" in what for what in checked(path))


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("TESTNET_RPC_URL", "http://127.0.0.1:9/v2/s3cr3t"),
        ("TESTNET_RPC_URL", "http://127.0.0.1:9,http://127.0.0.1:9/?key=s3cr3t"),
        ("TESTNET_RPC_URL", "http://user:s3cr3t@127.0.0.1:9"),
        ("PRIVATE_URL", "http://127.0.0.1:9/s3cr3t"),
    ],
)
def test_an_env_with_a_providers_key_must_be_private(variable: str, url: str, tmp_path: Path) -> None:
    path = home(
        tmp_path, 'passphrase_file = "passphrase"', env=f"TESTNET_RPC_URL=http://127.0.0.1:9\n{variable}={url}\n"
    )
    chain, file = tmp_path / "chains" / "testnet.toml", tmp_path / ".env"
    if variable == "PRIVATE_URL":
        chain.write_text(swapped(chain.read_text(), "max_fee_gwei", 'submit_rpc_env = "PRIVATE_URL"\nmax_fee_gwei'))
    assert checked(path)[str(file)] == {
        "what": str(file),
        "ok": True,
        "warning": False,
        "said": "it holds an RPC URL with a key and is private",
        "remedy": None,
    }
    file.chmod(0o644)
    row = checked(path)[".env"]
    assert not row["ok"] and f"chmod 600 {file}" in row["remedy"] and "s3cr3t" not in str(row)


@pytest.mark.parametrize(
    ("how", "content", "said"),
    [
        ("file", "wrong horse battery staple\n", "wrong passphrase"),
        ("file", "\n", "is empty: write the passphrase into it"),
        ("file", None, "passphrase_file {file} cannot be found: write the passphrase into that file (mode 600)"),
        ("env", "wrong horse battery staple", "wrong passphrase"),
        ("env", None, "passphrase_env: WORDS is not set; set it in .env (mode 600)"),
    ],
)
def test_check_opens_the_keystore(how: str, content: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    path = home(tmp_path, 'passphrase_file = "passphrase"' if how == "file" else 'passphrase_env = "WORDS"')
    if how == "file" and content is not None:
        file.touch(0o600)
        file.write_text(content)
    row = checked(path, **({"WORDS": content} if how == "env" and content else {}))["wallet main"]
    assert not row["ok"] and said.format(file=file) in f"{row['said']}; {row['remedy']}"
    file.touch(0o600)
    file.write_text(PASSPHRASE + "\n")
    assert checked(path, WORDS=PASSPHRASE)["wallet main"]["said"].endswith("and its passphrase opens it")


def test_check_does_not_ask_for_a_passphrase(tmp_path: Path) -> None:
    row = checked(home(tmp_path, ""))["wallet main"]
    assert row["ok"] and row["said"].endswith("its passphrase is asked for")
