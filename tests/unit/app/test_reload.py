"""SIGHUP: a new configuration is used as a whole, or the one in use stays, and that is said in one line."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.config.files import SETTINGS, written
from tests.unit.app.test_overview import Quiet
from yieldbot.app.reload import at_hangup, reread
from yieldbot.app.schedule import Schedule, Task, every
from yieldbot.app.serve import ServeRequest, reload, service_of
from yieldbot.config import held
from yieldbot.config.load import load
from yieldbot.errors import ConfigError


@pytest.fixture
def context(tmp_path: Path) -> Quiet:
    made = Quiet(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"))
    assert made.settings.jobs
    return made


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("schema = 1", "schema = [", "is not TOML: "),
        ('asset = "USDC"', 'asset = "USDX"', "unknown asset"),
        ('data_dir = "data"', 'data_dir = "other"', "data_dir is another: that takes a restart"),
        ("[policy]", '[serve]\nplan = "now"\n[policy]', "plan"),
    ],
)
async def test_what_cannot_be_used_changes_nothing(context: Quiet, old: str, new: str, why: str) -> None:
    service = service_of(context, ServeRequest())
    before, texts = context.settings, service.workers.texts
    context.config.write_text(SETTINGS.replace(old, new))
    with at_hangup(context, lambda: reload(service, ServeRequest())):
        os.kill(os.getpid(), signal.SIGHUP)
        await said(context, "SIGHUP: the configuration in use stays")
        assert why in context.lines[-1] and context.settings is before and service.workers.texts == texts
        context.config.write_text(SETTINGS.replace('min_move = "100.5"', 'min_move = "7"'))
        os.kill(os.getpid(), signal.SIGHUP)
        await said(context, "SIGHUP: configuration and secrets are read again")
    assert context.settings.policy.min_move == "7" and 'min_move = "7"' in service.workers.texts[str(context.config)]


def test_settings_and_the_texts_that_processes_are_started_with_are_of_one_moment(
    context: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written_meanwhile(path: Path) -> dict[str, str]:
        found = held.texts_of(path)
        path.write_text(SETTINGS.replace('min_move = "100.5"', 'min_move = "7"'))
        return found

    monkeypatch.setattr("yieldbot.app.reload.texts_of", written_meanwhile)
    service = service_of(context, ServeRequest())
    assert context.settings.policy.min_move == "100.5" and service.workers.texts[str(context.config)] == SETTINGS
    assert load(context.config).policy.min_move == "7", "held no longer"


def test_nothing_starts_with_a_file_that_is_just_being_written(context: Quiet) -> None:
    context.config.write_text("[polic")
    with pytest.raises(ConfigError, match="is not TOML"):
        service_of(context, ServeRequest())


async def said(context: Quiet, what: str) -> None:
    async with asyncio.timeout(60):
        while not any(what in line for line in context.lines):
            await asyncio.sleep(0.01)


def test_what_a_process_is_started_with_counts_in_it_whatever_is_in_the_file(context: Quiet) -> None:
    texts = reread(context, lambda fresh: None)
    assert {Path(one).name for one in texts} == {"yieldbot.toml", "testnet.toml"}
    context.config.write_text("half of a fi")
    held.hold(texts)
    try:
        assert load(context.config) == context.settings
    finally:
        held.hold({})
    with pytest.raises(ConfigError):
        load(context.config)


async def test_times_that_do_not_change_are_kept_and_what_is_under_way_is_completed() -> None:
    done: list[str] = []
    gate = asyncio.Event()

    def task(name: str, seconds: float, wait: bool = False) -> Task:
        async def work() -> None:
            if wait:
                await gate.wait()
            done.append(name)

        return every(name, seconds, work)

    schedule = Schedule(lambda line: None, lambda: 0.0)
    running = asyncio.create_task(schedule.run((task("same", 3600), task("gone", 3600, wait=True))))
    await settled(lambda: done == ["same"])
    schedule.replace((task("same", 3600), task("new", 3600)))
    await settled(lambda: "new" in done)
    gate.set()
    await settled(lambda: "gone" in done)
    schedule.replace((task("same", 7200),))
    await settled(lambda: done.count("same") == 2)
    assert sorted(done) == ["gone", "new", "same", "same"] and not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def settled(holds: Any) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0)
