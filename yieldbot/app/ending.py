"""Handles SIGTERM and Ctrl-C in a process that waits."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

INTERRUPTED = 130
"""Exit code of a command that was interrupted."""


@contextlib.contextmanager
def at_end(work: Callable[[], object]) -> Iterator[None]:
    """Make SIGTERM and SIGINT call ``work`` in the running event loop, each time, instead of their default action."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, work)
    try:
        yield
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(one)
