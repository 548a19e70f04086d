"""A copy of the tree, one changed module at a time in it, and the related tests run on that in a process of its own."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

COPIED = ("yieldbot", "tests", "abis", "chains", "docs", "scripts")
LINKED = ("node_modules", ".cache")
HEAVY = ("pytest", "pytest_asyncio", "hypothesis", "web3", "eth_account", "eth_abi", "sqlalchemy", "pydantic")
HEAVY_TOO = ("solders.message", "solders.transaction", "solders.keypair", "solders.litesvm", "highspy", "numpy")
"""Loaded once, before the processes of the changes are split off."""


def copy_tree(root: Path, into: Path) -> None:
    """What the tests read: the sources, and links to what is large and is not changed."""
    for name in COPIED:
        shutil.copytree(root / name, into / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in root.iterdir():
        if file.is_file():
            shutil.copy2(file, into / file.name)
    for name in LINKED:
        if (root / name).exists():
            (into / name).symlink_to(root / name)


def load_heavy() -> None:
    for name in (*HEAVY, *HEAVY_TOO):
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def run_tests(tree: Path, tests: Sequence[str], timeout: float, log: Path) -> tuple[str, float]:
    """("passed" | "failed" | "timeout", seconds) of the tests in the copy, in a forked process."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(tree, tests, log)
    while time.monotonic() - began < timeout:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return ("passed" if os.waitstatus_to_exitcode(status) == 0 else "failed"), time.monotonic() - began
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout", time.monotonic() - began


def _child(tree: Path, tests: Sequence[str], log: Path) -> None:
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    code = 99
    try:
        os.chdir(tree)
        sys.path[:] = [str(tree), *(place for place in sys.path if place not in ("", str(Path.cwd())))]
        for name in [name for name in sys.modules if name.split(".")[0] in ("yieldbot", "tests")]:
            del sys.modules[name]
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]))
    except BaseException as failure:  # a change may break an import: that is noticed too
        print(repr(failure))
    finally:
        sys.stdout.flush()
        os._exit(code)


def put(file: Path, source: str, stamp: int) -> None:
    """The module's text, with a time of change that no compiled copy of it can have."""
    file.write_text(source)
    os.utime(file, (stamp, stamp))
