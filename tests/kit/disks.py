"""A small disk of its own (tmpfs) that can be filled, for whoever may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE = 4 * 2**20


@contextmanager
def disk(path: Path) -> Iterator[Path]:
    """A disk of SIZE bytes, mounted at a new folder; a folder alone where no disk can be mounted."""
    path.mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "yieldbot-test", str(path)]
    mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield path
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(path)], check=True)


@contextmanager
def full(path: Path) -> Iterator[None]:
    """Nothing more fits on this disk. Skips where it is none."""
    if not path.is_mount():
        pytest.skip("a full disk: only root may mount a small one, and not in every container")
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (2**16, 1):  # to the last byte of the last page
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()
