"""``yieldbot wallet new | import | list | address``: encrypted keystores, and addresses of keys in AWS KMS or on a
Ledger.

A private key is never an argument, since others can see arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import wallet as use
from yieldbot.app.keys import NewPassphrase
from yieldbot.app.wallet_documents import KeystoreWallet, KmsWallet, LedgerWallet, WalletListDocument, WrittenWallet
from yieldbot.cli.tables import TextTable
from yieldbot.model.families import family_named

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    group = listed.add_parser("wallet")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    what = "make a new key and its keystore"
    parser = actions.add_parser("new", help=what, description=what)
    _keystore_flags(parser)
    parser.set_defaults(command="wallet-new", handler=new)

    what = "write a keystore for a key that you have; it asks for the key, or reads a file or a pipe"
    parser = actions.add_parser("import", help=what, description=what)
    _keystore_flags(parser)
    forms = "a keystore, a solana-cli file, hex digits or a mnemonic; -: stdin; NAME may be the file itself"
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=forms)
    parser.add_argument(
        "--key-passphrase-file",
        type=Path,
        metavar="FILE",
        help="file with the passphrase of the keystore that is imported",
    )
    parser.add_argument(
        "--path", metavar="PATH", help="for a mnemonic: the account's derivation path, such as m/44'/60'/0'/0/0"
    )
    parser.set_defaults(command="wallet-import", handler=import_, chain=None)

    what = "list the keystores found and the wallets configured"
    parser = actions.add_parser("list", help=what, description=what)
    parser.set_defaults(command="wallet-list", whole=False, handler=list_)

    what = "print the address of a key in AWS KMS or on a Ledger, and its table for yieldbot.toml"
    parser = actions.add_parser("address", help=what, description=what)
    held = parser.add_mutually_exclusive_group(required=True)
    held.add_argument(
        "--kms", metavar="KEY_ID", help="key id, ARN or alias/NAME; credentials are found as AWS's own tools find them"
    )
    held.add_argument("--ledger", metavar="PATH", help="BIP-32 path, such as m/44'/60'/0'/0/0")
    parser.add_argument(
        "--region", metavar="NAME", help="with --kms: the AWS region, if neither the ARN nor AWS's own settings name it"
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="with --kms: another endpoint of AWS KMS")
    parser.set_defaults(command="wallet-address", handler=address)


def _keystore_flags(parser: Any) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="the wallet's name; the keystore is keys/NAME.json beside the configuration"
    )
    parser.add_argument("--keystore", type=Path, metavar="FILE", help="write the keystore to this file instead")
    parser.add_argument(
        "--chain", choices=("evm", "solana"), default="evm", help="the kind of chain that the key is for (default evm)"
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="file whose first line is the passphrase; it must have mode 0600",
    )
    given.add_argument(
        "--passphrase-env", metavar="NAME", help="variable of the environment or .env that holds the passphrase"
    )


def new(args: argparse.Namespace, context: Screen) -> int:
    request = use.NewWalletRequest(
        name=args.name, keystore=args.keystore, family=family_named(args.chain), passphrase=passphrase_flags(args)
    )
    return _written(use.new(request, context), request.passphrase, context)


def import_(args: argparse.Namespace, context: Screen) -> int:
    request = use.ImportWalletRequest(
        name=args.name,
        keystore=args.keystore,
        family=None if args.chain is None else family_named(args.chain),
        key_file=args.key_file,
        piped=sys.stdin.readline,
        key_passphrase_file=args.key_passphrase_file,
        path=args.path,
        passphrase=passphrase_flags(args),
    )
    return _written(use.import_(request, context), request.passphrase, context)


def list_(args: argparse.Namespace, context: Screen) -> int:
    found = use.list_(context)
    context.show(found.as_json(), lambda: _table(found))
    return found.exit_code


def address(args: argparse.Namespace, context: Screen) -> int:
    request = use.AddressRequest(kms=args.kms, region=args.region, endpoint_url=args.endpoint_url, ledger=args.ledger)
    found = use.address(request)
    context.show(found.as_json(), lambda: f"{found.address}\nin yieldbot.toml:\n\n{use.toml_of(found)}")
    return 0


def passphrase_flags(args: argparse.Namespace) -> NewPassphrase:
    """Where the new keystore's passphrase is to come from."""
    return NewPassphrase(file=args.passphrase_file, variable=args.passphrase_env)


def _written(found: WrittenWallet, given: NewPassphrase, context: Screen) -> int:
    text = f"{found.address}\nencrypted in {found.keystore}; in yieldbot.toml:\n\n{use.toml_of(found, given)}"
    context.show(found.as_json(), lambda: text)
    return 0


def _table(found: WalletListDocument) -> Any:
    made = TextTable("Wallets", "Wallet", "Kind", "Address", "Key", "Fault")
    for row in found.wallets:
        match row:
            case KeystoreWallet():
                where = row.keystore
            case KmsWallet():
                where = row.key_id
            case LedgerWallet():
                where = row.path
            case _:
                where = f"wallet {row.owner}"
        made.add_row(row.wallet or "-", row.kind, row.address or "-", where, row.fault or "")
    return made if found.wallets else "no wallet found: `yieldbot wallet new NAME` makes one"
