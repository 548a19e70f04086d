"""What fails in an event loop outside of all that waits for it, as a line for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def line_of(found: Mapping[str, Any]) -> str | None:
    """The line about what a loop's exception handler is given; None: no failure, such as a connection that Ctrl-C left
    open, which is closed with the process."""
    failure = found.get("exception")
    return None if failure is None else f"{found['message']}: {type(failure).__name__}"
