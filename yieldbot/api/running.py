"""Runs the application: sockets, TLS, the server's scheduled jobs, and a shutdown within ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from yieldbot.api.connections import Connection, room
from yieldbot.api.server import application
from yieldbot.api.tls import behind_tls
from yieldbot.app import serve as use
from yieldbot.app import tracing
from yieldbot.app.admission import plain
from yieldbot.app.ending import at_end
from yieldbot.app.loop_faults import line_of
from yieldbot.app.reload import at_hangup
from yieldbot.app.schedule import Task
from yieldbot.app.serve import ServeRequest
from yieldbot.app.service import Service
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.model.dataclass import dataclass

END_SECONDS = 5
"""Seconds that open requests may continue after SIGTERM."""
RELOAD_SECONDS = 60.0
BACKLOG = 512
"""Connections that may wait to be accepted."""


@dataclass(frozen=True, slots=True)
class Inner:
    """An application mounted in the REST interface, behind the same keys and limits (MCP over HTTP)."""

    path: str
    """Its path, as ``/mcp``."""
    app: ASGIApp
    """Its application."""
    running: Callable[[], contextlib.AbstractAsyncContextManager[None]]
    """Makes the context manager that must be open while the application answers."""


class BehindProxy:
    """Takes a caller's address from X-Forwarded-For and the scheme from X-Forwarded-Proto (https where it is missing),
    but only in requests that come from the named proxy, which ends TLS."""

    def __init__(self, app: ASGIApp, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
        self._app, self._network = app, network

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client"):
            host, port = scope["client"]
            with contextlib.suppress(ValueError):
                if plain(host) in self._network:
                    scope["client"] = (self._shown(scope) or host, port)
                    scope["scheme"] = self._scheme(scope)
        await self._app(scope, receive, send)

    def _scheme(self, scope: Scope) -> str:
        """http where the proxy says that the caller came without TLS."""
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        return "http" if "".join(named[-1:]).rpartition(",")[2].strip().lower() == "http" else "https"

    def _shown(self, scope: Scope) -> str | None:
        """The last address in X-Forwarded-For that is not the proxy's own; None: there is none. The caller may have
        forged all earlier ones."""
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for text in reversed(",".join(named).split(",")):
            try:
                address = plain(text.strip())
            except ValueError:
                return None
            if address not in self._network:
                return str(address)
        return None


class BesidePages:
    """The REST interface under ``/v1`` and the paths of its inner applications; the web page at every other path, which
    admits people by itself."""

    def __init__(self, app: ASGIApp, pages: ASGIApp, inner: Sequence[Inner]) -> None:
        self._app, self._pages, self._names = app, pages, frozenset(("/v1", *(one.path for one in inner)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = "/" + str(scope.get("path", "")).lstrip("/").partition("/")[0]
        await (self._app if first in self._names else self._pages)(scope, receive, send)


async def serve(
    service: Service,
    request: ServeRequest,
    inner: Sequence[Inner] = (),
    more: Sequence[Task] = (),
    pages: ASGIApp | None = None,
) -> int:
    """Listen and work until SIGTERM or SIGINT; returns the exit code. inner: applications that are reached through this
    one; more: further periodic tasks; pages: the web page; None: there is none.

    Raises ConfigError if the address cannot be used.
    """
    tracing.start("yieldbot-serve", service.context.complain)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(tracing.end)
        for one in inner:
            await stack.enter_async_context(one.running())
        app: ASGIApp = application(service, {one.path: one.app for one in inner})
        if pages is not None:
            app = BesidePages(app, pages, inner)
        try:
            return await _serve(service, request, app, (*use.tasks(service, request), *more))
        except YieldbotError as failure:  # raised outside of the task group, which would wrap it in an ExceptionGroup
            refused = failure
    raise refused


async def _serve(service: Service, request: ServeRequest, app: Any, tasks: tuple[Task, ...]) -> int:
    if request.proxy is not None:
        app = BehindProxy(app, use.network_of(request.proxy))
    most = room()
    service.events.most = min(service.events.most, most // 4)
    connection = type("Connection", (Connection,), {"most": most})
    config = uvicorn.Config(
        app,
        host=request.host,
        port=request.port,
        loop="asyncio",
        http=connection,
        backlog=min(BACKLOG, most),  # so many connections may wait to be accepted
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=END_SECONDS,
        h11_max_incomplete_event_size=16 * 1024,
        ssl_certfile=request.certificate,
        ssl_keyfile=request.certificate_key,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as failure:
        raise ConfigError(f"the TLS certificate cannot be used: {type(failure).__name__}: check both files") from None
    entrance = behind_tls(config, most)
    context = None if entrance is None else entrance.context
    server = uvicorn.Server(config)
    try:
        family = socket.AF_INET6 if ":" in request.host else socket.AF_INET
        listening = socket.create_server((request.host, request.port), family=family, backlog=config.backlog)
    except OSError:
        raise ConfigError(
            f"{request.host} port {request.port} cannot be listened on: another program may use it: choose --port"
        ) from None
    scheme = "http" if context is None else "https"
    host = f"[{request.host}]" if ":" in request.host else request.host

    def unhandled(_: object, found: Mapping[str, Any]) -> None:
        if (line := line_of(found)) is not None:
            service.context.complain(line)

    asyncio.get_running_loop().set_exception_handler(unhandled)
    service.context.say(f"listening at {scheme}://{host}:{listening.getsockname()[1]}/v1 (Ctrl-C ends it)")
    schedule, own = use.schedule(service), {task.name for task in use.tasks(service, request)}
    others = tuple(task for task in tasks if task.name not in own)
    work = asyncio.create_task(schedule.run(tasks))
    renew, freeze = asyncio.create_task(_renewed(service, context, request)), asyncio.create_task(_frozen(service))

    async def reload() -> None:
        try:
            _load_certificate(context, request)
        except (OSError, ssl.SSLError) as failure:
            raise ConfigError(f"the TLS certificate cannot be used: {type(failure).__name__}") from None
        await use.reload(service, request)
        schedule.replace((*use.tasks(service, request), *others))

    with _ending(server), at_hangup(service.context, reload):
        answering = asyncio.create_task(server.serve([listening]))
        await asyncio.wait({answering, work}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        for task in (work, renew, freeze):
            task.cancel()
        if entrance is not None:
            entrance.close()
        await service.close()
        await answering
    if work.done() and not work.cancelled() and (bug := work.exception()) is not None:
        raise bug
    return 0


async def _frozen(service: Service) -> None:
    """After the first reading of the chains, exclude all present objects from garbage collection: a full collection
    over them delays every caller by some 150 ms."""
    while not service.read_at:
        await asyncio.sleep(1.0)
    gc.collect()
    gc.freeze()


async def _renewed(service: Service, context: ssl.SSLContext | None, request: ServeRequest) -> None:
    """Load the TLS certificate again whenever one of its files changes; if that fails, the old one stays in use, and
    the log says so."""
    if context is None:
        return
    seen = _changed_at(request)
    while True:
        await asyncio.sleep(RELOAD_SECONDS)
        if (now := _changed_at(request)) == seen:
            continue
        seen = now
        try:
            _load_certificate(context, request)
        except (OSError, ssl.SSLError) as failure:  # perhaps one of the two files is not written yet
            service.context.complain(
                f"the new TLS certificate cannot be used: {type(failure).__name__}: the one before stays in use"
            )
        else:
            service.context.say("the TLS certificate is read again")


def _changed_at(request: ServeRequest) -> list[tuple[int, int]]:
    """(time of the last write, inode number) of the certificate's and the key's files; absent ones are left out."""
    found = list[tuple[int, int]]()
    for file in (request.certificate, request.certificate_key):
        with contextlib.suppress(OSError):
            assert file is not None
            status = file.stat()
            found.append((status.st_mtime_ns, status.st_ino))
    return found


def _load_certificate(context: ssl.SSLContext | None, request: ServeRequest) -> None:
    """Load the certificate and its key again. Raises OSError and ssl.SSLError; then the old ones stay in use."""
    if context is None or request.certificate is None:
        return
    # tried apart first: a certificate without its key would leave the context in use with neither
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(request.certificate, request.certificate_key)
    context.load_cert_chain(request.certificate, request.certificate_key)


def _ending(server: uvicorn.Server) -> contextlib.AbstractContextManager[None]:
    """SIGTERM and SIGINT ask the server to end; a second signal changes nothing."""
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    def end() -> None:
        server.should_exit = True

    return at_end(end)
