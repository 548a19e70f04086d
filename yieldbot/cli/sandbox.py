"""``yieldbot sandbox up | down | warp | status``: a local market of real protocols, with play money."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.context import Context
    from yieldbot.cli.documents import Doc
    from yieldbot.sandbox.node import Sandbox
    from yieldbot.sandbox.svm.node import SvmSandbox

DIRECTORY = Path(".yieldbot/sandbox")


def register(commands: Any) -> None:
    what = "a local market of real protocols to try everything on"
    group = commands.add_parser("sandbox", help=what, description=what)
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
            parser.add_argument("days", type=float, metavar="DAYS")
        parser.set_defaults(command=f"sandbox-{name}", handler=handler)


def no_real_folder(directory: Path) -> None:
    """Raise ConfigError for a folder whose configuration is not a sandbox's: it would be overwritten."""
    ours = any((directory / "chains" / f"{name}.toml").exists() for name in ("sandbox", "solana-sandbox"))
    for name in ("yieldbot.toml", "journal.sqlite", ".env"):
        if not ours and (directory / name).exists():
            raise ConfigError(f"--dir {directory}: {name} is there already and is no sandbox's: name another folder")


def up(args: argparse.Namespace, context: Context) -> int:
    from yieldbot import sandbox

    no_real_folder(args.dir)
    if args.chain == "evm":
        return _shown(args, context, sandbox.up(args.dir, say=context.say))
    from yieldbot.sandbox.svm import node as solana

    if args.chain == "solana":
        sandbox.down(args.dir)
        (args.dir / "chains" / "sandbox.toml").unlink(missing_ok=True)
    else:
        sandbox.up(args.dir, say=context.say)
    return _solana_shown(args, context, solana.start(args.dir, context.say))


def down(args: argparse.Namespace, context: Context) -> int:
    from yieldbot import sandbox
    from yieldbot.cli import documents as docs

    stopped = sandbox.down(args.dir)
    if (found := _solana(args.dir)) is not None:
        found.stop()
        stopped = True
    words = "the sandbox is stopped" if stopped else f"no sandbox ran from {args.dir}"
    context.show(docs.document("sandbox-down", directory=str(args.dir), stopped=stopped), lambda: words)
    return 0


def warp(args: argparse.Namespace, context: Context) -> int:
    from yieldbot import sandbox

    if not 0 < args.days <= 3650:
        raise ConfigError(f"{args.days:g} days: name a number above 0, up to 3650")
    if (found := _solana(args.dir)) is not None:
        found.warp(args.days)
        if not (args.dir / "chains" / "sandbox.toml").exists():
            return _solana_shown(args, context, found)
    return _shown(args, context, sandbox.warp(args.dir, args.days))


def status(args: argparse.Namespace, context: Context) -> int:
    from yieldbot import sandbox

    if (found := _solana(args.dir)) is not None:
        return _solana_shown(args, context, found)
    return _shown(args, context, sandbox.load(args.dir))


def _solana(directory: Path) -> SvmSandbox | None:
    """The Solana sandbox that runs from a folder."""
    from yieldbot.sandbox.svm.node import STATE, current

    return current(directory) if (directory / STATE).exists() else None


def _solana_shown(args: argparse.Namespace, context: Context, found: SvmSandbox) -> int:
    from yieldbot.cli import documents as docs

    slot = found.rpc("getSlot", {"commitment": "processed"})
    document: Doc = docs.document(
        args.command,
        directory=str(found.directory),
        config=str(found.config),
        rpc_url=found.rpc_url,
        wallet=found.wallet,
        height=slot,
        addresses=dict(found.addresses),
    )
    words = f"Solana sandbox at {found.rpc_url}, slot {slot:,}; wallet {found.wallet}"
    context.show(document, lambda: f"{words}\nuse it: yieldbot --config {found.config} markets")
    return 0


def _shown(args: argparse.Namespace, context: Context, found: Sandbox) -> int:
    from yieldbot.cli import documents as docs
    from yieldbot.cli.render import when

    now = found.status()
    document: Doc = docs.document(
        args.command,
        directory=str(found.directory),
        config=str(found.config),
        rpc_url=found.rpc_url,
        wallet=found.wallet,
        transactions=found.transactions,
        height=now.height,
        timestamp=now.timestamp,
        addresses=dict(found.addresses),
    )
    context.show(
        document,
        lambda: (
            f"sandbox at {found.rpc_url}, block {now.height:,}, {when(now.timestamp)}; wallet {found.wallet}\n"
            f"use it: yieldbot --config {found.config} markets"
        ),
    )
    return 0
