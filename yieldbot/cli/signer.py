"""``yieldbot signer``: the process that holds the keys and carries out what persons have signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.signer import SOCKET, SignerRequest
from yieldbot.errors import ConfigError
from yieldbot.signer.running import run

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

LEAST_SECONDS = 5.0


def register(listed: CommandList) -> None:
    parser = listed.add_parser(
        "signer", ". Runs as another user than `yieldbot serve`, with its own configuration (docs/operations.md)."
    )
    parser.add_argument(
        "--socket", type=Path, default=SOCKET, metavar="PATH", help=f"path of the Unix socket (default {SOCKET})"
    )
    parser.add_argument("--group", metavar="NAME", help="group of the socket, whose members may connect")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="USER", help="only this user may connect; may be repeated"
    )
    parser.add_argument(
        "--every",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="seconds between two attempts to carry out waiting plans (default 60)",
    )
    parser.set_defaults(command="signer", handler=signer)


def signer(args: argparse.Namespace, context: Screen) -> int:
    if not LEAST_SECONDS <= args.every <= 86_400:
        raise ConfigError(f"--every {args.every:g}: write 5 to 86400 seconds")
    context.secret = None  # nobody is asked: it runs alone
    request = SignerRequest(
        socket=args.socket.absolute(), group=args.group, allow=tuple(args.allow), every_seconds=args.every
    )
    return run(context, request)
