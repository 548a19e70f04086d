"""The kill switch: a file in the data directory. While it exists nothing is signed and nothing is sent.

It is a file and not a journal entry, so that anybody who can write to the directory can halt the bot: a monitoring
script with `touch`, during a run that has the journal locked (the run then ends within its present leg), or while the
journal is damaged.
"""

from __future__ import annotations

import time
from pathlib import Path

from yieldbot.errors import ConfigError, SafetyError
from yieldbot.model.text import one_line
from yieldbot.resources import head, why

NAME = "HALT"
LONGEST = 4096
"""At most this many bytes of the file are read."""


def halt(data_dir: Path, reason: str, now: int) -> tuple[Path, str]:
    """Set the kill switch; one that is set already stays as it is. ``now``: unix seconds, written into the file.

    Returns the file, and a warning: empty, or (on a full disk) that the file is there and halts, but without its
    reason. Raises ConfigError when the file cannot be made.
    """
    path = data_dir / NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
            file.write(f"since {when} UTC{': ' + one_line(reason) if reason else ''}\n")
    except FileExistsError:
        pass
    except OSError as failure:
        cause = why(failure, path)
        if path.is_symlink() or path.exists():
            return path, f"{path} is there and halts; its reason could not be written ({cause})"
        raise ConfigError(f"{path} cannot be written: {cause}: create it by hand to halt the bot") from None
    return path, ""


def resume(data_dir: Path) -> bool:
    """Remove the kill switch. Returns whether it was set. Raises ConfigError if the file cannot be removed."""
    path = data_dir / NAME
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as failure:
        raise ConfigError(f"{path} cannot be removed: {failure.strerror}: remove it by hand to go on") from None
    return True


def halted(data_dir: Path) -> str | None:
    """The reason in the kill switch, as one line; None while it is not set. Anything with its name halts, even a folder
    or an unreadable file."""
    path = data_dir / NAME
    try:
        if not path.is_symlink() and not path.exists():
            return None
        text = head(path, LONGEST).decode(errors="replace")
    except (OSError, ConfigError):  # a dangling link, a FIFO, a folder: whatever is there halts
        text = ""
    return one_line(text, 200) or "no reason given"


def refuse_if_halted(reason: str | None) -> None:
    """Raise SafetyError HALTED if there is a ``reason`` (see ``halted``)."""
    if reason is not None:
        raise SafetyError("HALTED", f"yieldbot is halted ({reason}): nothing is signed or sent until `yieldbot resume`")
