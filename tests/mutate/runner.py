"""A copy of the tree, one change at a time in it, and the related tests run on that in a process of its own.

A host process for each module imports it and its tests once. Every change is then made in a process that is split off
the host: the changed function gets its new code in place, so that nothing is imported again. What the tests let through
like that, and what cannot be changed in place (defaults, class bodies, what is run on import alone), is tried on the
changed file, imported anew.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

COPIED = ("yieldbot", "tests", "abis", "chains", "docs", "scripts")
LINKED = ("node_modules", ".cache")
HEAVY = ("pytest", "pytest_asyncio", "hypothesis", "web3", "eth_account", "eth_abi", "sqlalchemy", "pydantic")
HEAVY_TOO = ("solders.message", "solders.transaction", "solders.keypair", "solders.litesvm", "highspy", "numpy")
"""Loaded once, before the processes of the changes are split off."""
MARK = "__entered__"
PATIENCE, AND = 10, 60.0
"""Seconds of the clock for each of the processor's, and this many more: what has not ended by then stands still."""


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


def forked(log: Path, seconds: float, work: Callable[[], int]) -> tuple[int | None, float]:
    """(exit code of ``work`` in a process of its own, None when its time was up; the processor's seconds it took).

    ``seconds`` are the processor's, so that a busy machine ends nothing early; what waits for ever without using any is
    ended by the clock, PATIENCE times as late. ``log``: what it prints.
    """
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setsid()
            most = math.ceil(seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for descriptor in (1, 2):
                os.dup2(out, descriptor)
            code = work()
        except BaseException as failure:  # a change may break an import: that is noticed too
            print(repr(failure))
        finally:
            sys.stdout.flush()
            os._exit(code)
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            code_or_signal = os.waitstatus_to_exitcode(status)
            over = code_or_signal in (-signal.SIGXCPU, -signal.SIGKILL)
            return None if over else code_or_signal, used.ru_utime + used.ru_stime
        if time.monotonic() - began > PATIENCE * seconds + AND:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)


def outcome_of(code: int | None) -> str:
    """ "passed", "failed" or "timeout"."""
    return "timeout" if code is None else "passed" if code == 0 else "failed"


class Host:
    """The tests of a module, imported once with it; ``entered``: the functions of it that they run."""

    def __init__(self, tree: Path, module: str, tests: Sequence[str], log: Path) -> None:
        self.tree, self.tests, self.log = tree, tests, log
        self.file = tree / "yieldbot" / module
        self.name = "yieldbot." + module.removesuffix(".py").replace("/", ".")
        self.plain = _codes(ast.unparse(ast.parse(self.file.read_text())))
        self.entered: set[str] = set()
        self.collected = False

    def collect(self) -> None:
        """Import the tests and what they test, here."""
        os.chdir(self.tree)
        sys.path[:] = [str(self.tree), *(place for place in sys.path if place not in ("", str(Path.cwd())))]
        for name in [name for name in sys.modules if name.split(".")[0] in ("yieldbot", "tests")]:
            del sys.modules[name]  # of the tree that this script itself came from
        out = [os.dup(1), os.dup(2)]
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for descriptor in (1, 2):
                os.dup2(log, descriptor)
            _pytest(["--collect-only", *self.tests])
            importlib.import_module(self.name)
        finally:
            sys.stdout.flush()
            for descriptor, kept in zip((1, 2), out, strict=True):
                os.dup2(kept, descriptor)
        self.collected = True

    def baseline(self, timeout: float) -> tuple[str, float]:
        """The unchanged tests, and which functions they enter."""
        told = self.tree / "entered.json"

        def run() -> int:
            builtins.__dict__[MARK] = self.entered
            for name, marked in _codes(_marked(self.file.read_text())).items():
                live = self._live(name)
                if live is not None and marked.co_freevars == live.__code__.co_freevars:
                    live.__code__ = marked
            code = _pytest(self.tests)
            told.write_text(json.dumps(sorted(self.entered)))
            return code

        code, seconds = forked(self.log, timeout, run)
        if code == 0:
            self.entered |= set(json.loads(told.read_text()))
        return outcome_of(code), seconds

    def judge(self, where: str, source: str, timeout: float) -> tuple[str, float]:
        """What the tests say of the module with this source, whose function ``where`` was changed."""
        top = _top(where, self.plain)
        seconds = 0.0
        live = self._live(top) if top is not None else None
        if live is not None and top in self.entered:
            made = _codes(source).get(top)
            if made is not None and made != self.plain[top] and made.co_freevars == live.__code__.co_freevars:

                def run() -> int:
                    live.__code__ = made
                    return _pytest(self.tests)

                code, seconds = forked(self.log, timeout, run)
                if code != 0:
                    return outcome_of(code), seconds
        before = self.file.read_text()
        self.file.write_text(source)
        try:
            code, more = forked(self.log, timeout + 10.0, self._anew)
        finally:
            self.file.write_text(before)
        return outcome_of(code), seconds + more

    def _anew(self) -> int:
        sys.dont_write_bytecode = True
        shutil.rmtree(self.file.parent / "__pycache__", ignore_errors=True)
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(f"{self.tree}/"):
                del sys.modules[name]
        importlib.invalidate_caches()
        return _pytest(self.tests)

    def _live(self, top: str) -> FunctionType | None:
        found: Any = sys.modules[self.name]
        for part in top.split("."):
            found = vars(found).get(part) if isinstance(found, type) else getattr(found, part, None)
            found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
            while hasattr(found, "__wrapped__"):
                found = found.__wrapped__
        return found if isinstance(found, FunctionType) else None


def _pytest(tests: Sequence[str]) -> int:
    import pytest

    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]))


def _marked(source: str) -> str:
    """The module, with each function that is not inside another telling that it was entered."""
    tree = ast.parse(source)

    def within(node: ast.Module | ast.ClassDef, where: str) -> None:
        for child in node.body:
            if isinstance(child, ast.ClassDef):
                within(child, f"{where}{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                child.body[:0] = ast.parse(f"{MARK}.add({where + child.name!r})").body

    within(tree, "")
    return ast.unparse(tree)


def _codes(source: str) -> dict[str, CodeType]:
    """The code of each function that is not inside another, by its qualified name."""
    found: dict[str, CodeType] = {}

    def within(code: CodeType) -> None:
        for one in code.co_consts:
            if isinstance(one, CodeType) and "<locals>" not in one.co_qualname:
                if not one.co_name.startswith("<"):
                    found.setdefault(one.co_qualname, one)
                within(one)

    within(compile(source, "changed", "exec"))
    return found


def _top(where: str, codes: dict[str, CodeType]) -> str | None:
    """The outermost function that a place lies in; None for a class's body."""
    parts = where.split(".")
    names = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return next((name for name in names if name in codes and codes[name].co_flags & 2), None)
