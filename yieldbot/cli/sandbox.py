"""``yieldbot sandbox up | down | warp | status``: a local market of real protocols with play money."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import sandbox as use
from yieldbot.app.formatting import when
from yieldbot.app.sandbox import DIRECTORY, SandboxRequest, SandboxUpRequest, SandboxWarpRequest
from yieldbot.cli.flags import decimal

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.sandbox_documents import SandboxDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    group = listed.add_parser("sandbox")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands = {
        "up": (up, "start it and write its configuration (compiles the contracts the first time)"),
        "down": (down, "stop it; its files stay"),
        "warp": (warp, "let days pass on its chains"),
        "status": (status, "whether it runs, and at which block"),
    }
    for name, (handler, what) in commands.items():
        parser = actions.add_parser(name, help=what, description=what)
        without = f"without it this folder where a sandbox is, else {DIRECTORY}"
        about = f"the sandbox's folder (default: the folder of --config; {without})"
        parser.add_argument("--dir", type=Path, metavar="DIR", help=about)
        if name == "up":
            what = "which chains: real EVM protocols on anvil (default), doubles of Solana programs in LiteSVM, or both"
            parser.add_argument("--chain", choices=("evm", "solana", "both"), default="evm", help=what)
            more = "a protocol or exchange that it has beside its own market; repeatable (an unknown name lists all)"
            parser.add_argument("--with", dest="also", action="append", default=[], metavar="NAME", help=more)
            parser.add_argument("--all", dest="everything", action="store_true", help="every protocol and exchange")
        if name == "warp":
            parser.add_argument("days", type=decimal, metavar="DAYS")
        parser.set_defaults(command=f"sandbox-{name}", handler=handler)


def up(args: argparse.Namespace, context: Screen) -> int:
    request = SandboxUpRequest(
        directory=use.place(args.dir, context), chain=args.chain, also=tuple(args.also), everything=args.everything
    )
    return _print(context, use.up(request, context))


def down(args: argparse.Namespace, context: Screen) -> int:
    found = use.down(SandboxRequest(directory=use.place(args.dir, context)))
    line = f"no sandbox was running from {found.directory}: nothing was stopped"
    if found.stopped:
        line = f"stopped the sandbox of {found.directory}: {' and '.join(found.nodes)}; its files stay there"
    context.show(found.as_json(), lambda: line)
    return 0


def warp(args: argparse.Namespace, context: Screen) -> int:
    return _print(context, use.warp(SandboxWarpRequest(directory=use.place(args.dir, context), days=args.days)))


def status(args: argparse.Namespace, context: Screen) -> int:
    return _print(context, use.status(SandboxRequest(directory=use.place(args.dir, context))))


def _print(context: Screen, found: SandboxDocument) -> int:
    """Print a line for each chain."""
    lines = []
    alone = found.solana is not None and found.rpc_url == found.solana.rpc_url
    if found.timestamp is not None and not alone:
        at = f"block {found.height:,}, {when(found.timestamp)}"
        lines.append(f"sandbox at {found.rpc_url}, {at}; wallet {found.wallet}")
    if (solana := found.solana) is not None:
        at = f"slot {solana.height:,}, {when(solana.timestamp)}"
        lines.append(f"Solana sandbox at {solana.rpc_url}, {at}; wallet {solana.wallet}")
    lines.append(f"use it: yieldbot --config {found.config} markets")
    context.show(found.as_json(), lambda: "\n".join(lines))
    return 0
