"""Identifies the code that decides: for manifests, for keys of finished pieces, and to check that workers run the same
code."""

from __future__ import annotations

import hashlib
import sys
from functools import cache

from yieldbot.resources import CHECKOUT

ROOMS = ("allocator", "backtest", "decision", "forecast", "history", "math", "model", "risk")
"""Rooms whose code affects decisions."""
USED = ("highspy", "numpy")
"""Third-party packages whose version could change figures."""


@cache
def code() -> str:
    """SHA-256 of the code that decides."""
    found = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((CHECKOUT / "yieldbot" / room).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


@cache
def software() -> str:
    """The hash of the code, and the versions of the packages that it computes with."""
    from importlib.metadata import version

    python = f"python {sys.version_info[0]}.{sys.version_info[1]}"
    return " ".join([code(), python, *(f"{one} {version(one)}" for one in USED)])
