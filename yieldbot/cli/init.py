"""``yieldbot init``: five questions (or as many flags), then yieldbot.toml, .env.example and, for a URL, .env."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import init as use
from yieldbot.cli.prompts import answered
from yieldbot.cli.wallet import passphrase_flags

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.init import InitAnswer
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen


def register(listed: Listed) -> None:
    parser = listed.add_parser("init")
    parser.add_argument("--chain", metavar="NAME", help="1. the chain, as base")
    parser.add_argument(
        "--rpc", metavar="NAME", help="2. the environment variable that holds the RPC URL; - reads a URL from stdin"
    )
    parser.add_argument("--wallet-from", metavar="WAY", help="3. new, import, or the address of a wallet you have")
    parser.add_argument("--asset", metavar="SYMBOL", help="4. the token to put to work, as USDC")
    parser.add_argument("--max-share", metavar="SHARE", help="5. the most that one market may hold, as 0.5")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="with --wallet-from import: 64 hex digits")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--passphrase-file", type=Path, metavar="FILE", help="the new keystore's passphrase")
    given.add_argument("--passphrase-env", metavar="NAME", help="the variable that holds it")
    parser.add_argument("--force", action="store_true", help="overwrite yieldbot.toml (never a keystore)")
    parser.set_defaults(command="init", handler=init)


def init(args: argparse.Namespace, context: Screen) -> int:
    request = use.InitRequest(
        chain=args.chain,
        rpc=args.rpc,
        wallet_from=args.wallet_from,
        asset=args.asset,
        max_share=args.max_share,
        key_file=args.key_file,
        passphrase=passphrase_flags(args),
        overwrite=args.force,
        ask=answered if sys.stdin.isatty() else None,
        piped=sys.stdin.readline,
    )
    found = use.init(request, context)
    context.show(found.document.as_json(), lambda: _told(found))
    return 0


def _told(found: InitAnswer) -> str:
    document = found.document
    *files, _ = document.written
    lines = [f"wrote {', '.join(files)} and .env.example; the wallet is {document.address}"]
    if found.needs_rpc:
        env = Path(document.config).parent / ".env"
        lines.append(f"put the RPC URL into {env} or the environment as {document.rpc_env}")
    return "\n".join([*lines, f"next: yieldbot --config {document.config} check"])
