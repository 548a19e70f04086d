"""Fixtures that every room of the tests may ask for."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.node import Sandbox

COPIED = (".env", "chains", "keys", "passphrase", "yieldbot.toml")


@pytest.fixture(scope="session")
def deployed_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for this worker, as deployed. Tests take ``sandbox``, which puts it back after them."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


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
