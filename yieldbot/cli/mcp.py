"""``yieldbot mcp``: tools for an assistant, over stdin and stdout."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from yieldbot.app import serve as use
from yieldbot.app.admission import Scope
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("mcp", ". An assistant starts it; nothing in it can sign or approve.")
    parser.add_argument(
        "--scope",
        choices=("read", "plan"),
        default="plan",
        help="what the assistant may do: read, or plan too (default)",
    )
    parser.add_argument(
        "--observe-every",
        metavar="TIME",
        help="how often chains are read, after the assistant's first request: 5m (default), or '7 * * * *' in UTC",
    )
    parser.set_defaults(command="mcp", handler=mcp)


def mcp(args: argparse.Namespace, context: Screen) -> int:
    scopes = frozenset((Scope.READ,) if args.scope == "read" else (Scope.READ, Scope.PLAN))
    request = use.ServeRequest(observe_every=args.observe_every)
    service = use.service_of(context, request)
    try:
        from yieldbot.mcp.running import serve
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "mcp":
            raise
        raise ConfigError("assistants need the extra `mcp`: pip install 'yieldbot[mcp]'") from None
    return asyncio.run(serve(service, request, scopes))
