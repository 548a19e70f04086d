"""Starts workers (``app/worker.py``) and ends them: one process for each job, at most a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from yieldbot.app import telemetry, tracing
from yieldbot.config import stored_secrets
from yieldbot.errors import YieldbotError
from yieldbot.model.json_text import loads

MOST_AT_ONCE = 2
"""Most workers that run at the same time for callers; further jobs wait."""
MOST_WAITING = 8
"""Most jobs of callers that wait; one more is refused."""
LONGEST_ANSWER = 64 * 2**20
"""Most bytes of a worker's answer that are read."""
KILL_AFTER_SECONDS = 5.0
"""Seconds after which a worker is killed if it was asked to end."""


class WorkerFailed(YieldbotError):
    """The use case ended with an error of ours, or its process without an answer."""

    def __init__(self, message: str, kind: str = "WorkerFailed", code: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        """The class of the error in the worker, as ConfigError; WorkerFailed: the process ended without an answer."""
        self.code = code
        """The code of a safety rule that refused; None: none did."""


class Workers:
    """Runs use cases in processes of their own."""

    def __init__(self, config: Path, say: Callable[[str], None]) -> None:
        """say: takes each line that a worker writes to stderr, as it is."""
        self._config, self._say = config, say
        self.ended: Callable[[str, str, float], None] = lambda job, outcome, seconds: None
        """Called for each job that ended: its name, ``done`` or the kind of error, and the seconds that it took."""
        self._room, self._own = asyncio.Semaphore(MOST_AT_ONCE), dict[str, asyncio.Semaphore]()
        self.counted: Callable[[Sequence[Any]], None] = lambda rows: None
        """Called with what each worker counted of its requests to RPC endpoints (``rpc.counting``)."""
        self.texts: dict[str, str] = {}
        """Configuration files as the server read them, by absolute path, which workers use in place of the files."""
        self._waiting = 0
        self._running: set[asyncio.subprocess.Process] = set()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether MOST_WAITING jobs of callers wait, so that one more would be refused."""
        return self._waiting >= MOST_WAITING

    async def run(self, job: str, request: Mapping[str, Any], seconds: float, *, own: bool = False) -> dict[str, Any]:
        """Run a job as ``_run`` does, and report its end to ``ended``. own: whether it is the server's own job, which
        does not wait for callers' jobs."""
        began, outcome = time.monotonic(), "ended"
        try:
            with telemetry.span(f"worker {job}"):
                found = await self._run(job, request, seconds, own)
            outcome = "done"
        except WorkerFailed as failure:
            outcome = failure.kind
            raise
        finally:
            self.ended(job, outcome, time.monotonic() - began)
        return found

    async def _run(self, job: str, request: Mapping[str, Any], seconds: float, own: bool) -> dict[str, Any]:
        """The document of a job (``worker.JOBS``). Raises WorkerFailed: the use case's own error, no answer within
        ``seconds``, or a crashed process."""
        async with self._turn(job, own):
            if self._closed:
                raise WorkerFailed("the server is stopping")
            process = await self._started(job)
            self._running.add(process)
            try:
                asked = json.dumps(self._order(job, request)).encode()
                async with asyncio.timeout(seconds):
                    _, answer = await asyncio.gather(self._told(process), self._asked(process, asked))
                    await process.wait()
            except TimeoutError:
                raise WorkerFailed(f"{job}: no answer within {seconds:z.0f} s: it was ended") from None
            finally:
                await _end(process)
                self._running.discard(process)
        return self._answer(job, answer, process.returncode)

    def _order(self, job: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a worker reads; ``id`` and ``trace`` are of what it works for."""
        about = {"keys": stored_secrets.keys(), "id": telemetry.current(), "trace": tracing.carrier()}
        files = {"config": str(self._config), "texts": self.texts}
        return {"job": job, "request": dict(request)} | files | about

    @contextlib.asynccontextmanager
    async def _turn(self, job: str, own: bool) -> AsyncIterator[None]:
        """Context in which a worker may run: waits for a free slot; of the server's own jobs one of each kind runs at a
        time. Raises WorkerFailed if too many jobs of callers wait already."""
        room = self._own.setdefault(job, asyncio.Semaphore(1)) if own else self._room
        if not own and self._waiting >= MOST_WAITING:
            raise WorkerFailed(f"{job}: {MOST_WAITING} jobs wait already: try again later")
        self._waiting += not own
        try:
            await room.acquire()
        finally:
            self._waiting -= not own
        try:
            yield
        finally:
            room.release()

    async def _started(self, job: str) -> asyncio.subprocess.Process:
        """A new worker process. Raises WorkerFailed if the machine cannot start one."""
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "yieldbot.app.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_ANSWER,
                start_new_session=True,  # a Ctrl-C at the server is the server's to pass on
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | telemetry.environment(),
            )
        except OSError as failure:  # no more files, processes or memory
            raise WorkerFailed(f"{job}: no process could be started: {failure.strerror}") from None

    async def close(self) -> None:
        """End every worker; later jobs are refused."""
        self._closed = True
        await asyncio.gather(*(_end(process) for process in list(self._running)))

    def _answer(self, job: str, answer: bytes, status: int | None) -> dict[str, Any]:
        try:
            found = loads(answer)
        except ValueError:
            raise WorkerFailed(f"{job}: its process ended without an answer (status {status})") from None
        self.counted(found.get("rpc", ()))
        if (problem := found.get("problem")) is not None:
            raise WorkerFailed(problem["message"], problem["kind"], problem["code"])
        document: dict[str, Any] = found["answer"]
        return document

    async def _asked(self, process: asyncio.subprocess.Process, asked: bytes) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it ended before it read the request; its exit status shows why
            process.stdin.write(asked)
            await process.stdin.drain()
            process.stdin.close()
        return await process.stdout.read(-1)

    async def _told(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._say(line.decode(errors="replace").rstrip("\n"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Send SIGTERM to a process and its children (a fork's node), and SIGKILL after KILL_AFTER_SECONDS."""
    if process.returncode is not None:
        return
    for stop in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER_SECONDS):
                await process.wait()
                return
