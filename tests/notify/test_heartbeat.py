"""The heartbeat: asked after a success, quiet while a job fails, and never waited for."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.config.files import SETTINGS, written
from tests.kit.notify.servers import http_service
from tests.notify.test_serving import Kept
from yieldbot.app.serve_jobs import JobEnd
from yieldbot.errors import ConfigError
from yieldbot.notify.heartbeat import heartbeat_of

SECRET = "aaaa-secret-check"


def server(folder: Path, url: str) -> Any:
    """The part of a server that it needs."""
    env = f"TESTNET_RPC_URL=http://127.0.0.1:9\nPING={url}\n" if url else "TESTNET_RPC_URL=http://127.0.0.1:9\n"
    config = written(folder, SETTINGS + '[serve]\nheartbeat_url_env = "PING"\n', env=env)
    return SimpleNamespace(context=Kept(config), jobs=SimpleNamespace(ends={}, ended=[]))


def ended(made: Any, name: str, outcome: str) -> None:
    made.jobs.ends[name] = JobEnd(ended_at=1.0, seconds=1.0, outcome=outcome)
    for one in made.jobs.ended:
        one(name, made.jobs.ends[name])


def test_it_is_asked_after_a_success_and_not_while_a_job_fails(tmp_path: Path) -> None:
    with http_service() as service:
        made = server(tmp_path, f"{service.url}/{SECRET}")
        beat = heartbeat_of(made)
        assert beat is not None
        for name, outcome, asked in (
            ("observe", "done", 1),
            ("plan", "waits", 2),
            ("watch", "failed", 2),
            ("observe", "done", 2),
            ("watch", "done", 3),
            ("plan", "busy", 3),
        ):
            ended(made, name, outcome)
            beat.wait()
            assert len(service.requests) == asked, (name, outcome)
        assert {path for path, _, _ in service.requests} == {f"/{SECRET}"} and made.context.lines == []
        service.mode = "500"
        ended(made, "plan", "done")
        beat.wait()
        (line,) = made.context.lines
        assert "heartbeat: 127.0.0.1" in line and SECRET not in line
        assert SECRET in "".join(made.context.secrets())


def test_a_service_that_hangs_delays_no_job(tmp_path: Path) -> None:
    with http_service() as service:
        service.mode = "hang"
        made = server(tmp_path, f"{service.url}/{SECRET}")
        heartbeat_of(made)
        ended(made, "observe", "done")
        while not service.requests:
            time.sleep(0.01)
        for _ in range(5):
            ended(made, "observe", "done")  # returns at once, and asks nothing while the first is under way
        assert len(service.requests) == 1
        service.ends.set()


def test_a_variable_that_is_not_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"serve\.heartbeat_url_env: \$PING is not set"):
        heartbeat_of(server(tmp_path, ""))
