"""The result of one check of ``yieldbot check``."""

from __future__ import annotations

from typing import NamedTuple

FAILED, MISCONFIGURED = 1, 2


class Finding(NamedTuple):
    """One thing that was checked."""

    what: str
    """What was checked."""
    result: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty: nothing."""
    code: int = 0
    """0: all is well; FAILED: it cannot be reached now; MISCONFIGURED: the configuration is wrong."""
