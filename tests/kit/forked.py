"""Runs the bot in a process forked from this one, which can be killed and need not load everything again."""

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
    """(what ``work`` returns in a forked process, negative: the signal that ended it; what it wrote to stderr).

    Raises AssertionError if it raised, or did not end.
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
