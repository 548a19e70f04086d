"""A server that cannot begin: its address, or its data directory, is another's."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.kit.config.files import written
from tests.kit.program import yieldbot
from yieldbot.app.context import Context
from yieldbot.app.serve import LOCK
from yieldbot.execution.lock import only_one


@pytest.mark.parametrize("fault", ["port", "server"])
def test_a_server_that_cannot_begin_says_why(fault: str, tmp_path: Path) -> None:
    """A port that is in use, and a data directory that another server works on."""
    config = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    data_dir = Context(config).settings.data_dir
    with socket.create_server(("127.0.0.1", 0)) as other, contextlib.ExitStack() as held:
        if fault == "server":
            held.enter_context(only_one(data_dir, LOCK, "server"))
        ended = yieldbot("--config", config, "serve", "--port", other.getsockname()[1], cwd=tmp_path)
    words = {"port": (2, "choose --port"), "server": (1, f"another server runs on {data_dir}: end it first")}
    assert ended.code == words[fault][0] and words[fault][1] in ended.line
