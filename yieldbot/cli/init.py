"""``yieldbot init``: asks six questions (or takes the answers from flags) and writes yieldbot.toml, .env.example and
.env."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import init as use
from yieldbot.app.init_answers import InitRequest
from yieldbot.cli.prompts import answered
from yieldbot.cli.wallet import passphrase_flags

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.init import InitAnswer
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("init")
    parser.add_argument("--chain", metavar="NAME", help="1. the chain's name, such as base")
    parser.add_argument(
        "--rpc", metavar="NAME", help="2. the environment variable that holds the RPC URL; -: read the URL from stdin"
    )
    parser.add_argument("--wallet-from", metavar="WAY", help="3. new, import, or the address of a wallet you have")
    parser.add_argument("--asset", metavar="SYMBOL", help="4. the token to invest, such as USDC")
    parser.add_argument("--style", metavar="STYLE", help="5. how careful the policy is: safe, balanced or high")
    parser.add_argument(
        "--max-share", metavar="FRACTION", help="6. the largest fraction of the wealth in one market, such as 0.5"
    )
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="with --wallet-from import: file with the key (64 hex digits)"
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="file whose first line is the new keystore's passphrase"
    )
    given.add_argument("--passphrase-env", metavar="NAME", help="environment variable that holds the passphrase")
    parser.add_argument("--force", action="store_true", help="overwrite yieldbot.toml (never a keystore)")
    parser.set_defaults(command="init", handler=init)


def init(args: argparse.Namespace, context: Screen) -> int:
    request = InitRequest(
        chain=args.chain,
        rpc=args.rpc,
        wallet_from=args.wallet_from,
        asset=args.asset,
        style=args.style,
        max_share=args.max_share,
        key_file=args.key_file,
        passphrase=passphrase_flags(args),
        overwrite=args.force,
        ask=answered if sys.stdin.isatty() else None,
        piped=sys.stdin.readline,
    )
    found = use.init(request, context)
    context.show(found.document.as_json(), lambda: _lines(found, context.program))
    return 0


def _lines(found: InitAnswer, program: str) -> str:
    document = found.document
    *files, _ = document.written
    lines = [f"wrote {', '.join(files)} and .env.example; the wallet is {document.address}"]
    if found.needs_rpc:
        env = Path(document.config).parent / ".env"
        lines.append(f"put the RPC URL into {env} or the environment as {document.rpc_env}")
    lines.append(
        f"fund it: {document.asset} to put to work, and about {document.fees_to_begin_with} for fees (an estimate for "
        "ten plans), sent to "
        f"{document.address} on {document.chain}"
    )
    if not found.needs_key:
        lines.append(f"keep a copy of {document.keystore} and its passphrase elsewhere: without both the money is lost")
    if found.needs_key:
        lines.append(f"its key is not here: `{program} wallet import main`; looking and planning work without")
    return "\n".join([*lines, f"next: {program} check"])
