"""``serve``: the server's address, and its periodic tasks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.admission import AUDIT_SECONDS
from yieldbot.app.api_keys import seconds_of
from yieldbot.app.schedule import Task
from yieldbot.app.workers import WorkerFailed
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.service import Service

LEAST_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """Where to listen, and how often each task runs."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8377
    """The port; 0: one that is free."""
    observe_every: str = "5m"
    """How often every chain is read, as ``5m``."""
    plan_every: str | None = None
    """How often a cycle runs that makes plans for a person to approve, as ``1h``; None: only on request."""
    certificate: Path | None = None
    """File of the TLS certificate with its chain, in PEM."""
    certificate_key: Path | None = None
    """File of its key, in PEM."""
    proxy: str | None = None
    """Network of a proxy that ends TLS in front of us, as CIDR; its X-Forwarded-For is believed."""


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
    intervals(request)


def intervals(request: ServeRequest) -> tuple[float, float | None]:
    """Seconds between readings, and between cycles (None: only on request). Raises ConfigError."""
    found = []
    for flag, text in (("--observe-every", request.observe_every), ("--plan-every", request.plan_every)):
        seconds = None if text is None else _interval(text, flag)
        if seconds is not None and seconds < LEAST_SECONDS:
            raise ConfigError(f"{flag} {text}: write at least {LEAST_SECONDS}s")
        found.append(seconds)
    assert found[0] is not None
    return float(found[0]), found[1]


def tasks(service: Service, request: ServeRequest) -> tuple[Task, ...]:
    """The server's periodic tasks."""
    observe, plan = intervals(request)
    found = [
        Task("reading", observe, service.observe),
        Task("audit", AUDIT_SECONDS, service.write_audit, at_once=False),
    ]
    if plan is not None:

        async def cycle() -> None:
            try:
                await service.queue({})
            except WorkerFailed as failure:
                service.context.complain(f"planning failed: {failure}")

        found.append(Task("planning", plan, cycle))
    return tuple(found)


def service_of(context: Context, request: ServeRequest) -> Service:
    """The service behind a server. Raises ConfigError, and InvariantError where the keys cannot be read."""
    from yieldbot.app.service import Service

    check(request)
    observe, _ = intervals(request)
    return Service(context, observe)


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network. Raises ConfigError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ConfigError(f"--behind-proxy {text}: write the proxy's network as 10.0.0.0/8 or 127.0.0.1/32") from None


def _own(host: str) -> bool:
    """Whether an address can be reached only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _interval(text: str, flag: str) -> int:
    units = {"s": 1, "m": 60}
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit in units and number.isascii() and number.isdigit() and len(number) < 6:
        return int(number) * units[unit]
    return seconds_of(text, flag)
