"""Locates abis/, chains/ and docs/, and reads and writes files that money depends on: regular files of bounded size
that nobody but their owner can change."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from yieldbot.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent
CHECKOUT = _PACKAGE.parent
"""The folder that holds the package: a checkout (with node_modules/), or site-packages."""


def in_checkout() -> bool:
    """Whether this program runs from a checkout, which has scripts/ and the sandbox's packages; no wheel has."""
    return (CHECKOUT / "pyproject.toml").is_file()


def folder(name: str) -> Path:
    """The folder ``abis``, ``chains`` or ``docs``: the checkout's, else the wheel's copy inside the package."""
    checkout = CHECKOUT / name
    return checkout if checkout.is_dir() and in_checkout() else _PACKAGE / f"_{name}"


MOST_BYTES = 4 * 2**20
"""The largest configuration, keystore or descriptor file that is read, in bytes."""


def head(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of a regular file. Raises ConfigError for anything else (reading a FIFO or a device
    might never end), and OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory", str(path))
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path} is not a regular file: name one")
        return file.read(most)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file. Raises ConfigError for a file of more than ``most`` bytes or of another kind, and
    OSError."""
    found = head(path, most + 1)
    if len(found) > most:
        raise ConfigError(f"{path} has more than {most:,} bytes, too many for its purpose: name another file")
    return found


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The content as UTF-8 text without its byte-order mark. Raises as ``read_bytes``, and UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8-sig")


def first_line(path: Path, most: int = MOST_BYTES) -> str:
    """The first line of a text file, without its line end (LF or CRLF). Raises as ``read_text``."""
    return read_text(path, most).split("\n", 1)[0].removesuffix("\r")


def why(failure: OSError, path: Path) -> str:
    """Describe why a file could not be written."""
    # /proc answers "no such file" about a file that is to be created
    there = next((parent for parent in path.absolute().parents if parent.exists()), path)
    if failure.errno in (errno.ENOENT, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP) and there.is_dir():
        return f"{there} takes no files of ours ({failure.strerror}): name another folder"
    return str(failure.strerror)


def create_whole(path: Path, content: bytes) -> None:
    """Write a new file (mode 0600) and sync it to the disk. On failure nothing is left behind.

    Raises FileExistsError rather than overwrite a file, and OSError.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)  # unlike a rename it replaces nothing
        except OSError as failure:
            if failure.errno not in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # a disk without hard links
            part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    with contextlib.suppress(OSError):  # some file systems cannot sync folders
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def no_core_dumps() -> None:
    """Forbid core dumps: a crash then writes no memory of this process to a disk."""
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def keep_memory_private() -> None:
    """Forbid core dumps, also those that the system pipes to a program. On Linux, other processes of our user can then
    neither read this process's memory and environment nor trace it."""
    import ctypes

    no_core_dumps()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


PR_SET_DUMPABLE = 4
"""Option of prctl(2): whether the process may dump core and be traced."""


def refuse_if_others_change(path: Path, what: str) -> None:
    """Raise ConfigError where a user other than us and root owns the file or folder, may write it, or could replace it.

    It can be replaced by whoever may write its folder, sticky folders such as /tmp excepted. A link is judged itself
    and by its target. A path that does not exist passes. ``what``: what the path is, as its key in yieldbot.toml.
    """
    here = Path(os.path.abspath(path))
    for one in dict.fromkeys((here, Path(os.path.realpath(path)))):
        _judge(one, path, what)
        _judge(one.parent, path, what)


def _judge(one: Path, path: Path, what: str) -> None:
    try:
        found = one.lstat()
    except OSError:
        return
    named = f"{what} {path}" if one in (path, Path(os.path.abspath(path))) else f"{what} {path}: {one}"
    if not (stat.S_ISLNK(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
        raise ConfigError(f"{named} is neither a file nor a folder: name one")
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{named} belongs to another user (uid {found.st_uid}), who could change it: chown it, or move it"
        )
    mode = stat.S_IMODE(found.st_mode)
    open_to = mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISLNK(found.st_mode) or not open_to or (stat.S_ISDIR(found.st_mode) and mode & stat.S_ISVTX):
        return
    raise ConfigError(f"{named} can be changed by other users (mode {mode:04o}): chmod go-w {one}")
