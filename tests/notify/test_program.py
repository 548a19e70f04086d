"""``yieldbot notify``, and the ends of other commands, as programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.config.files import SETTINGS, written
from tests.kit.notify.servers import http_service
from tests.kit.program import yieldbot

CHANNELS = """
[[notices]]
kind = "slack"
url_env = "HOOK"

[[notices]]
name = "hook"
kind = "webhook"
url_file = "hook.url"
secret_env = "SIGNING"
"""


def configured(folder: Path, url: str) -> Path:
    env = f"TESTNET_RPC_URL=http://127.0.0.1:9/key-of-provider\nHOOK={url}/T0/secret-path\nSIGNING=shared-secret\n"
    file = folder / "hook.url"
    file.write_text(f"{url}/hook\n")
    file.chmod(0o600)
    return written(folder, SETTINGS + CHANNELS, env=env)


def test_a_test_goes_through_all_channels_and_says_what_failed(tmp_path: Path) -> None:
    with http_service() as service:
        configured(tmp_path, service.url)
        done = yieldbot("notify", "test", "--json", cwd=tmp_path)
        assert done.code == 0, done.err
        assert [(one["name"], one["sent"]) for one in done.document["channels"]] == [
            ("slack", 1),
            ("hook", 1),
        ]
        assert sorted(path for path, _, _ in service.requests) == ["/T0/secret-path", "/hook"]
        service.mode = "500"
        failed = yieldbot("notify", "test", "hook", cwd=tmp_path)
        assert failed.code == 1 and "hook (webhook): 0 sent, failed: 127.0.0.1 refused it" in failed.out
        (tmp_path / "hook.url").chmod(0o644)
        open_to_all = yieldbot("notify", "test", "hook", cwd=tmp_path)
        assert "is open to other users" in open_to_all.out and len(service.requests) == 3


@pytest.mark.parametrize("mode", ["works", "500"])
def test_a_run_that_fails_is_reported_once_and_ends_as_it_does_without_notices(tmp_path: Path, mode: str) -> None:
    written(_folder(tmp_path, "bare"), env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    bare = yieldbot("run", "--json", cwd=tmp_path / "bare")  # its keystore is not there
    with http_service() as service:
        configured(_folder(tmp_path, "with"), service.url)
        service.mode = mode
        runs = [yieldbot("run", "--json", cwd=tmp_path / "with") for _ in range(2)]
        assert {run.code for run in runs} == {bare.code} == {2}
        assert {run.out for run in runs} == {bare.out.replace("/bare/", "/with/")}
        (body,) = [json.loads(body) for path, _, body in service.requests if path == "/hook"]
    (found,) = body["findings"]
    assert (found["topic"], found["severity"]) == ("failing", "warning")
    assert found["text"].startswith("main: USDC on testnet fails: ") and "main.json cannot be found" in found["text"]
    assert "secret-path" not in json.dumps(body) + runs[0].err
    assert ("notices: hook: 127.0.0.1 refused it" in runs[0].err) is (mode == "500")


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name
