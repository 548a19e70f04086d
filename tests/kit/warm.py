"""Runs the program without the seconds that Python takes to load it: a process of this test worker has loaded all of it
and forks itself for each run. A run is a separate process, as a person or cron would start it, with its own folder,
environment, umask, standard streams and exit status. It differs only in that modules are loaded already, and that new
keystores use a small work factor of scrypt (else a second each).

``YIELDBOT_TEST_COLD=1`` (as ``scripts/soak`` sets it) makes every run start from nothing instead.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from tests.kit import ROOT

COLD = "YIELDBOT_TEST_COLD"
ENCODING = "PYTHONIOENCODING"
LAZY = (
    "aiohttp",
    "aiohttp.web",
    "anthropic",
    "cryptography.hazmat.primitives.kdf.scrypt",
    "dotenv",
    "duckdb",
    "eth_abi.abi",
    "eth_account",
    "eth_hash.auto",
    "filelock",
    "numpy",
    "pyarrow.compute",
    "pyarrow.parquet",
    "rich.console",
    "rich.table",
    "solana.rpc.async_api",
    "solders.litesvm",
    "sqlalchemy.dialects.sqlite",
)
"""Modules that the program imports only when it needs them, loaded here in advance."""
OF_DATA = (*LAZY, "lightgbm", "matplotlib.dates", "matplotlib.figure", "pandas")
"""Further modules that commands about history import. A process that has loaded them forks more slowly, so these
commands have a separate server."""
ABOUT_DATA = frozenset(("backtest", "forecast", "history", "paper"))
QUICK_SCRYPT_N = 2**10
_lock = threading.Lock()
_servers: dict[str, tuple[subprocess.Popen[bytes], socket.socket]] = {}
"""The server processes that fork runs, by the modules that they have loaded: ``LAZY`` or ``OF_DATA``."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a run with these environment variables may be forked. Some are read by Python only when it starts."""
    of_python = any(name.startswith(("PYTHON", "LC_", "LANG")) for name in environment if name != ENCODING)
    return sys.platform == "linux" and not of_python and not os.environ.get(COLD)


def run(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    given: str = "",
    umask: int = -1,
    module: str = "yieldbot.cli.main",
) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of ``python -m MODULE WORDS...``. module: must have a function ``main``.

    Raises subprocess.TimeoutExpired for a run that takes longer than ``seconds``; it is killed then.
    """
    asked = {"words": list(words), "cwd": str(cwd), "env": dict(env), "umask": umask if umask >= 0 else _umask()}
    asked["module"] = module
    with contextlib.ExitStack() as opened:
        request, stdin, stdout, stderr = (opened.enter_context(_memory()) for _ in range(4))
        request.write(json.dumps(asked).encode())
        stdin.write(given.encode())
        for file in (request, stdin):
            file.seek(0)
        told, theirs = socket.socketpair()
        opened.enter_context(told)
        with theirs:
            kind = "OF_DATA" if words and words[0] in ABOUT_DATA else "LAZY"
            _send(kind, [file.fileno() for file in (request, stdin, stdout, stderr, theirs)])
        code = _outcome(told, words, seconds)
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
    return code, said[0].replace("\r\n", "\n"), said[1].replace("\r\n", "\n")


def stop() -> None:
    """End this worker's servers, if it has any."""
    while _servers:
        process, control = _servers.popitem()[1]
        control.close()
        process.wait(30)


def _memory() -> Any:
    return os.fdopen(os.memfd_create("yieldbot"), "r+b", buffering=0)


def _umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


def _send(kind: str, files: list[int]) -> None:
    with _lock:
        if kind not in _servers or _servers[kind][0].poll() is not None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "tests.kit.warm", str(theirs.fileno()), kind]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
            theirs.close()
            if not _servers:
                atexit.register(stop)
            _servers[kind] = process, ours
        socket.send_fds(_servers[kind][1], [b"run"], files)


def _outcome(told: socket.socket, words: Sequence[str], seconds: float) -> int:
    """The run's exit code; negative: the signal that ended it."""
    until, text = time.monotonic() + seconds, b""
    while text.count(b"\n") < 2:
        ready, _, _ = select.select([told], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            if b"\n" in text:
                os.kill(int(text.split()[0]), signal.SIGKILL)
            raise subprocess.TimeoutExpired(["yieldbot", *words], seconds)
        more = told.recv(64)
        assert more, "the process that forks runs has ended: what it wrote to stderr says why"
        text += more
    return int(text.split()[1])


def serve(control: socket.socket, modules: Sequence[str]) -> None:
    """Fork a run for each request, until the test worker ends. modules: loaded first, if they are installed."""
    _load(modules)
    gc.collect()
    gc.freeze()
    woken, waking = os.pipe()
    for end in (woken, waking):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # written to the pipe
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _told_of_ends(running)
        if control.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(control, 8, 5)
        if not message:
            return
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for mine in (control.fileno(), woken, waking, *running.values()):
                os.close(mine)
            os._exit(_with(files))
        running[child] = files.pop()
        for file in files:
            os.close(file)
        _tell(running[child], f"{child}\n")


def _told_of_ends(running: dict[int, int]) -> None:
    """Report the exit status of runs that have ended. running: by process id, the socket of the waiting client."""
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        told = running.pop(child)
        _tell(told, f"{os.waitstatus_to_exitcode(status)}\n")
        os.close(told)


def _tell(told: int, line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the client has given up
        os.write(told, line.encode())


def _with(files: list[int]) -> int:
    """The run's exit status. files: descriptors of its request, its standard streams, and those of the server to
    close."""
    request, stdin, stdout, stderr, told = files
    asked = json.loads(os.read(request, os.fstat(request).st_size))
    os.close(told)
    for number, file in enumerate((stdin, stdout, stderr)):
        os.dup2(file, number)
    for file in (request, stdin, stdout, stderr):
        os.close(file)
    return _one(asked)


def _one(asked: dict[str, Any]) -> int:
    """Executed in the run's process: does what the interpreter does around a program, and returns its exit status."""
    os.chdir(asked["cwd"])
    os.umask(asked["umask"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    random.seed()
    if ENCODING in os.environ:
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.reconfigure(encoding=os.environ[ENCODING])  # type: ignore[union-attr]
    module = importlib.import_module(asked["module"])
    sys.argv = [str(module.__file__), *asked["words"]]
    try:
        code: int = module.main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # resources that were left open print warnings
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _load(modules: Sequence[str]) -> None:
    """Import the whole program, and ``modules``."""
    import yieldbot

    for found in pkgutil.walk_packages(yieldbot.__path__, "yieldbot."):
        if not found.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # a module that is not installed here
                importlib.import_module(found.name)
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name, module in [*sys.modules.items()]:
        for made in [*vars(module).values()] if name.startswith("yieldbot.") else ():
            if hasattr(made, "cache_info") and made.__module__ == name and not signature(made).parameters:
                made()  # once for all runs: codecs of documents, tables that are shipped
    from yieldbot.chains.evm.signing import keystore as evm
    from yieldbot.chains.solana.signing import keystore as solana

    for family in (evm, solana):
        for function in (family.create, family.import_key, family.import_seed):
            assert function.__defaults__ == (family.SCRYPT_N,)
            function.__defaults__ = (QUICK_SCRYPT_N,)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as control:
        serve(control, LAZY if sys.argv[2] == "LAZY" else OF_DATA)
