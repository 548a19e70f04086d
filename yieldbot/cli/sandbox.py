"""``yieldbot sandbox up | down | warp | status``: a local market of real protocols, with play money."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import documents as docs
from yieldbot.app.words import when
from yieldbot.cli.flags import decimal
from yieldbot.errors import ConfigError
from yieldbot.sandbox.local import Local

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.documents import Doc
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.sandbox.node import Sandbox
    from yieldbot.sandbox.solana.node import SvmSandbox

DIRECTORY = Path(".yieldbot/sandbox")


def register(listed: Listed) -> None:
    group = listed.add_parser("sandbox")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    words = {
        "up": (up, "start it (compiling the contracts the first time) and write its configuration"),
        "down": (down, "stop it; its files stay"),
        "warp": (warp, "let days pass on it"),
        "status": (status, "whether it runs, and where its chain stands"),
    }
    for name, (handler, what) in words.items():
        parser = actions.add_parser(name, help=what, description=what)
        parser.add_argument("--dir", type=Path, default=DIRECTORY, metavar="DIR", help=f"default: {DIRECTORY}")
        if name == "up":
            what = "which chains: real EVM protocols on anvil (default), doubles of Solana programs in LiteSVM, or both"
            parser.add_argument("--chain", choices=("evm", "solana", "both"), default="evm", help=what)
        if name == "warp":
            parser.add_argument("days", type=decimal, metavar="DAYS")
        parser.set_defaults(command=f"sandbox-{name}", handler=handler)


def no_real_folder(directory: Path) -> None:
    """Raise ConfigError for a folder whose configuration is not a sandbox's: it would be overwritten."""
    ours = any((directory / "chains" / f"{name}.toml").exists() for name in ("sandbox", "solana-sandbox"))
    for name in ("yieldbot.toml", "journal.sqlite", ".env"):
        if not ours and (directory / name).exists():
            raise ConfigError(f"--dir {directory}: {name} is there already and is no sandbox's: name another folder")


def up(args: argparse.Namespace, context: Screen) -> int:
    no_real_folder(args.dir)
    return _shown(args, context, Local.up(args.dir, args.chain, context.say))


def down(args: argparse.Namespace, context: Screen) -> int:
    stopped = Local.down(args.dir)
    words = "the sandbox is stopped" if stopped else f"no sandbox ran from {args.dir}"
    context.show(docs.document("sandbox-down", directory=str(args.dir), stopped=stopped), lambda: words)
    return 0


def warp(args: argparse.Namespace, context: Screen) -> int:
    if not 0 < args.days <= 3650:
        raise ConfigError(f"{args.days:g} days: name a number above 0, up to 3650")
    found = Local.load(args.dir)
    found.warp(args.days)
    return _shown(args, context, found)


def status(args: argparse.Namespace, context: Screen) -> int:
    return _shown(args, context, Local.load(args.dir))


def _shown(args: argparse.Namespace, context: Screen, found: Local) -> int:
    """Each chain in a line; in the document the EVM chain's fields, or, where there is none, Solana's."""
    parts = [_evm(found.evm)] if found.evm else []
    parts += [_solana(found.solana)] if found.solana else []
    solana: Doc | None = parts[-1][0] if found.solana else None
    document: Doc = docs.document(
        args.command, directory=str(found.directory), config=str(found.config), **parts[0][0], solana=solana
    )
    lines = [*(line for _, line in parts), f"use it: yieldbot --config {found.config} markets"]
    context.show(document, lambda: "\n".join(lines))
    return 0


def _evm(found: Sandbox) -> tuple[Doc, str]:
    now = found.status()
    document = {
        "rpc_url": found.rpc_url,
        "wallet": found.wallet,
        "transactions": found.transactions,
        "height": now.height,
        "timestamp": now.timestamp,
        "addresses": dict(found.addresses),
    }
    at = f"block {now.height:,}, {when(now.timestamp)}"
    return document, f"sandbox at {found.rpc_url}, {at}; wallet {found.wallet}"


def _solana(found: SvmSandbox) -> tuple[Doc, str]:
    slot = found.rpc("getSlot", {"commitment": "processed"})
    document = {
        "rpc_url": found.rpc_url,
        "wallet": found.wallet,
        "height": slot,
        "addresses": dict(found.addresses),
    }
    return document, f"Solana sandbox at {found.rpc_url}, slot {slot:,}; wallet {found.wallet}"
