"""``yieldbot approver list | add | remove | show | sign``: the persons who may approve, and their signatures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import approvers as use
from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.approver_documents import ApproversDocument, SignedPlanDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    group = listed.add_parser("approver")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    what = "list the persons who may approve"
    parser = actions.add_parser("list", help=what, description=what)
    parser.set_defaults(command="approver-list", whole=False, handler=list_)

    what = "add a person, by a wallet's address or a passkey"
    parser = actions.add_parser("add", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the person's name, shown in the journal")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--wallet", metavar="ADDRESS", help="address of the person's EVM key, in any wallet or a keystore")
    key.add_argument("--passkey", metavar="HEX", help="P-256 public key of the person's passkey: 04, then x and y")
    parser.add_argument(
        "--origin", default="", metavar="URL", help="with --passkey: the page that the passkey belongs to"
    )
    parser.add_argument(
        "--credential", default="", metavar="ID", help="with --passkey: the credential's id, in base64url"
    )
    parser.set_defaults(command="approver-add", handler=add)

    what = "remove a person; their signatures are no longer valid"
    parser = actions.add_parser("remove", help=what, description=what)
    parser.add_argument("name", metavar="NAME", help="the person's name")
    parser.set_defaults(command="approver-remove", whole=False, handler=remove)

    what = (
        "print what a person must sign to approve a plan: an EIP-712 document for a wallet, a challenge for a passkey"
    )
    parser = actions.add_parser("show", help=what, description=what)
    parser.add_argument("plan_id", metavar="ID", help="the plan's id")
    parser.set_defaults(command="approver-show", handler=show)

    what = "sign a plan that waits; once enough persons have signed, `approve ID` carries it out"
    parser = actions.add_parser("sign", help=what, description=what)
    parser.add_argument("plan_id", metavar="ID", help="the plan's id")
    parser.add_argument("--as", dest="name", required=True, metavar="NAME", help="the name of the person who signs")
    made = parser.add_mutually_exclusive_group(required=True)
    made.add_argument(
        "--keystore", type=Path, metavar="FILE", help="sign with this keystore, which asks for its passphrase"
    )
    made.add_argument(
        "--signature",
        metavar="TEXT",
        help="a signature made elsewhere: 0x…, or a passkey's assertion; -: read it from stdin",
    )
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="file whose first line is the keystore's passphrase"
    )
    parser.set_defaults(command="approver-sign", handler=sign_plan)


def list_(args: argparse.Namespace, context: Screen) -> int:
    return _shown(use.list_(context), context)


def add(args: argparse.Namespace, context: Screen) -> int:
    person = use.person(
        args.name, wallet=args.wallet, passkey=args.passkey, origin=args.origin, credential=args.credential
    )
    return _shown(use.add(person, context), context)


def remove(args: argparse.Namespace, context: Screen) -> int:
    return _shown(use.remove(args.name, context), context)


def show(args: argparse.Namespace, context: Screen) -> int:
    import json

    from yieldbot.app.plan_signatures import to_sign

    found = to_sign(args.plan_id, context)
    context.show(found.as_json(), lambda: json.dumps(found.typed, indent=2), lambda: f"challenge {found.challenge}")
    return 0


def sign_plan(args: argparse.Namespace, context: Screen) -> int:
    from yieldbot.app.plan_signatures import SignRequest, sign

    given = sys.stdin.read(2**16).strip() if args.signature == "-" else args.signature
    request = SignRequest(
        plan_id=args.plan_id,
        name=args.name,
        signature=given,
        keystore=args.keystore,
        passphrase_file=args.passphrase_file,
    )
    done = sign(request, context)
    context.show(done.as_json(), lambda: _words(done))
    return 0


def _words(done: SignedPlanDocument) -> str:
    by = ", ".join(done.signed_by)
    if done.enough:
        return f"signed by {by}: `yieldbot approve {done.plan_id}` carries it out"
    return f"signed by {by}; {done.needed} must sign"


def _shown(found: ApproversDocument, context: Screen) -> int:
    context.show(found.as_json(), lambda: _table(found))
    return 0


def _table(found: ApproversDocument) -> TextTable | str:
    if not found.approvers:
        return "there are no approvers yet: `yieldbot approver add NAME --wallet ADDRESS`"
    needs = f"{found.needed} must sign a plan" if found.needed else "policy.approvals_needed = 0: none needs to sign"
    table = TextTable(f"Approvers ({needs})", "Name", "Kind", "Key", "Check code")
    for one in found.approvers:
        table.add_row(one.name, one.kind, one.address or one.origin or "", one.check_code)
    return table
