"""What ``yieldbot check`` found out about one thing."""

from __future__ import annotations

from typing import NamedTuple

FAILED, MISCONFIGURED = 1, 2


class Finding(NamedTuple):
    """One thing that was looked at. ``remedy``: what to do, empty when all is well; ``code``: 0, 1 or 2."""

    what: str
    said: str
    remedy: str = ""
    code: int = 0
