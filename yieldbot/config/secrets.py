"""[secrets]: values of variables from a command or a file of their own, as ``pass show rpc``.

A value is never quoted in a message. Commands run without a shell, in the folder of yieldbot.toml, and give one line.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.config.messages import config_error
from yieldbot.config.toml_types import FilePath
from yieldbot.resources import read_text, refuse_if_others_change

COMMAND_SECONDS = 20.0
"""How long a command may take."""
KEPT_SECONDS = 300.0
"""How long a command's value is used before the command runs again: a new secret counts after that."""
MOST_BYTES = 8192
"""The longest secret."""
MOST_KNOWN = 1000
_kept: dict[tuple[str, str], tuple[float, str]] = {}
_known: dict[str, None] = {}


class SecretTable(BaseModel):
    """Where the value of one variable comes from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    command: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    """A command that prints it, as "pass show rpc"."""
    file: FilePath | None = None
    """A file (mode 0600) that holds it."""


def values(path: Path, tables: Mapping[str, SecretTable], given: Mapping[str, str]) -> dict[str, str]:
    """The value of each variable that is not given already. path: yieldbot.toml. Raises ConfigError, which names the
    variable."""
    found = {}
    for name, table in tables.items():
        if given.get(name):
            continue
        place = f"secrets.{name}"
        if (table.command is None) == (table.file is None):
            raise config_error(path, place, "write either command or file")
        text = _of_file(path, place, table.file) if table.file is not None else _of_command(path, place, table.command)
        found[name] = _one_line(path, place, text)
        _known[found[name]] = None
        while len(_known) > MOST_KNOWN:
            del _known[next(iter(_known))]
    return found


def known() -> tuple[str, ...]:
    """Every value that this process has got, also those that were replaced since: none may be shown."""
    return tuple(_known)


def _of_file(path: Path, place: str, name: str) -> str:
    file = path.parent / Path(name).expanduser()
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise config_error(path, place, f"{file} is open to other users: chmod 600 {file}")
        refuse_if_others_change(file, place)
        return read_text(file, MOST_BYTES)
    except (OSError, UnicodeDecodeError):
        raise config_error(path, place, f"{file} cannot be read as text: write the secret into it") from None


def _of_command(path: Path, place: str, command: str | None) -> str:
    assert command is not None
    key = (command, str(path.parent))
    if (kept := _kept.get(key)) is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
        return kept[1]
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise config_error(path, place, "command is no command: write it as in a terminal, without pipes")
    text = _run(path, place, words)
    _one_line(path, place, text)
    _kept[key] = (time.monotonic(), text)
    return text


def _run(path: Path, place: str, words: list[str]) -> str:
    """What a command prints. It and what it started are ended when it takes too long or prints too much."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen(words, cwd=path.parent, start_new_session=True, **options)  # type: ignore[call-overload]
    except (OSError, ValueError):
        raise config_error(path, place, f"{words[0]} cannot be started: correct command, or install it") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(COMMAND_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        with process.stdout as out:
            said: bytes = out.read(MOST_BYTES + 1)
        if len(said) > MOST_BYTES:
            raise config_error(path, place, f"{words[0]} prints more than {MOST_BYTES} bytes: it must print one line")
        status = process.wait()
    finally:
        timer.cancel()
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if late.is_set():
        raise config_error(path, place, f"{words[0]} did not end within {COMMAND_SECONDS:.0f} s")
    if status:
        raise config_error(path, place, f"{words[0]} failed with exit status {status}: try it in a terminal")
    return said.decode(errors="replace")


def _one_line(path: Path, place: str, text: str) -> str:
    found = text.removesuffix("\n").removesuffix("\r")
    if not found or not found.isprintable() or found != found.strip():
        raise config_error(path, place, "gives no secret in one line: it must be one line of printable characters")
    return found
