"""``yieldbot key new | list | rotate | revoke``: keys of the REST interface."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from yieldbot.app import api_keys as use
from yieldbot.cli.tables import TextTable
from yieldbot.model.text import counted

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.api_key_documents import ApiKey, KeysDocument, NewKeyDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    group = listed.add_parser("key")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    what = "make a key; it is printed once and never again"
    parser = actions.add_parser("new", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the key's name, shown in lists and in the journal")
    parser.add_argument(
        "--scope",
        required=True,
        metavar="SCOPES",
        help="what the key may do: of read,plan,approve,run,halt,keys, joined by commas; none includes another",
    )
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="WALLET",
        help="the key sees only this wallet's account; may be repeated",
    )
    parser.add_argument("--expires", metavar="LENGTH", help="how long the key is valid, as 60d (default 90d)")
    parser.add_argument(
        "--ip",
        action="append",
        default=[],
        metavar="CIDR",
        help="the key works only from this network; may be repeated",
    )
    parser.add_argument("--quota", metavar="REQUESTS", help="requests that it may make a day, as 5000/d")
    parser.set_defaults(command="key-new", whole=False, handler=new)

    what = "list all keys, without their secrets"
    parser = actions.add_parser("list", help=what, description=what)
    parser.set_defaults(command="key-list", whole=False, handler=list_)

    what = "make a successor of a key; the old one stays valid for a while"
    parser = actions.add_parser("rotate", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the key's name")
    parser.add_argument(
        "--overlap", default="24h", metavar="LENGTH", help="how long the old key stays valid (default 24h)"
    )
    parser.set_defaults(command="key-rotate", whole=False, handler=rotate)

    what = "end every key with this name at once"
    parser = actions.add_parser("revoke", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the name of the keys")
    parser.set_defaults(command="key-revoke", whole=False, handler=revoke)


def new(args: argparse.Namespace, context: Screen) -> int:
    request = use.NewKeyRequest(
        name=args.name,
        scopes=args.scope,
        accounts=tuple(args.account),
        expires=args.expires,
        networks=tuple(args.ip),
        quota=args.quota,
    )
    return _made(use.new(request, context), context)


def rotate(args: argparse.Namespace, context: Screen) -> int:
    return _made(use.rotate(use.RotateKeyRequest(name=args.name, overlap=args.overlap), context), context)


def revoke(args: argparse.Namespace, context: Screen) -> int:
    done = use.revoke(args.name, context)
    lines = (
        f"ended {counted(len(done.revoked), 'key')} named {done.name}"
        if done.revoked
        else f"there is no valid key named {done.name}: nothing changed"
    )
    context.show(done.as_json(), lambda: lines)
    return 0


def list_(args: argparse.Namespace, context: Screen) -> int:
    found = use.list_(context)
    context.show(
        found.as_json(), lambda: _table(found) if found.keys else "no keys: `yieldbot key new NAME --scope read`"
    )
    return 0


def _made(done: NewKeyDocument, context: Screen) -> int:
    lines = [done.key, "", f"This key may {', '.join(done.details.scopes)}. Keep it now: it is not shown again."]
    if done.overlap_until is not None:
        lines.append(f"The old key stays valid until {_time(done.overlap_until)}.")
    context.show(done.as_json(), lambda: "\n".join(lines))
    return 0


def _table(found: KeysDocument) -> TextTable:
    table = TextTable("Keys", "Name", "Key", "May", "Accounts", "From", "Ends", "Last used", "Today", "Valid")
    for one in found.keys:
        table.add_row(*_row(one))
    return table


def _row(one: ApiKey) -> tuple[str, ...]:
    ends = "never" if one.expires_at is None else _time(one.expires_at)
    return (
        one.name,
        f"yb_{one.prefix}_…",
        ", ".join(one.scopes),
        "all" if one.accounts is None else ", ".join(one.accounts),
        ", ".join(one.networks) or "anywhere",
        f"{ends} (soon)" if one.ends_soon else ends,
        "never" if one.used_at is None else _time(one.used_at),
        "no quota" if one.quota is None else f"{one.used_today:,} of {one.quota:,}",
        one.ended or "yes",
    )


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
