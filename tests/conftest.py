"""Fixtures for all tests."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import settings

from yieldbot.rpc import sizes
from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.evm.node import Sandbox

if TYPE_CHECKING:
    from tests.kit.small_market import SmallMarket
    from yieldbot.sandbox.solana.node import SvmSandbox

pytest.register_assert_rewrite("tests.kit")
os.umask(0o022)  # where group or others may write, as umask 002 lets them, files are refused
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell hands down to what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("yieldbot", deadline=None)  # a busy machine is no failure: nothing here is a timed test
settings.load_profile("yieldbot")

gc.disable()  # while tests are collected, which makes objects that stay


def pytest_collection_finish(session: pytest.Session) -> None:
    """What collecting made is looked at by no later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


COPIED = (".env", "chains", "keys", "passphrase", "yieldbot.toml")


KEYS: list[bytes] = []
"""Private keys of this worker's sandbox: no output of any test, and no file that one writes, may hold them."""


def _key(directory: Path) -> bytes:
    from eth_account import Account

    keystore = json.loads((directory / "keys" / "main.json").read_text())
    return bytes(Account.decrypt(keystore, (directory / "passphrase").read_text().strip()))


def _leaks(data: bytes) -> bool:
    return any(key in data or key.hex().encode() in data.lower() for key in KEYS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _leaks("\n".join([report.longreprtext, *(text for _, text in report.sections)]).encode()):
        report.outcome, report.sections = "failed", []
        report.longrepr = f"{item.nodeid}: its output held the private key (the output is withheld)"
    return report


@pytest.fixture(autouse=True)
def _nothing_found_out() -> None:
    """What one test finds out of what an endpoint takes at once is no other's to know: their ports may be the same."""
    sizes._known.clear()


@pytest.fixture(scope="session")
def deployed_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for this worker, as deployed. Tests take ``sandbox``, which puts it back after them."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        KEYS.append(_key(sandbox.directory))
        yield sandbox
    found = [file for file in tmp_path_factory.getbasetemp().rglob("*") if file.is_file() and _leaks(file.read_bytes())]
    assert found == [], "the sandbox's private key lies in clear in these files"


@pytest.fixture
def sandbox(deployed_sandbox: Sandbox, tmp_path: Path) -> Iterator[Sandbox]:
    """The sandbox as deployed, with a configuration folder (and so a journal) of this test's own.

    Whatever the test does to the chain, its clock included, is undone when it ends.
    """
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for name in COPIED:
        source = deployed_sandbox.directory / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, home / name)
    snapshot = deployed_sandbox.rpc("evm_snapshot")
    yield replace(deployed_sandbox, directory=home)
    assert deployed_sandbox.rpc("evm_revert", snapshot)


@pytest.fixture(scope="session")
def solana_started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], SvmSandbox]]:
    """Gives this worker's Solana sandbox, started where none runs (a test may end it)."""
    from yieldbot.sandbox.solana.node import start

    started: list[SvmSandbox] = []

    def running() -> SvmSandbox:
        if not started or not started[-1].alive:
            started.append(start(tmp_path_factory.mktemp("solana"), temporary=True))
        return started[-1]

    yield running
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def solana_sandbox(solana_started: Callable[[], SvmSandbox], tmp_path: Path) -> SvmSandbox:
    """The Solana sandbox with a cluster as at the start, and with files (and so a journal) of this test's own."""
    sandbox = solana_started()
    assert sandbox.rpc("svm_reset")
    shutil.copytree(sandbox.directory, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.log"))
    return replace(sandbox, directory=tmp_path)


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[SmallMarket]:
    """A node of this test's own with one token, one vault and a funded wallet."""
    from tests.kit.small_market import running

    async with running(tmp_path) as built:
        yield built


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt to reach a network, this machine's own included, fail with its address.

    Event loops keep working: they wake themselves through a socket pair, which connects nothing.
    """

    def refuse(what: str) -> Any:
        def refused(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError(f"a unit test may not use the network: {what}{args[-1:]}")

        return refused

    class Unconnected(socket.socket):
        connect = connect_ex = bind = sendto = refuse("socket to ")

    monkeypatch.setattr(socket, "socket", Unconnected)
    monkeypatch.setattr(socket, "getaddrinfo", refuse("look-up of "))
    monkeypatch.setattr(socket, "create_connection", refuse("connection to "))
