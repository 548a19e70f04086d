"""``yieldbot decode``: what a transaction says, without a node and without trust.

On EVM chains ``CALLDATA --to ADDRESS --chain ID``, or a message to sign (EIP-712) with ``--typed
FILE.json``; on Solana a whole transaction, or its message, in base64.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import decode as use
from yieldbot.cli.flags import natural

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen


def register(listed: Listed) -> None:
    parser = listed.add_parser("decode")
    said = "0x…; on Solana a transaction or its message in base64; - for standard input"
    parser.add_argument("calldata", metavar="CALLDATA", nargs="?", help=said)
    typed = "a message to sign (EIP-712) instead of a call: a JSON file with types, primaryType, domain and message"
    parser.add_argument("--typed", metavar="FILE.json", help=f"{typed}; - for standard input")
    parser.add_argument("--to", metavar="ADDRESS", help="whom it calls (EVM chains)")
    parser.add_argument("--chain", metavar="ID", help="8453, eip155:8453, base or solana; of a message: its domain's")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="who calls")
    parser.add_argument("--value", type=natural, default=0, metavar="WEI", help="native value sent along")
    folder = "folder of ERC-7730 descriptors; default: `descriptors` of yieldbot.toml"
    parser.add_argument("--descriptors", type=Path, metavar="DIR", help=folder)
    parser.set_defaults(command="decode", handler=decode)


def decode(args: argparse.Namespace, context: Screen) -> int:
    request = use.DecodeRequest(
        data=args.calldata,
        typed=args.typed,
        piped=sys.stdin.read,
        to=args.to,
        chain=args.chain,
        sender=args.sender,
        value=args.value,
        descriptors=args.descriptors,
    )
    found = use.decode(request, context)
    context.show(found.document.as_json(), lambda: "\n".join(found.lines))
    return found.exit_code
