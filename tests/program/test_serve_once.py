"""`serve --once`, whose jobs run in worker processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.config.files import written
from yieldbot.cli.main import main


def test_once_as_a_command_reads_the_chains_in_a_real_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody answers at the node's address: that is a failure in one line, and the end is clean."""
    config = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    code = main(["--config", str(config), "serve", "--once", "--job", "settle=1h"])
    said = capsys.readouterr()
    assert code == 1 and said.out == "" and "observe: failed: testnet: " in said.err and "Traceback" not in said.err
