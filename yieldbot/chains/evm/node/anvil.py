"""Finds the anvil program, and runs one that is not a fork: the sandbox's own chain.

Forks are in ``node/fork.py``; both run the program that ``find_anvil`` finds.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from yieldbot.errors import ConfigError, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import CHECKOUT, in_checkout

START_SECONDS = 30.0
STOP_SECONDS = 5.0
_LISTENING = re.compile(rb"Listening on 127\.0\.0\.1:(\d+)")
_PR_SET_PDEATHSIG = 1
_PLATFORM = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def find_anvil(setting: Path | None = None) -> Path:
    """The path of the anvil program: ``setting`` (yieldbot.toml), else the one on PATH, else the npm package in this
    checkout or the current folder. Raises ConfigError with the remedy if there is none, or it is another program."""
    if setting is not None:
        remedy = "correct it in yieldbot.toml, or remove it and it is looked for"
        if not (setting.is_file() and os.access(setting, os.X_OK)):
            raise ConfigError(f"anvil = {str(setting)!r} is not a program: {remedy}")
        if not _is_anvil(setting):
            raise ConfigError(f"anvil = {str(setting)!r} is another program than Foundry's anvil: {remedy}")
        return setting
    if on_path := shutil.which("anvil"):
        if not _is_anvil(Path(on_path)):
            raise ConfigError(f"{on_path}, the anvil on PATH, is not Foundry's: name yours as anvil in yieldbot.toml")
        return Path(on_path)
    package = f"anvil-{sys.platform}-{_PLATFORM.get(platform.machine(), platform.machine())}"
    for root in (CHECKOUT, Path.cwd()):
        program = root / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
        if os.access(program, os.X_OK):
            return program
    here = "run `npm ci` in the checkout" if in_checkout() else "run `npm install @foundry-rs/anvil` in this folder"
    raise ConfigError(f"anvil is not found: {here}, or install Foundry (https://getfoundry.sh), so that it is on PATH")


PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")


def surroundings() -> dict[str, str]:
    """The environment variables that anvil gets; none of our passphrases, RPC addresses or keys is among them."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


@cache
def _is_anvil(program: Path) -> bool:
    """Whether ``program --version`` names anvil. Another program would look like a node that does not answer."""
    try:
        result = subprocess.run(
            [program, "--version"], capture_output=True, timeout=START_SECONDS, check=False, env=surroundings()
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0 and b"anvil" in result.stdout.lower()


@dataclass(frozen=True, slots=True)
class Anvil:
    """A running anvil."""

    url: str
    """Where it answers JSON-RPC."""
    pid: int
    """Its process id."""
    log: Path
    """The file with its output."""

    def stop(self) -> None:
        """Stop the process and wait for its end; does nothing if it has ended already."""
        stop(self.pid)


def spawn(options: Sequence[str], *, log: Path, temporary: bool, anvil: Path | None = None) -> Anvil:
    """Start anvil on a free loopback port and wait until it listens; its output goes to ``log``.

    temporary: True: the kernel ends it when this process ends, even by SIGKILL (Linux alone). False: it runs on in a
    session of its own until ``stop``. Raises TransientError when it does not start within START_SECONDS.
    """
    program = str(find_anvil(anvil))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", "0", "--no-cors", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=surroundings(),
            start_new_session=not temporary,
            preexec_fn=_dies_with_us() if temporary and sys.platform == "linux" else None,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := _LISTENING.search(log.read_bytes()):
            return Anvil(f"http://127.0.0.1:{int(found[1])}", process.pid, log)
        if process.poll() is not None:
            raise TransientError(f"anvil ended with {process.returncode} while it started: see {log}")
        time.sleep(0.005)
    process.kill()
    process.wait()
    raise TransientError(f"anvil does not listen after {START_SECONDS:g} s: see {log}")


def _dies_with_us() -> Callable[[], None]:
    import ctypes

    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def is_anvil(pid: int, options: str = "") -> bool:
    """Whether process ``pid`` is a running anvil whose command line contains ``options``: process ids are reused."""
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
    else:
        shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
        command = shown.stdout.split()
    return bool(command) and Path(command[0]).name.startswith("anvil") and options in " ".join(command)


def stop(pid: int) -> None:
    """Stop the anvil with process id ``pid`` by SIGTERM, then SIGKILL. A process that is not anvil is left alone."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        if not is_anvil(pid):
            break
        os.kill(pid, request)
        deadline = time.monotonic() + STOP_SECONDS
        while is_anvil(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
    with contextlib.suppress(ChildProcessError):  # our child to reap, unless another process started it
        os.waitpid(pid, os.WNOHANG)
