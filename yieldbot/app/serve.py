"""``serve``: the server's address, and the times of its jobs."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.access.keys import plain, plain_network
from yieldbot.app.audit_pace import LOOK_SECONDS
from yieldbot.app.ending import INTERRUPTED, at_end
from yieldbot.app.job_reports import worst
from yieldbot.app.reload import read_once, reread
from yieldbot.app.schedule import Schedule, Task, every
from yieldbot.app.signer_link import EVERY_SECONDS
from yieldbot.errors import ConfigError
from yieldbot.execution.lock import only_one
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.timing import JOBS, Timing

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.service import Service

LOCK = "serve.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """Where to listen, and how often each task runs."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8377
    """The port; 0: one that is free."""
    observe_every: str | None = None
    """When every chain is read, as ``5m`` or ``7 * * * *``; None: as configured."""
    plan_every: str | None = None
    """When a cycle runs that makes plans for a person to approve, as ``1h``; None: as configured."""
    jobs: tuple[str, ...] = ()
    """Times of jobs, each as ``watch=10m``."""
    certificate: Path | None = None
    """File of the TLS certificate with its chain, in PEM."""
    certificate_key: Path | None = None
    """File of the certificate's private key, in PEM."""
    signer: Path | None = None
    """The signer's socket; None: the setting ``signer``, else plans are carried out by `yieldbot approve`."""
    proxy: str | None = None
    """Network of a reverse proxy that terminates TLS, as CIDR; its X-Forwarded-For is believed. None: there is no
    proxy."""


def check(request: ServeRequest) -> None:
    """Raises ConfigError for an address that other machines can reach without TLS, or for invalid values."""
    if not 0 <= request.port <= 65_535:
        raise ConfigError(f"--port {request.port}: write a number from 0 to 65535")
    if (request.certificate is None) != (request.certificate_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together: give both, or neither")
    for file in (request.certificate, request.certificate_key):
        if file is not None and not file.is_file():
            raise ConfigError(f"{file}: there is no such file: name the PEM file of the certificate or its key")
    if request.proxy is not None:
        network_of(request.proxy)
    if not _own(request.host) and request.certificate is None and request.proxy is None:
        raise ConfigError(
            f"--host {request.host}: others could listen in: add --tls-cert and --tls-key, or --behind-proxy NETWORK "
            "where a proxy ends TLS, or listen on 127.0.0.1"
        )


def timings(request: ServeRequest, context: Context) -> dict[str, Timing]:
    """When each job is due, in the order of ``JOBS``: by the flags, else by [serve], else by default. Jobs that are
    switched off are left out. Raises ConfigError."""
    given = JOBS | context.settings.serving.jobs
    flags = dict.fromkeys(given, "serve")
    for flag, name, text in (
        ("--observe-every", "observe", request.observe_every),
        ("--plan-every", "plan", request.plan_every),
    ):
        if text is not None:
            given[name], flags[name] = text, flag
    for one in request.jobs:
        name, equals, text = one.partition("=")
        if name not in JOBS or not equals:
            raise ConfigError(f"--job {one}: write NAME=TIME, as watch=10m; {did_you_mean(name, JOBS)}")
        given[name], flags[name] = text, f"--job {name}"
    found = dict[str, Timing]()
    for name, text in given.items():
        try:
            due = Timing.parse(text)
        except ValueError as wrong:
            raise ConfigError(f"{flags[name]} {text}: {wrong}") from None
        if due is None and name == "observe":
            raise ConfigError(f"{flags[name]} {text}: a server answers from its readings: write a time, as 5m")
        if due is not None:
            found[name] = due
    return found


def tasks(service: Service, request: ServeRequest) -> tuple[Task, ...]:
    """The server's periodic tasks."""
    due = timings(request, service.context)
    jobs = tuple(Task(name, when, service.jobs.work(name)) for name, when in due.items())
    link = service.signer
    hand_over = () if link is None else (every("signer", EVERY_SECONDS, link.work),)
    return (*jobs, *hand_over, every("audit", LOOK_SECONDS, service.write_due_audit, at_once=False))


def schedule(service: Service) -> Schedule:
    """The schedule that runs the server's periodic tasks."""
    return Schedule(service.context.say, jitter_seconds=service.context.settings.serving.jitter_seconds)


async def reload(service: Service, request: ServeRequest) -> None:
    """Read the configuration again, and use it if every part of it can be used. Raises ConfigError."""

    def checked(fresh: Context) -> None:
        timings(request, fresh)

    service.workers.texts = await asyncio.to_thread(reread, service.context, checked)
    service.every_seconds = timings(request, service.context)["observe"].longest_seconds(time.time())


async def once(service: Service, request: ServeRequest, more: Sequence[Task] = ()) -> int:
    """Run every job once, one after the other, without listening. Returns the gravest exit code of the jobs. more:
    tasks that are run at the end."""
    this = asyncio.current_task()
    assert this is not None
    try:
        with at_end(lambda: this.cancel()):
            ends = [await service.jobs.run(name) for name in timings(request, service.context)]
            if service.signer is not None:
                await service.signer.work()
            for task in more:
                await task.work()
    except asyncio.CancelledError:
        service.context.complain("interrupted")
        return INTERRUPTED
    finally:
        await service.close()
    return worst([one.exit_code for one in ends])


def alone(context: Context) -> AbstractContextManager[None]:
    """A lock held while a server runs: two servers on one data directory would do every job and send every notice
    twice. Raises YieldbotError if another server runs."""
    return only_one(context.settings.data_dir, LOCK, "server")


def service_of(context: Context, request: ServeRequest) -> Service:
    """The service behind a server. Raises ConfigError, and InvariantError where the keys cannot be read."""
    from yieldbot.app.service import Service

    check(request)
    texts = read_once(context)
    reading = timings(request, context)["observe"].longest_seconds(time.time())
    found = Service(context, reading, request.signer or context.settings.signer)
    found.workers.texts = texts
    return found


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Parse an IP network in CIDR form. Raises ConfigError."""
    try:
        return plain_network(text)
    except ValueError:
        raise ConfigError(f"--behind-proxy {text}: write the proxy's network as 10.0.0.0/8 or 127.0.0.1/32") from None


def _own(host: str) -> bool:
    """Whether an address is a loopback address, which only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return plain(host).is_loopback
    except ValueError:
        return False
