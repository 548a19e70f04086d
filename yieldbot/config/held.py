"""Configuration files as they were when a server read them, for the processes that it starts: what somebody is just
writing into a file counts after SIGHUP, and never half."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from yieldbot.resources import folder, read_text

_held: dict[str, str] = {}


def hold(texts: Mapping[str, str]) -> None:
    """Read these files from now on as they are here. texts: by absolute path."""
    _held.clear()
    _held.update(texts)


def text_of(path: Path) -> str:
    """The text of a configuration file. Raises as ``read_text``."""
    found = _held.get(str(path.absolute()))
    return read_text(path) if found is None else found


def texts_of(path: Path) -> dict[str, str]:
    """The texts of a yieldbot.toml and of the files of its jobs' chains, by absolute path. Raises ConfigError and
    OSError; what is wrong in them is found by ``load``."""
    path = path.expanduser().absolute()
    found = {str(path): read_text(path)}
    jobs = tomllib.loads(found[str(path)]).get("jobs")
    names = {job.get("chain") for job in jobs if isinstance(job, dict)} if isinstance(jobs, list) else set()
    for place in (path.parent / "chains", folder("chains")):
        for name in sorted(name for name in names if isinstance(name, str) and "/" not in name):
            file = (place / f"{name}.toml").absolute()
            if file.is_file():
                found[str(file)] = read_text(file)
    return found
