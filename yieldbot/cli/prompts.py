"""Questions to a person on this terminal."""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from yieldbot.errors import ConfigError


@contextmanager
def interruptible() -> Iterator[None]:
    """While a person is asked, Ctrl-C ends the wait at once (an event loop would only note it until the answer)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def secret(question: str) -> str:
    """Ask for something that is not shown while it is typed."""
    with interruptible():
        try:
            return getpass.getpass(question)
        except EOFError:
            raise ConfigError("no passphrase was given") from None


def answered(question: str, default: str = "") -> str:
    """Ask on the terminal; the question goes to stderr, stdout being the result's alone."""
    with interruptible():
        print(question, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
    if not line:
        raise ConfigError("the input ended before every question was answered")
    return line.strip() or default


def confirmed(question: str) -> bool:
    """A question whose only consent is y or yes."""
    return answered(f"{question} [y/N] ").lower() in ("y", "yes")


def agreed() -> bool:
    """The last question before anything is signed."""
    return confirmed("Sign and send these?")
