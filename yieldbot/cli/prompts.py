"""Questions on this terminal."""

from __future__ import annotations

import getpass
import math
import os
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from yieldbot.errors import ConfigError
from yieldbot.model.text import wrapped

LEAST_COLUMNS = 20
"""Of a narrower terminal, or one that does not say how wide it is, lines are left as they are."""
SIGN = "Sign and send these?"


def for_terminal(text: str, stream: TextIO) -> str:
    """A text with its lines broken between words where a terminal would break them anywhere; whole into a pipe."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return text
    return wrapped(text, columns) if columns >= LEAST_COLUMNS else text


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


def _forget_typed() -> None:
    """Drop what was typed at the terminal so far; a pipe keeps what was written into it."""
    try:
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except (termios.error, OSError, ValueError):
        return


def answered(question: str, default: str = "", seconds: float | None = None, *, unread: bool = True) -> str:
    """Ask for a line. The question goes to stderr, since stdout is for the result alone. seconds: how long to wait;
    None: for ever. unread: whether what was typed before the question was shown may answer it. Raises TimeoutError
    after that time, ConfigError at the end of the input."""
    with interruptible():
        if not unread:
            _forget_typed()
        print(for_terminal(question, sys.stderr), end="", file=sys.stderr, flush=True)
        if seconds is not None and not select.select([sys.stdin], [], [], seconds)[0]:
            print(file=sys.stderr)
            raise TimeoutError
        line = sys.stdin.readline()
    if not line:
        raise ConfigError("the input ended before every question was answered")
    return line.strip() or default


def confirmed(question: str) -> bool:
    """Ask a yes-no question; only y or yes is consent, and only to what was already on the screen."""
    return answered(f"{question} [y/N] ", unread=False).lower() in ("y", "yes")


class Patience:
    """How long a person at this terminal is waited for before anything is signed."""

    def __init__(self, seconds: float | None) -> None:
        """seconds: as ``--timeout``; None: until the run's time is over. Raises ConfigError for less than 1."""
        if seconds is not None and not 1.0 <= seconds < math.inf:
            raise ConfigError(f"--timeout {seconds:g}: write seconds, 1 or more")
        self._seconds = math.inf if seconds is None else seconds
        self._began = time.monotonic()

    def ask(self, run_seconds: float, expires_at: float = math.inf) -> bool | None:
        """Ask for consent; None: nobody answered in time. run_seconds: of the whole run; expires_at: when what is
        asked for expires, in unix seconds."""
        left = min(expires_at - time.time(), self._began + run_seconds - time.monotonic())
        return agreed(min(max(1.0, left), self._seconds))


def agreed(seconds: float) -> bool | None:
    """Ask for consent before anything is signed; None: nobody answered in so many seconds. What was typed before the
    question was shown is no answer: nobody had seen what it would agree to."""
    until = time.strftime("%H:%M:%S", time.gmtime(time.time() + seconds))
    try:
        return answered(f"{SIGN} [y/N, waits until {until} UTC] ", "", seconds, unread=False).lower() in ("y", "yes")
    except TimeoutError:
        return None
