"""The signer's process: it listens at the socket, and starts another process to sign whenever a plan or an open
transaction waits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from yieldbot.app import telemetry
from yieldbot.app.audit_pace import LOOK_SECONDS, AuditPace
from yieldbot.app.loop_faults import line_of
from yieldbot.app.reload import at_hangup, read_once, reread
from yieldbot.app.signer import SignerRequest, check, opened
from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import keep_memory_private
from yieldbot.signer.listening import Listener, bound, ended

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.signer_intake import Intake

AUDIT_SECONDS = 10.0
"""Seconds between two writes of the audit while very many requests come."""
KILL_AFTER_SECONDS = 2.0
"""Seconds after which the process that signs is killed if it was asked to end."""


def run(context: Context, request: SignerRequest) -> int:
    """Run the signer until SIGTERM or SIGINT; returns the exit code. Raises ConfigError for a configuration with which
    it must not start, YieldbotError where another signer runs."""
    keep_memory_private()
    texts = read_once(context)
    with opened(context, request) as intake:
        listening = bound(request.socket, request.group_id)
        inode = request.socket.stat().st_ino
        try:
            return asyncio.run(_run(context, request, intake, listening, texts))
        finally:
            listening.close()
            ended(request.socket, inode)


async def _run(
    context: Context, request: SignerRequest, intake: Intake, listening: object, texts: dict[str, str]
) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)

    def unhandled(_: object, found: dict[str, Any]) -> None:
        hung_up = isinstance(found.get("exception"), OSError)  # which is no fault of ours
        if not hung_up and (line := line_of(found)) is not None:
            context.complain(line)

    loop.set_exception_handler(unhandled)
    listener = Listener(intake.answer, intake.note, request.allowed_ids)
    server = await listener.begin(listening)  # type: ignore[arg-type]
    worker = Worker(context, intake, request.every_seconds, texts)

    def came() -> None:
        loop.call_soon_threadsafe(worker.wake.set)

    intake.came = came
    context.say(f"the signer listens at {request.socket} (Ctrl-C ends it)")

    async def reload() -> None:
        worker.texts = await asyncio.to_thread(reread, context, check)
        worker.wake.set()

    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(_audit(context, intake))]
    stopping = asyncio.create_task(stop.wait())
    with at_hangup(context, reload):
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    server.close()
    for task in (stopping, *tasks):
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await listener.end()
    with contextlib.suppress(YieldbotError):
        intake.write_audit()
    for bug in results:
        if isinstance(bug, Exception):
            raise bug
    return 0


async def _audit(context: Context, intake: Intake) -> None:
    """Writes the audit: at once while its lines are few. Lines that cannot be written are kept; that is said once."""
    pace, complaint = AuditPace(AUDIT_SECONDS), ""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not intake.noted or not pace.due(time.monotonic()):
            continue
        try:
            await asyncio.to_thread(intake.write_audit)
        except YieldbotError as failure:
            if str(failure) != complaint:
                context.complain(f"the audit cannot be written: {failure}")
            complaint = str(failure)
        else:
            if complaint:
                context.say("the audit is written again")
            complaint = ""


@dataclass(slots=True)
class Worker:
    """Runs the process that signs, never two at the same time."""

    context: Context
    """The configuration."""
    intake: Intake
    """Answers whether a plan or an open transaction waits (``Intake.work_waits``)."""
    every_seconds: float
    """Seconds between two attempts while something still waits."""
    texts: dict[str, str] = field(default_factory=dict)
    """Configuration files as the signer read them, by absolute path, which that process uses in place of the files."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a plan was handed in."""

    async def run(self) -> None:
        """Start the process that signs whenever something waits, until this task is cancelled; a process that still
        runs is then ended."""
        first = True
        while True:
            self.wake.clear()
            try:
                if first or await asyncio.to_thread(self.intake.work_waits):
                    await self._once()
            except YieldbotError as failure:  # a fault of disk or journal: try again later
                self.context.complain(str(failure))
            except OSError as failure:
                self.context.complain(f"no process could be started: {failure.strerror}")
            first = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.every_seconds):
                    await self.wake.wait()

    async def _once(self) -> None:
        timeout = self.context.settings.policy.run_timeout_seconds * 4 + 120
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "yieldbot.app.signer_work", str(self.context.config.absolute())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | telemetry.environment(),
        )
        assert process.stderr is not None and process.stdin is not None
        process.stdin.write(json.dumps(self.texts).encode() + b"\n")
        try:
            async with asyncio.timeout(timeout):
                while line := await process.stderr.readline():
                    self.context.relay(line.decode(errors="replace").rstrip("\n"))
                await process.wait()
        except TimeoutError:
            self.context.complain(f"the process that signs took longer than {timeout:z.0f} s: it was ended")
        except ValueError:  # a line that is too long
            self.context.complain("the process that signs wrote a line that is too long: it was ended")
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    for stop in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):  # its group holds a fork's node, which may outlive it
            os.killpg(process.pid, stop)
        if process.returncode is not None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER_SECONDS):
                await process.wait()
