"""SIGHUP: a server or signer reads its configuration and secrets again, all or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from copy import copy
from typing import TYPE_CHECKING

from yieldbot.config import secrets
from yieldbot.config.held import hold, texts_of
from yieldbot.config.load import load
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.resources import why

if TYPE_CHECKING:
    from yieldbot.app.context import Context

STAYS = "SIGHUP: the configuration in use stays"


def read_once(context: Context) -> dict[str, str]:
    """Read the configuration before anything is done; returns the texts of the files that the settings now are those
    of, for processes that are started later: whoever writes into a file meanwhile changes neither. Raises
    ConfigError."""
    texts = _texts(context)
    hold(texts)
    try:
        _ = context.settings  # says what it warns of
        context.replace(load(context.config, context.secret, whole=context.whole))
    finally:
        hold({})
    return texts


def reread(context: Context, check: Callable[[Context], None]) -> dict[str, str]:
    """Read everything again, and use it if ``check`` accepts it; returns the texts of the files, for processes that are
    started. Raises ConfigError; then the configuration in use stays."""
    secrets.again()
    fresh = copy(context)
    fresh.secret = None  # nobody waits at a terminal
    fresh.verbose = False
    fresh.use(context.config)
    texts = _texts(fresh)
    new, old = fresh.settings, context.settings
    for name in ("data_dir", "signer"):
        if getattr(new, name) != getattr(old, name):
            raise ConfigError(f"{new.source}: {name} is another: that takes a restart")
    check(fresh)
    if texts != texts_of(context.config):
        raise ConfigError(f"{context.config}: the files changed meanwhile: send SIGHUP again")
    context.replace(new)
    return texts


def _texts(context: Context) -> dict[str, str]:
    try:
        return texts_of(context.config)
    except (OSError, ValueError) as failure:
        load(context.config, context.secret, whole=context.whole)  # names the line
        reason = why(failure, context.config) if isinstance(failure, OSError) else "it is not TOML"
        raise ConfigError(f"{context.config}: cannot be read: {reason}") from None


@contextlib.contextmanager
def at_hangup(context: Context, work: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Do ``work`` at each SIGHUP, in the running event loop, one after the other. What it raises is said in one line,
    and nothing ends for it."""
    loop, under_way, one = asyncio.get_running_loop(), set[asyncio.Task[None]](), asyncio.Lock()

    async def again() -> None:
        async with one:
            try:
                await work()
            except YieldbotError as failure:
                context.complain(f"{STAYS}: {context.redacted(str(failure))}")
            except Exception as bug:
                context.complain(f"{STAYS}: a bug: {type(bug).__name__}")
            else:
                context.say("SIGHUP: configuration and secrets are read again")

    def came() -> None:
        task = loop.create_task(again())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    loop.add_signal_handler(signal.SIGHUP, came)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in under_way:
            task.cancel()
