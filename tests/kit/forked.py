"""A run of the bot in a process forked from this one: one of its own to be killed, without loading everything again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

LONGEST_RUN_SECONDS = 300.0
CRASHED = 70


def forked(work: Callable[[], Coroutine[Any, Any, int]]) -> tuple[int, str]:
    """What ``work`` returns in a fork (negative: the signal that ended it), and what it wrote to stderr.

    Raises AssertionError for one that raised, or that did not end.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 2)
        code = CRASHED
        try:
            code = asyncio.run(work())
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    until = time.monotonic() + LONGEST_RUN_SECONDS
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"a run did not end within {LONGEST_RUN_SECONDS:g} s")
        time.sleep(0.005)
    with os.fdopen(read) as pipe:
        text = pipe.read().strip()
    code = os.waitstatus_to_exitcode(ended[1])
    assert code != CRASHED, text
    return code, text
