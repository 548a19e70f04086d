"""Questions on this terminal."""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from yieldbot.errors import ConfigError


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


def answered(question: str, default: str = "") -> str:
    """Ask for a line. The question goes to stderr, since stdout is for the result alone."""
    with interruptible():
        print(question, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
    if not line:
        raise ConfigError("the input ended before every question was answered")
    return line.strip() or default


def confirmed(question: str) -> bool:
    """Ask a yes-no question; only y or yes is consent."""
    return answered(f"{question} [y/N] ").lower() in ("y", "yes")


def agreed() -> bool:
    """Ask for consent before anything is signed."""
    return confirmed("Sign and send these?")
