"""``yieldbot wallet new | import | list | address``: encrypted keystores, and whose a key in AWS KMS or a Ledger is.

A private key is never an argument: arguments can be seen.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import documents as docs
from yieldbot.app.wiring import ledger, passphrases_in_env
from yieldbot.chains.evm.signing import keystore
from yieldbot.chains.evm.signing.keystore import passphrase_in
from yieldbot.chains.evm.signing.kms import KmsClient
from yieldbot.chains.evm.signing.ledger import EthereumApp
from yieldbot.chains.key_import import key_in
from yieldbot.chains.keystores import list_keystores
from yieldbot.chains.solana.signing import keystore as solana
from yieldbot.cli.prompts import secret
from yieldbot.cli.tables import Sheet
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import check_private
from yieldbot.model.ids import hd_path
from yieldbot.model.policy import KmsKey, SafeOwner
from yieldbot.resources import read_text

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.model.ids import Address
    from yieldbot.model.policy import Wallet

KEYS = "keys"


def register(listed: Listed) -> None:
    group = listed.add_parser("wallet")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    what = "make a new key and its keystore"
    parser = actions.add_parser("new", help=what, description=what)
    _keystore_flags(parser)
    parser.set_defaults(command="wallet-new", handler=new)

    what = "write the keystore of a key that you have; it is asked for, or read from a file or a pipe"
    parser = actions.add_parser("import", help=what, description=what)
    _keystore_flags(parser)
    forms = "a keystore, a solana-cli file, hex digits or a mnemonic; - reads stdin; NAME may be the file itself"
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=forms)
    parser.add_argument("--key-passphrase-file", type=Path, metavar="FILE", help="of the keystore that is imported")
    parser.add_argument("--path", metavar="PATH", help="of a mnemonic's account, as m/44'/60'/0'/0/0")
    parser.set_defaults(command="wallet-import", handler=import_, chain=None)

    what = "the keystores found and the wallets configured"
    parser = actions.add_parser("list", help=what, description=what)
    parser.set_defaults(command="wallet-list", handler=list_)

    what = "the address of a key in AWS KMS or a Ledger, and its table for yieldbot.toml"
    parser = actions.add_parser("address", help=what, description=what)
    held = parser.add_mutually_exclusive_group(required=True)
    held.add_argument("--kms", metavar="KEY_ID", help="key id, ARN or alias/NAME; credentials as AWS's own tools do")
    held.add_argument("--ledger", metavar="PATH", help="BIP-32 path, as m/44'/60'/0'/0/0")
    parser.add_argument("--region", metavar="NAME", help="with --kms: the AWS region, where nothing else names it")
    parser.add_argument("--endpoint-url", metavar="URL", help="with --kms: another address of AWS KMS")
    parser.set_defaults(command="wallet-address", handler=address)


def _keystore_flags(parser: Any) -> None:
    parser.add_argument("name", metavar="NAME", help="the keystore is keys/NAME.json beside the configuration")
    parser.add_argument("--keystore", type=Path, metavar="FILE", help="another place for the keystore")
    parser.add_argument(
        "--chain", choices=("evm", "solana"), default="evm", help="the family that the key is for (default: evm)"
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--passphrase-file", type=Path, metavar="FILE", help="first line; the file must have mode 0600")
    given.add_argument("--passphrase-env", metavar="NAME", help="environment variable (or .env) that holds it")


def new(args: argparse.Namespace, context: Screen) -> int:
    path = keystore_path(args, context)
    return _written(args, context, key_module(args.chain).create(path, passphrase_of(args, context)), path)


def import_(args: argparse.Namespace, context: Screen) -> int:
    if not _is_name(args.name):
        if args.key_file is not None:
            raise ConfigError("--key-file names a file, and NAME does too: leave one out")
        args.key_file = Path(args.name)
        args.name = re.sub(r"[^A-Za-z0-9_-]+", "-", args.key_file.stem).strip("-") or "main"
    path = keystore_path(args, context)
    text = key_of(args.key_file, f"{key_form(args.chain or 'evm')}, or a mnemonic")
    solana = None if args.chain is None else args.chain == "solana"
    key = key_in(text, args.key_file or Path("the key"), solana, args.path, lambda: _secret_of_source(args))
    if solana is not None and key.solana != solana:
        raise ConfigError(f"--chain {args.chain}: this is a key of the other family: leave --chain out")
    module = key_module("solana" if key.solana else "evm")
    return _written(args, context, module.import_seed(path, key.secret, passphrase_of(args, context)), path)


def _is_name(text: str) -> bool:
    return text.replace("-", "").replace("_", "").isalnum()


def _secret_of_source(args: argparse.Namespace) -> str:
    """The passphrase of the keystore that is imported."""
    if args.key_passphrase_file is not None:
        return passphrase_in(args.key_passphrase_file, "--key-passphrase-file")
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for the file's passphrase on: use --key-passphrase-file")
    return secret(f"Passphrase of {args.key_file}: ")


def key_form(family: str) -> str:
    """How a key of the family is written, for the question."""
    return "base58 or 64 numbers" if family == "solana" else "64 hex digits"


def key_module(family: str) -> Any:
    """The module that makes and imports keys of the family: evm or solana."""
    if family == "solana":
        return solana

    return keystore


def list_(args: argparse.Namespace, context: Screen) -> int:
    configured = context.settings.wallets.values() if context.config.exists() else ()
    names = {wallet.keystore.resolve(): wallet.name for wallet in configured if wallet.keystore}
    addresses = {wallet.keystore.resolve(): wallet.address for wallet in configured if wallet.keystore}
    folders = {_keys_folder(context).resolve(), *(path.parent for path in names)}
    found = [file for folder in sorted(folders) for file in list_keystores(folder)]
    rows = [
        {
            "wallet": names.get(file.path.resolve()),
            "kind": "keystore",
            "address": file.address or (addresses.get(file.path.resolve()) if not file.fault else None),
            "keystore": str(file.path),
            "fault": file.fault,
        }
        for file in found
    ]
    missing = set(names) - {file.path.resolve() for file in found}
    rows += [
        {
            "wallet": names[path],
            "kind": "keystore",
            "address": None,
            "keystore": str(path),
            "fault": f"{path} cannot be found",
        }
        for path in sorted(missing)
    ]
    rows += [_held(wallet) for wallet in configured if wallet.held]
    context.show(docs.document("wallet-list", wallets=rows), lambda: _table(rows))
    return int(any(row["fault"] for row in rows))


def address(args: argparse.Namespace, context: Screen) -> int:
    """Asks AWS KMS or the Ledger; nothing is signed and nothing is written."""
    kind, keys, found = _kms(args) if args.kms is not None else _ledger(args)
    document = docs.document(args.command, kind=kind, address=found, **keys)
    lines = ["[[wallets]]", 'name = "main"', f'address = "{found}"', f'kind = "{kind}"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
    table = "\n".join(lines)
    context.show(document, lambda: f"{found}\nin yieldbot.toml:\n\n{table}")
    return 0


def _kms(args: argparse.Namespace) -> tuple[str, dict[str, str | None], Address]:
    key = KmsKey(key_id=args.kms, region=args.region, endpoint_url=args.endpoint_url)
    keys = {"key_id": key.key_id, "region": key.region, "endpoint_url": key.endpoint_url}
    return "kms", keys, KmsClient(key).address()


def _ledger(args: argparse.Namespace) -> tuple[str, dict[str, str | None], Address]:
    if args.region or args.endpoint_url:
        raise ConfigError("--region and --endpoint-url go with --kms alone: leave them out")
    try:
        hd_path(args.ledger)
    except ValueError as fault:
        raise ConfigError(f"--ledger: {fault}") from None
    return "ledger", {"path": args.ledger}, EthereumApp(ledger()).address(args.ledger)


def keystore_path(args: argparse.Namespace, context: Screen) -> Path:
    """Where a new wallet's keystore goes. Raises ConfigError for a name that is no plain file name."""
    if args.keystore is not None:
        return Path(args.keystore)
    if not _is_name(args.name):
        raise ConfigError(f"wallet name {args.name!r}: use letters, digits, - and _")
    return _keys_folder(context) / f"{args.name}.json"


