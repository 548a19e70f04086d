"""Secrets from commands, files, .env and the environment: found, replaced, bounded, and never shown."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.config.files import SETTINGS, written
from yieldbot.app.context import Context
from yieldbot.app.notice_text import safe
from yieldbot.config import secrets
from yieldbot.errors import ConfigError, YieldbotError

NODE = "https://node.example/v2/key-of-the-provider"


def python(code: str) -> str:
    return f"command = '''{sys.executable} -c \"{code}\"'''"


def made(folder: Path, table: str, env: str = "") -> Context:
    folder.mkdir(parents=True, exist_ok=True)
    secrets._kept.clear()
    return Context(written(folder, f"{SETTINGS}\n[secrets.TESTNET_RPC_URL]\n{table}\n", env=env))


def test_a_command_gives_what_the_environment_and_env_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = made(tmp_path / "a", python(f"print('{NODE}')"))
    assert own.settings.chains["testnet"].rpc_urls == (NODE,)
    assert own.redacted(f"no answer from {NODE}") == "no answer from ***" or NODE not in own.redacted(NODE)
    beside = made(tmp_path / "b", python("raise SystemExit(1)"), env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    assert beside.settings.chains["testnet"].rpc_urls == ("http://127.0.0.1:9",), "what is given needs no command"
    monkeypatch.setenv("TESTNET_RPC_URL", "http://127.0.0.1:8")
    assert beside.environment["TESTNET_RPC_URL"] == "http://127.0.0.1:8"


def test_a_command_sees_no_shell_and_runs_once_in_a_while(tmp_path: Path) -> None:
    count = "import os,sys;open('runs','a').write('x');print('https://x.example/'+sys.argv[-1])"
    own = made(tmp_path, f"command = '''{sys.executable} -c \"{count}\" $HOME;id'''")
    assert own.environment["TESTNET_RPC_URL"] == "https://x.example/$HOME;id"
    for _ in range(3):
        assert own.environment and own.secrets()
    assert (tmp_path / "runs").read_text() == "x"
    secrets._kept.clear()  # as after some minutes, or in the next worker
    assert own.environment and (tmp_path / "runs").read_text() == "xx"


def test_a_new_secret_in_a_file_counts_at_once_and_the_old_one_stays_hidden(tmp_path: Path) -> None:
    own, file = made(tmp_path, 'file = "rpc.secret"'), tmp_path / "rpc.secret"
    for text in ("https://old.example/first-secret-key", "https://new.example/second-secret-key"):
        file.write_text(text + "\n")
        file.chmod(0o600)
        assert own.environment["TESTNET_RPC_URL"] == text
    assert "secret-key" not in own.redacted("first-secret-key and second-secret-key")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        _ = own.environment


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (python("print('very-secret-1');raise SystemExit(3)"), "failed with exit status 3"),
        (python("print('very-secret-1\\\\nvery-secret-2')"), "in one line"),
        (python("print()"), "in one line"),
        (python("print('very-secret-1'+chr(27))"), "in one line"),
        (python("print('very-secret-1'*10**6)"), "prints more than 8192 bytes"),
        (python("import time;print('very-secret-1',flush=True);time.sleep(60)"), "did not end within"),
        ('command = "/no/such/program very-secret-1"', "cannot be started"),
        ("command = '''\"unclosed very-secret-1'''", "is no command"),
        ('command = "x"\nfile = "y"', "either command or file"),
        ("", "either command or file"),
        ('file = "/no/such/file"', "cannot be read"),
        ('shell = "x"', "secrets.TESTNET_RPC_URL"),
    ],
)
def test_what_gives_no_secret_is_one_line_without_what_it_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, why: str
) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(ConfigError, match="TESTNET_RPC_URL") as refused:
        _ = made(tmp_path, table).settings
    assert why in str(refused.value) and "very-secret" not in str(refused.value) and "\n" not in str(refused.value)
    assert time.monotonic() - began < 50, "what hangs is ended"


SECRET = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=40)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(secret=SECRET, around=st.text(max_size=20), source=st.sampled_from(["environment", ".env", "file", "command"]))
def test_a_secret_of_any_source_is_in_no_text_that_is_shown(
    tmp_path: Path, secret: str, around: str, source: str
) -> None:
    """As it is, and as the part of a URL after its host, in messages of errors and in notices."""
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    url = f"https://node.example/v2/{secret}"
    (folder / "rpc").write_text(url)
    (folder / "rpc").chmod(0o600)
    os.environ.pop("TESTNET_RPC_URL", None)
    table = {"file": 'file = "rpc"', "command": 'command = "cat rpc"'}.get(source)
    text = SETTINGS if table is None else f"{SETTINGS}\n[secrets.TESTNET_RPC_URL]\n{table}\n"
    secrets._kept.clear()
    secrets._known.clear()
    context = Context(written(folder, text, env=f"TESTNET_RPC_URL={url}\n" if source == ".env" else ""))
    try:
        if source == "environment":
            os.environ["TESTNET_RPC_URL"] = url
        assert context.settings.chains["testnet"].rpc_urls == (url,)
        for shown in (f"{around}{url}{around}", f"{around}{secret}{around}", str(YieldbotError(url))):
            assert secret not in context.redacted(shown)
            assert secret not in safe(shown, context.secrets())
        assert secret not in repr(context.settings)
    finally:
        os.environ.pop("TESTNET_RPC_URL", None)
