"""Values of variables that neither the environment nor .env has: from a command or a file that [secrets] names, as
``pass show rpc``, else from the encrypted file (``stored_secrets``).

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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.config import stored_secrets
from yieldbot.config.messages import config_error
from yieldbot.config.stored_secrets import CREDENTIAL, PASSPHRASE_NAME
from yieldbot.config.toml_types import FilePath
from yieldbot.resources import read_text, refuse_if_others_change

COMMAND_SECONDS = 20.0
"""Seconds that a command may take."""
KEPT_SECONDS = 300.0
"""Seconds for which a command's value is used before the command runs again, so that a replaced secret takes effect."""
MOST_BYTES = 8192
"""Most bytes of a secret."""
MOST_KNOWN = 1000
_kept: dict[tuple[str, str], tuple[float, str]] = {}
_known: dict[str, None] = {}


class SecretTable(BaseModel):
    """Where the value of one variable comes from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    command: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    """A command that prints it, as "pass show rpc"."""
    file: FilePath | None = None
    """A file (mode 0600) that holds it."""


def values(path: Path, tables: Mapping[str, SecretTable], given: Mapping[str, str]) -> dict[str, str]:
    """The value of each variable that is not given already. path: yieldbot.toml. Raises ConfigError, which names the
    variable."""
    wanted = {name: table for name, table in tables.items() if not given.get(name) and name != PASSPHRASE_NAME}
    return {name: _value(path, name, table) for name, table in wanted.items()}


def stored(
    path: Path,
    file: Path,
    tables: Mapping[str, SecretTable],
    given: Mapping[str, str],
    ask: Callable[[str], str] | None,
) -> dict[str, str]:
    """The secrets of the encrypted file that are not given already; it is opened only where there are some. ask: asks a
    person for the passphrase; None: nobody can be asked. Raises ConfigError."""
    sealed = stored_secrets.read(file)
    if sealed is None or all(given.get(name) for name in sealed.changed_at):
        return {}
    found = sealed.values(lambda: passphrase(path, file, tables, ask))
    for value in found.values():
        hide(value)
    return {name: value for name, value in found.items() if not given.get(name)}


def passphrase(path: Path, file: Path, tables: Mapping[str, SecretTable], ask: Callable[[str], str] | None) -> str:
    """The passphrase of the encrypted file: from the environment, [secrets], a systemd credential, or a person. Raises
    ConfigError where none of them has it."""
    if (found := given_passphrase(path, tables)) is not None:
        return found
    if ask is None:
        message = f"its passphrase is needed, and nobody can be asked: give {PASSPHRASE_NAME} in the environment or"
        raise config_error(file, "", f"{message} under [secrets], or the systemd credential {CREDENTIAL}")
    return hide(ask(f"Passphrase of {file}: "))


def given_passphrase(path: Path, tables: Mapping[str, SecretTable]) -> str | None:
    """The passphrase of the encrypted file, where nobody must be asked for it. Raises ConfigError."""
    if found := os.environ.get(PASSPHRASE_NAME):
        return hide(found)
    if (table := tables.get(PASSPHRASE_NAME)) is not None:
        return _value(path, PASSPHRASE_NAME, table)
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        credential = Path(folder) / CREDENTIAL
        if credential.exists():
            return hide(_one_line(credential, "", _of_credential(credential)))
    return None


def hide(value: str) -> str:
    """The value, which is hidden in every text from now on."""
    _known[value] = None
    while len(_known) > MOST_KNOWN:
        del _known[next(iter(_known))]
    return value


def one_line(value: str, place: str) -> str:
    """A secret that a person gave. Raises ConfigError where it is none in one line; the value is not quoted."""
    if len(value.encode("utf-8", "replace")) > MOST_BYTES:
        raise config_error(Path(place), "", f"has more than {MOST_BYTES} bytes: it must be one line")
    return hide(_one_line(Path(place), "", value))


def again() -> None:
    """Let every command run again at the next need, instead of after minutes."""
    _kept.clear()


def _value(path: Path, name: str, table: SecretTable) -> str:
    place = f"secrets.{name}"
    if (table.command is None) == (table.file is None):
        raise config_error(path, place, "write either command or file")
    text = _of_file(path, place, table.file) if table.file is not None else _of_command(path, place, table.command)
    return hide(_one_line(path, place, text))


def known() -> tuple[str, ...]:
    """Every secret that this process has read, including replaced ones, so that all of them can be hidden in
    messages."""
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


def _of_credential(file: Path) -> str:
    """systemd lets the service's user alone read it, by its owner or an access list, which shows as the group's."""
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o027:
            raise config_error(file, "", "is open to other users: let systemd provide it (LoadCredential=)")
        return read_text(file, MOST_BYTES)
    except (OSError, UnicodeDecodeError):
        raise config_error(file, "", "cannot be read as text: write the passphrase into it") from None


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
    """The line that a command prints. The command and its child processes are killed if it takes too long or prints too
    much. Raises ConfigError."""
    own = {name: value for name, value in os.environ.items() if name != PASSPHRASE_NAME}
    options = {"env": own, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
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
        raise config_error(path, place, f"{words[0]} did not end within {COMMAND_SECONDS:z.0f} s")
    if status:
        raise config_error(path, place, f"{words[0]} failed with exit status {status}: try it in a terminal")
    return said.decode(errors="replace")


def _one_line(path: Path, place: str, text: str) -> str:
    found = text.removesuffix("\n").removesuffix("\r")
    if not found or not found.isprintable() or found != found.strip():
        raise config_error(path, place, "gives no secret in one line: it must be one line of printable characters")
    return found
