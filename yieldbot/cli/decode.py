"""``yieldbot decode``: says in words what a transaction or a message to sign does. No node is asked.

EVM chains: ``CALLDATA --to ADDRESS --chain ID``, or an EIP-712 message with ``--typed FILE.json``. Solana: a whole
transaction, or its message, in base64.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import decode as use
from yieldbot.cli.flags import natural

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("decode")
    forms = "0x…; on Solana a transaction or its message in base64; -: standard input"
    parser.add_argument("calldata", metavar="CALLDATA", nargs="?", help=forms)
    typed = "a message to sign (EIP-712) instead of a call: a JSON file with types, primaryType, domain and message"
    parser.add_argument("--typed", metavar="FILE.json", help=f"{typed}; -: standard input")
    parser.add_argument("--to", metavar="ADDRESS", help="the contract that is called (EVM chains)")
    parser.add_argument(
        "--chain",
        metavar="ID",
        help="the chain, such as 8453, eip155:8453, base or solana; not needed for a message that names its chain",
    )
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="the caller (EVM chains)")
    parser.add_argument("--value", type=natural, default=0, metavar="WEI", help="native tokens sent along, in wei")
    folder = "folder of ERC-7730 descriptors; default: `descriptors` in yieldbot.toml"
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
