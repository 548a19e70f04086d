"""``yieldbot serve``: the server behind the REST interface."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import serve as use
from yieldbot.errors import ConfigError
from yieldbot.notify.chats import chats_of
from yieldbot.notify.heartbeat import heartbeat_of
from yieldbot.notify.sending import work_of
from yieldbot.resources import keep_memory_private

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.schedule import Task
    from yieldbot.app.service import Service
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("serve", ". It holds no key and signs nothing.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8377, help="port to listen on; 0: any (default 8377)")
    parser.add_argument(
        "--observe-every",
        metavar="TIME",
        help="how often chains are read: an interval such as 5m (default), or times in UTC as in crontab ('7 * * * *')",
    )
    parser.add_argument(
        "--plan-every",
        metavar="TIME",
        help="how often a plan is made, which then waits for a person (default: only on request)",
    )
    parser.add_argument(
        "--job",
        action="append",
        default=[],
        metavar="NAME=TIME",
        help="how often to observe, watch, settle, claim or plan, such as watch=10m or plan=never; may be repeated",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="do each scheduled job once without opening a port, and end with the gravest exit code",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="TLS certificate with its chain, in PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM")
    parser.add_argument(
        "--behind-proxy",
        metavar="CIDR",
        help="network of the proxy in front of the server, which ends TLS and whose X-Forwarded-For is believed",
    )
    parser.add_argument(
        "--signer", type=Path, metavar="SOCKET", help="socket of `yieldbot signer`, which carries out signed plans"
    )
    parser.set_defaults(command="serve", handler=serve)


def _nightly(service: Service) -> list[Task]:
    """The task for the night's summary; none where it cannot work, which a line says: the server serves without it."""
    try:
        from yieldbot.assistant.opening import nightly_of

        return [nightly_of(service)]
    except ConfigError as lacking:
        service.context.complain(f"no nightly summary: {lacking}")
        return []


def serve(args: argparse.Namespace, context: Screen) -> int:
    keep_memory_private()
    request = use.ServeRequest(
        host=args.host,
        port=args.port,
        observe_every=args.observe_every,
        plan_every=args.plan_every,
        jobs=tuple(args.job),
        certificate=args.tls_cert,
        certificate_key=args.tls_key,
        proxy=args.behind_proxy,
        signer=args.signer,
    )
    service = use.service_of(context, request)
    more = [work_of(service)] if context.settings.notices else []
    if context.settings.assistance.nightly_minute is not None:
        more = [*_nightly(service), *more]  # before the notices, which send it
    beat = heartbeat_of(service)
    if args.once:
        code = asyncio.run(use.once(service, request, more))
        if beat is not None:
            beat.wait()
        return code
    try:
        from yieldbot.api.running import Inner
        from yieldbot.api.running import serve as run
        from yieldbot.web.server import pages
    except ModuleNotFoundError as missing:
        if missing.name not in ("fastapi", "starlette", "uvicorn", "jinja2"):
            raise
        raise ConfigError("the server needs the extra `serve`: pip install 'yieldbot[serve]'") from None
    inner = []
    if importlib.util.find_spec("anthropic") is not None:
        from yieldbot.assistant.opening import assistant_of

        service.assistant = assistant_of(service)
    if importlib.util.find_spec("mcp") is not None:  # the extra is there
        from yieldbot.mcp.running import over_http

        inner.append(Inner("/mcp", *over_http(service)))
    try:
        shown = pages(service)
    except ConfigError as lacking:
        context.complain(str(lacking))
        shown = None
    with use.alone(context):
        return asyncio.run(run(service, request, inner, [*more, *chats_of(service)], shown))
