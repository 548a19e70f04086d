"""Questions on this terminal."""

from __future__ import annotations

import getpass
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from yieldbot.errors import ConfigError

SIGN = "Sign and send these?"


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end a wait for input at once; an event loop would only react after the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def secret(question: str) -> str:
    """Ask for a secret, which is not shown while it is typed."""
    with interruptible():
        try:
            return getpass.getpass(question)
        except EOFError:
            raise ConfigError(f"{question.rstrip(': ')}: nothing was given") from None


def answered(question: str, default: str = "", seconds: float | None = None) -> str:
    """Ask for a line. The question goes to stderr, since stdout is for the result alone. seconds: how long to wait;
    None: for ever. Raises TimeoutError after that, ConfigError at the end of the input."""
    with interruptible():
        print(question, end="", file=sys.stderr, flush=True)
        if seconds is not None and not select.select([sys.stdin], [], [], seconds)[0]:
            print(file=sys.stderr)
            raise TimeoutError
        line = sys.stdin.readline()
    if not line:
        raise ConfigError("the input ended before every question was answered")
    return line.strip() or default


def confirmed(question: str) -> bool:
    """Ask a yes-no question; only y or yes is consent."""
    return answered(f"{question} [y/N] ").lower() in ("y", "yes")


def agreed(seconds: float | None = None) -> bool | None:
    """Ask for consent before anything is signed; None: nobody answered in so many seconds."""
    if seconds is None:
        return confirmed(SIGN)
    until = time.strftime("%H:%M:%S", time.gmtime(time.time() + seconds))
    try:
        return answered(f"{SIGN} [y/N, waits until {until} UTC] ", "", seconds).lower() in ("y", "yes")
    except TimeoutError:
        return None