def new_passphrase() -> str:
    """Ask twice on the terminal. Raises ConfigError when the two differ, or there is no terminal."""
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for a passphrase on: use --passphrase-file or --passphrase-env")
    first = secret("New passphrase: ")
    if first != secret("The same again: "):
        raise ConfigError("the two passphrases differ: nothing was written")
    return first


def passphrase_of(args: argparse.Namespace, context: Screen) -> str:
    """A new keystore's passphrase: from --passphrase-file, --passphrase-env, or asked twice. Raises ConfigError."""
    if args.passphrase_file is not None:
        return passphrase_in(args.passphrase_file, "--passphrase-file")
    if args.passphrase_env is not None:
        passphrases_in_env(context, args.passphrase_env)
        found = context.environment.get(args.passphrase_env)
        if not found:
            raise ConfigError(f"--passphrase-env: {args.passphrase_env} is not set, or empty")
        return found
    return new_passphrase()


def key_of(file: Path | None, form: str) -> str:
    """A private key from a prompt, a pipe or a private file. Raises ConfigError."""
    if file is None and sys.stdin.isatty():
        return secret(f"Private key ({form}, not shown): ")
    if file is None or str(file) == "-":
        return sys.stdin.readline()
    check_private(file, "--key-file", "name a file that is there")
    return text_of(file)


def text_of(file: Path) -> str:
    """A small text file. Raises ConfigError."""
    try:
        return read_text(file)
    except OSError as failure:
        raise ConfigError(f"{file}: cannot be read ({failure.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not text") from None


def _keys_folder(context: Screen) -> Path:
    return context.config.expanduser().absolute().parent / KEYS


def _written(args: argparse.Namespace, context: Screen, address: Address, path: Path) -> int:
    document = docs.document(args.command, name=args.name, address=address, keystore=str(path))
    table = f'[[wallets]]\nname = "{args.name}"\naddress = "{address}"\nkeystore = "{path}"'
    context.show(document, lambda: f"{address}\nencrypted in {path}; in yieldbot.toml:\n\n{table}")
    return 0


def _held(wallet: Wallet) -> dict[str, Any]:
    """A row of the list for a key that lies elsewhere; it is not asked for."""
    assert wallet.held is not None
    row = {"wallet": wallet.name, "kind": wallet.kind, "address": wallet.address, "keystore": None, "fault": None}
    if isinstance(wallet.held, SafeOwner):
        return row | {"owner": wallet.held.wallet, "service_url": wallet.held.service_url}
    return row | asdict(wallet.held)


def _table(rows: list[dict[str, Any]]) -> Any:
    made = Sheet("Wallets", "Wallet", "Kind", "Address", "Key", "Fault")
    for row in rows:
        where = row["keystore"] or row.get("key_id") or row.get("path") or f"wallet {row['owner']}"
        made.add_row(row["wallet"] or "-", row["kind"], row["address"] or "-", where, row["fault"] or "")
    return made if rows else "no wallet found: `yieldbot wallet new NAME` makes one"
