"""``yieldbot secret set | list | remove | rewrap``: secrets in an encrypted file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import stored_secrets as use
from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.secret_documents import SecretsDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

MOST_CHARACTERS = 10_000


def register(listed: CommandList) -> None:
    group = listed.add_parser("secret", ". Environment, .env and [secrets] come first (docs/configuration.md).")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    what = "put a secret into the file, or replace it; it is asked for, or read from standard input"
    parser = actions.add_parser("set", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the variable, as BASE_RPC_URL")
    parser.set_defaults(command="secret-set", handler=set_)

    what = "list the names of the secrets; no passphrase is needed"
    parser = actions.add_parser("list", help=what, description=what)
    parser.set_defaults(command="secret-list", handler=list_)

    what = "take a secret out of the file"
    parser = actions.add_parser("remove", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the variable")
    parser.set_defaults(command="secret-remove", handler=remove)

    what = "encrypt the file with another passphrase"
    parser = actions.add_parser("rewrap", help=what, description=what)
    parser.add_argument(
        "--new-passphrase-file",
        type=Path,
        metavar="FILE",
        help="the new passphrase (mode 600); default: it is asked for",
    )
    parser.set_defaults(command="secret-rewrap", handler=rewrap)


def set_(args: argparse.Namespace, context: Screen) -> int:
    def piped() -> str:
        return sys.stdin.read(MOST_CHARACTERS)

    return _shown(use.set_(use.SetSecretRequest(name=args.name, piped=piped), context), context)


def list_(args: argparse.Namespace, context: Screen) -> int:
    return _shown(use.list_(context), context)


def remove(args: argparse.Namespace, context: Screen) -> int:
    return _shown(use.remove(args.name, context), context)


def rewrap(args: argparse.Namespace, context: Screen) -> int:
    request = use.RewrapRequest(new_passphrase_file=args.new_passphrase_file)
    done = use.rewrap(request, context)
    context.show(
        done.as_json(),
        lambda: (
            f"{done.file} has a new passphrase: change it wherever yieldbot gets it from; "
            "a server that has it in its environment must be started again"
        ),
    )
    return 0


def _shown(found: SecretsDocument, context: Screen) -> int:
    empty = f"{found.file} has no secrets: `yieldbot secret set NAME`"
    context.show(found.as_json(), lambda: _table(found) if found.secrets else empty)
    return 0


def _table(found: SecretsDocument) -> TextTable:
    table = TextTable("Secrets", "Name", "Set", "Used")
    for one in found.secrets:
        at = datetime.fromtimestamp(one.changed_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        table.add_row(one.name, at, "yes" if one.hidden_by is None else f"no: {one.hidden_by} gives it too")
    return table
