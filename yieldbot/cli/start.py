"""The program's entry point. It imports almost nothing before Ctrl-C ends the program in one line: loading the rest
takes a tenth of a second, in which Python itself would print where it was interrupted."""

import gc
import os
import signal

INTERRUPTED = 130
COLLECTED = (200_000, 20, 50)
"""Thresholds of Python's garbage collector, the first in new objects (200,000 are some 20 MB). With Python's own (700,
10, 10) it spends a tenth of a command's start, and a third of the time of one that reads many rows, in looking through
what stays."""
M_ARENA_MAX = -8
"""The option of mallopt(3) for how many heaps threads get, each with 64 MiB of addresses."""


def main() -> int:
    """Load the command line, run one command and return its exit code."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # not where a shell ignores it for what runs in its background
        signal.signal(signal.SIGINT, _end)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # no other package's code beside a key; and faster
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # its own keeps 6 MiB more of what a run has read
    _reserve_little()
    gc.set_threshold(*COLLECTED)
    from yieldbot.cli.main import main as run

    try:
        signal.signal(signal.SIGINT, usual)
        return run()
    except KeyboardInterrupt:
        _end()
        raise
    finally:
        gc.freeze()  # else the ending interpreter looks for cycles among all objects, which takes a tenth of a second


def _reserve_little() -> None:
    """Where the address space is limited (``ulimit -v``), libraries reserve little of it. Otherwise they reserve 1.8 GB
    for 0.2 GB that are used, and at the limit they end the process or wait forever."""
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import ctypes

    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # glibc's
        mallopt(M_ARENA_MAX, 2)


def _end(*_: object) -> None:
    os.write(2, b"yieldbot: interrupted\n")
    os._exit(INTERRUPTED)
