"""A labelled double of a chain's session for use cases that observe; and running a command to get what it prints."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rich.console import Console

from yieldbot.app import overview
from yieldbot.app.context import Context
from yieldbot.cli.flags import add_job_flags
from yieldbot.cli.view import what_if_flags
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import Policy


def watched(monkeypatch: pytest.MonkeyPatch, view: Snapshot) -> None:
    """Make every job's session return ``view``, and set the clock to its time."""

    class Live:
        left_out, round_trips = (), 1

        async def verify_chain(self) -> None: ...

        async def observe(self, records: Any, full: Any = ()) -> Snapshot:
            return view

        async def with_exits(self, found: Snapshot, records: Any, policy: Policy) -> Snapshot:
            return found

    @asynccontextmanager
    async def watch(job: Any) -> AsyncIterator[Live]:
        yield Live()

    monkeypatch.setattr(overview, "watch", watch)
    monkeypatch.setattr(overview.time, "time", lambda: view.block.timestamp)


def printed(
    context: Context, monkeypatch: pytest.MonkeyPatch, command: Callable[..., int], *words: str
) -> tuple[str, dict[str, Any]]:
    """(a command's text for people, its JSON document)."""
    shown: list[Any] = []
    documents: list[dict[str, Any]] = []

    def show(self: Context, document: dict[str, Any], *parts: Any) -> None:
        documents.append(document)
        shown.extend(parts)

    monkeypatch.setattr(type(context), "show", show, raising=False)
    parser = ArgumentParser()
    add_job_flags(parser)
    what_if_flags(parser)
    command(parser.parse_args(words), context)
    console = Console(width=400, file=None, force_terminal=False)
    with console.capture() as taken:
        for part in shown:
            console.print(part() if callable(part) else part)
    return taken.get(), documents[0]
