"""The streams of events: each event is noticed once for all callers, and sent to each caller who may see it.

Events of journal entries have the entry's number as id, with which a caller resumes without loss. What is not in the
journal (readings, alerts, halts, runs that begin) is noticed only while a stream is open; the first event of each
stream, ``state``, states it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from yieldbot.app import alerts, proposals
from yieldbot.app.alert_store import FILE as ALERTS
from yieldbot.app.collections import alarm_of, visible
from yieldbot.app.event_documents import Event, of_entry
from yieldbot.app.formatting import run_words
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.numbers import significant
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.app.service import Service

MOST_KEPT = 1000
"""Most events that are kept for slow callers, and most that are sent to a caller who resumes."""
MOST_OF_KEY, MOST = 5, 100
"""Most streams of one key, and of all keys."""
TICK_SECONDS = 1.0
"""Seconds between two checks for new events and for keys that are no longer valid."""
ALIVE_SECONDS = 15.0
"""Seconds without an event after which a comment is sent, so that a broken connection is noticed."""
LONGEST_SECONDS = 3600
"""Longest duration of a stream, in seconds; the caller then connects again and resumes."""
Sees = Callable[["Caller"], bool]


class TooManyStreams(YieldbotError):
    """No further stream is opened now."""

    def __init__(self, own: bool, words: str) -> None:
        super().__init__(words)
        self.own = own
        """Whether the key has too many streams; else the server has, or it is shutting down."""


@dataclass(eq=False, slots=True)
class Stream:
    """The stream of one caller."""

    caller: Caller
    """The caller who receives it."""
    wake: asyncio.Event
    """Set when there may be something to send."""
    at: int
    """Number of the events noticed so far that the stream has passed."""
    kinds: frozenset[str]
    """Kinds of events that the caller requested; empty: all."""
    first: tuple[Event, ...] = ()
    """Events that are sent before any new one."""
    ended: str | None = None
    """Why the stream ends; None: it does not end yet."""
    alive: Callable[[], bool] | None = None
    """Whether its caller is still let in, for one without an API key; None: while the key is valid."""

    def wants(self, event: Event) -> bool:
        """Whether the caller requested events of this kind."""
        return not self.kinds or event.kind in self.kinds


class Events:
    """Notices what happens while any stream is open. Used only by the server's event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.most = MOST
        """Most streams at the same time."""
        self.longest_seconds: float = LONGEST_SECONDS
        """Longest duration of a stream, in seconds."""
        self._streams = set[Stream]()
        self._kept = deque[tuple[Event, Sees]](maxlen=MOST_KEPT)
        self._count = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._seq = 0
        self._moved = 0
        self._seen: dict[str, Any] = {}
        self._rows: tuple[Mapping[str, Any], ...] = ()
        self._opening = asyncio.Lock()
        service.jobs.began.append(self._job_began)

    def __len__(self) -> int:
        return len(self._streams)

    async def open(
        self,
        caller: Caller,
        last_id: int | None,
        kinds: frozenset[str] = frozenset(),
        alive: Callable[[], bool] | None = None,
    ) -> Stream:
        """Begin a stream. last_id: number of the last journal entry that the caller has; None: the stream begins now.
        kinds: kinds of events that it requests; empty: all. alive: for a caller without an API key, whether it is still
        let in.

        Raises TooManyStreams, and what reading the journal raises.
        """
        if self._closed:
            raise TooManyStreams(False, "the server is ending")
        if sum(one.caller.name == caller.name for one in self._streams) >= MOST_OF_KEY:
            raise TooManyStreams(True, f"key {caller.name} has {MOST_OF_KEY} streams of events already: close one")
        if len(self._streams) >= self.most:
            raise TooManyStreams(False, "too many streams of events are open")
        stream = Stream(caller, asyncio.Event(), 0, kinds, alive=alive)
        self._streams.add(stream)  # before anything is waited for: the limits hold
        try:
            async with self._opening:
                if self._task is None or self._task.done():
                    await self._begin()
                    self._task = asyncio.create_task(self._run())
                else:
                    await self._look()
            stream.at, stream.first = self._count, self._first(stream, last_id)
        except BaseException:
            self.drop(stream)
            raise
        return stream

    def drop(self, stream: Stream) -> None:
        """End a stream. After the last one, nothing is checked any more."""
        self._streams.discard(stream)
        if not self._streams and self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        """End every stream, and open no more."""
        self._closed = True
        for stream in self._streams:
            self._end(stream, "the server is ending")

    async def sent(self, stream: Stream, seconds: float) -> AsyncIterator[Event | str]:
        """Events for one caller as they happen, and comments, until ``seconds`` have passed or the stream ends."""
        until = time.monotonic() + min(seconds, self.longest_seconds)
        for event in stream.first:
            yield event
        stream.first = ()
        quiet_since = time.monotonic()
        while True:
            stream.wake.clear()
            while stream.at < self._count and stream.ended is None:
                behind = self._count - stream.at
                if behind > len(self._kept):  # it takes them more slowly than they come
                    yield self._reset(stream.caller)
                    return
                event, sees = self._kept[-behind]
                stream.at += 1
                if stream.wants(event) and sees(stream.caller):
                    yield event
                    quiet_since = time.monotonic()
            if stream.ended is not None:
                yield stream.ended
                return
            now = time.monotonic()
            if now >= until:
                return
            wait = min(until, quiet_since + ALIVE_SECONDS) - now
            try:
                async with asyncio.timeout(max(0.0, wait)):
                    await stream.wake.wait()
            except TimeoutError:
                if time.monotonic() < until:
                    yield "nothing happened"
                quiet_since = time.monotonic()

    def _first(self, stream: Stream, last_id: int | None) -> tuple[Event, ...]:
        """The events with which a stream begins: the present state, and what happened after the entry that the caller
        has."""
        caller = stream.caller
        now = self._state(caller)
        if last_id is None:
            return (now,)
        if last_id > self._seq:
            return (self._reset(caller), now)
        found = deque[Event]()
        for row in self._rows:  # the newest first
            if row["seq"] <= last_id:
                break
            event = of_entry(row)
            if event is not None and stream.wants(event) and self._sees(row)(caller):
                found.appendleft(event)
                if len(found) > MOST_KEPT:
                    return (self._reset(caller), now)
        state = now.model_copy(update={"id": None}) if found else now
        return (state, *found)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self._look()
                self._check_keys()
            except Exception as failure:  # the journal is damaged, say: the callers connect again
                for stream in self._streams:
                    self._end(stream, "what happens cannot be read now")
                if not isinstance(failure, YieldbotError):
                    self._service.context.complain(f"a bug: {type(failure).__name__} in the stream of events")
                    return
            for stream in self._streams:
                if stream.at < self._count:
                    stream.wake.set()

    async def _begin(self) -> None:
        """Record the present state, so that only later changes become events."""
        self._kept.clear()
        await self._read()
        self._seq = self._rows[0]["seq"] if self._rows else 0
        self._seen = {"read_at": self._service.read_at, "halted": self._service.halted(), "alerts": None}
        self._seen["runs"] = {one.row.id for one in self._service.requested.all()}
        self._seen |= {"proposals": None, "proposals_until": 0}
        self._alerts()
        self._proposals()

    async def _look(self) -> None:
        """Notice what happened since the last check."""
        service, seen = self._service, self._seen
        now = int(time.time())
        if (read_at := service.read_at) != seen["read_at"]:
            seen["read_at"] = read_at
            self._add(Event(kind="reading", at=read_at, text="every chain was read", read_at=read_at))
        if (halted := service.halted()) != seen["halted"]:
            kind, before = ("halt.lifted" if halted is None else "halt.ordered"), seen["halted"]
            seen["halted"] = halted
            self._add(Event(kind=kind, at=now, text=one_line(halted or before or "")))  # type: ignore[arg-type]
        requested = service.requested.all()
        for one in requested:
            if one.row.id not in seen["runs"]:
                text = run_words(one.row.command, one.row.by)
                self._add(
                    Event(kind="run.started", at=one.row.began_at, text=text, run_id=one.row.id),
                    _of_all(one.accounts),
                )
        seen["runs"] = {one.row.id for one in requested}
        for event, accounts in (*self._alerts(), *self._proposals()):
            self._add(event, _of_all(accounts))
        await self._read()
        for row in reversed(list(takewhile(lambda row: row["seq"] > self._seq, self._rows))):
            self._seq = row["seq"]
            if (made := of_entry(row)) is not None:
                self._add(made, self._sees(row))

    def _alerts(self) -> list[tuple[Event, frozenset[str] | None]]:
        """(event, accounts of the alert) of each alert that began or ended since the last check."""
        stamp = self._stamp(ALERTS)
        if stamp == self._seen.get("alerts_file"):
            return []
        before: Mapping[Any, bool] | None = self._seen["alerts"]
        now, found = dict[Any, bool](), list[tuple[Event, frozenset[str] | None]]()
        try:
            rows = alerts.list_(self._service.context).alerts
        except ConfigError:  # GET /v1/alerts says why they cannot be read
            return []
        for row in rows:
            for value in row.values:
                name = (row.id, value.name)
                now[name] = value.stands
                if before is not None and before.get(name, False) != value.stands:
                    event = Event(
                        kind="alert.crossed" if value.stands else "alert.ended",
                        at=value.since,
                        text=one_line(f"{row.condition}: {value.name} is {significant(value.value, 6)}"),
                        alert_id=row.id,
                        status=row.severity,
                    )
                    found.append((event, None if row.accounts is None else frozenset(row.accounts)))
        self._seen |= {"alerts": now, "alerts_file": stamp}
        return found

    def _proposals(self) -> list[tuple[Event, frozenset[str] | None]]:
        """(event, accounts that it is for) of each proposal that was made, decided or expired since the last check."""
        stamp, now = self._stamp(proposals.FILE), int(time.time())
        if stamp == self._seen.get("proposals_file") and not 0 < self._seen["proposals_until"] <= now:
            return []
        before: Mapping[str, str] | None = self._seen["proposals"]
        try:
            rows = proposals.list_(self._service.context).proposals
        except ConfigError:  # the page of proposals says why they cannot be read
            return []
        found = [
            (
                Event(
                    kind="proposal.waits" if row.status == "waiting" else "proposal.decided",
                    at=row.at if row.status == "waiting" else now,
                    text=one_line(row.lines[0] if row.kind != "setting" else f"a change of {row.setting.key}"),  # type: ignore[union-attr]
                    proposal_id=row.id,
                    status=row.status,
                ),
                None if row.accounts is None else frozenset(row.accounts),
            )
            for row in reversed(rows)
            if before is not None and before.get(row.id) != row.status
        ]
        self._seen |= {
            "proposals": {row.id: row.status for row in rows},
            "proposals_file": stamp,
            "proposals_until": min((row.expires_at for row in rows if row.status == "waiting"), default=0),
        }
        return found

    def _stamp(self, name: str) -> tuple[int, int]:
        """What changes with a file of the data directory."""
        try:
            found = (self._service.context.settings.data_dir / name).stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)

    def _job_began(self, name: str) -> None:
        if self._streams and name == "plan":
            self._add(Event(kind="run.started", at=int(time.time()), text="run for schedule"), _of_all(None))

    def _add(self, event: Event, sees: Sees = lambda caller: True) -> None:
        self._kept.append((event, sees))
        self._count += 1

    def _check_keys(self) -> None:
        """End the streams of keys that are no longer valid."""
        living = self._service.admission.living({one.caller.prefix for one in self._streams if one.alive is None})
        for stream in self._streams:
            if stream.alive is None and stream.caller.prefix not in living:
                self._end(stream, "the key is not valid any more")
            elif stream.alive is not None and not stream.alive():
                self._end(stream, "the session has ended")

    def _end(self, stream: Stream, why: str) -> None:
        stream.ended = why
        stream.wake.set()

    def _sees(self, row: Mapping[str, Any]) -> Sees:
        """Decides who may see a journal entry: callers who may see its account; for an alarm, callers who see the
        market."""
        if row["owner"]:
            return lambda caller: caller.sees(row["owner"])
        if (alarm := alarm_of(row)) is None:
            return _of_all(None)
        markets = self._service.newest("markets").rows
        mine = tuple(one for one in markets if (one["chain_id"], one["id"]) == alarm)
        return lambda caller: caller.accounts is None or bool(visible(mine, caller))

    def _newest(self, caller: Caller) -> int:
        """Number of the last entry that the caller may see, so that the number of others' entries is not revealed."""
        if caller.accounts is None:
            return self._seq
        return next((row["seq"] for row in self._rows if self._sees(row)(caller)), 0)

    def _state(self, caller: Caller) -> Event:
        halted, read_at = self._seen["halted"], self._seen["read_at"]
        return Event(
            kind="state",
            id=self._newest(caller),
            at=int(time.time()),
            text=one_line(halted or ""),
            halted=halted is not None,
            read_at=read_at or None,
        )

    def _reset(self, caller: Caller) -> Event:
        words = "events were missed: read what you need again, and go on from this id"
        return Event(kind="reset", id=self._newest(caller), at=int(time.time()), text=words)

    async def _read(self) -> None:
        """Read the journal's rows, the newest first. Where a plan was carried out since the chains were read, they are
        read at once: what is shown of our money is to be of now."""
        self._rows = (await self._service.journalled("journal")).rows
        for row in takewhile(lambda row: row["at"] >= self._service.read_at and row["seq"] > self._moved, self._rows):
            if (made := of_entry(row)) is not None and made.kind == "plan.done":
                self._moved = row["seq"]  # once for each, also where the reading fails
                self._service.jobs.soon("observe")
                break


def _of_all(accounts: frozenset[str] | None) -> Sees:
    """Decides who may see all of these accounts (None: every account)."""
    return lambda caller: caller.accounts is None or (accounts is not None and accounts <= caller.accounts)
