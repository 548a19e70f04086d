"""``wallet new | import | list | address``: encrypted keystores, and addresses of keys in AWS KMS or on a Ledger.

No request holds a private key: it is read from a file, a pipe or a person, and written only to a keystore.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.keys import NewPassphrase, is_name, key_text, keys_folder, keystore_path, passphrase_of
from yieldbot.app.wallet_documents import (
    AnyWallet,
    ImportedWalletDocument,
    KeystoreWallet,
    KmsAddressDocument,
    KmsWallet,
    LedgerAddressDocument,
    LedgerWallet,
    NewWalletDocument,
    SafeWallet,
    WalletAddressDocument,
    WalletListDocument,
    WrittenWallet,
)
from yieldbot.app.wiring import ledger
from yieldbot.chains.key_import import key_of_family
from yieldbot.chains.keystores import KEY_FORMS, list_keystores, maker
from yieldbot.errors import ConfigError
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM, Family
from yieldbot.model.ids import hd_path
from yieldbot.model.settings import KmsKey, LedgerKey, SafeOwner

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import Wallet


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWalletRequest:
    """Make a new key and write its keystore."""

    name: str
    """The keystore is keys/NAME.json beside the configuration."""
    keystore: Path | None = None
    """Write it to this file instead."""
    family: Family = EVM
    """The chain family that the key is for."""
    passphrase: NewPassphrase = field(default_factory=NewPassphrase)
    """The new keystore's passphrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWalletRequest:
    """Write the keystore of an existing key."""

    name: str
    """The wallet's name; if it is not a valid name, it is taken as the file that holds the key."""
    keystore: Path | None = None
    """Write the keystore to this file instead."""
    family: Family | None = None
    """The chain family that the key is for; None: determined by the key's form, EVM if both are possible."""
    key_file: Path | None = None
    """A file with a keystore, solana-cli key, hex digits or a mnemonic; ``-``: standard input. None: a person is asked
    if one can be, else standard input."""
    piped: Callable[[], str]
    """Reads standard input."""
    key_passphrase_file: Path | None = None
    """The file with the imported keystore's passphrase; None: a person is asked."""
    path: str | None = None
    """Derivation path of a mnemonic's account; None: the family's first account."""
    passphrase: NewPassphrase = field(default_factory=NewPassphrase)
    """The new keystore's passphrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRequest:
    """Look up the address of a key: either ``kms`` or ``ledger`` is given."""

    kms: str | None = None
    """A key's id, ARN or alias/NAME in AWS KMS."""
    region: str | None = None
    """With ``kms``: the AWS region, if nothing else names it."""
    endpoint_url: str | None = None
    """With ``kms``: another endpoint of AWS KMS."""
    ledger: str | None = None
    """A BIP-32 path on a Ledger."""


def new(request: NewWalletRequest, context: Context) -> NewWalletDocument:
    """Makes a key and writes its keystore. Raises ConfigError, also for a keystore that exists already."""
    path = keystore_path(request.name, request.keystore, context)
    address = maker(request.family).create(path, passphrase_of(request.passphrase, context))
    return NewWalletDocument(name=request.name, address=address, keystore=str(path))


def import_(request: ImportWalletRequest, context: Context) -> ImportedWalletDocument:
    """Writes a keystore for an existing key. Raises ConfigError; its text never quotes the key."""
    name, key_file = request.name, request.key_file
    if not is_name(name):
        if key_file is not None:
            raise ConfigError("--key-file names a file, and NAME does too: leave one out")
        key_file = Path(name)
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", key_file.stem).strip("-") or "main"
    path = keystore_path(name, request.keystore, context)
    form = f"{KEY_FORMS[request.family or EVM]}, or a mnemonic"
    text = key_text(key_file, form, request.piped, context)

    def ask() -> str:
        """The passphrase of the keystore that is imported."""
        if request.key_passphrase_file is not None:
            return passphrase_in(request.key_passphrase_file, "--key-passphrase-file")
        if context.secret is None:
            raise ConfigError("there is no terminal to ask for the file's passphrase on: use --key-passphrase-file")
        return context.secret(f"Passphrase of {key_file or 'the keystore that was pasted'}: ")

    key = key_of_family(text, key_file or Path("the key"), request.family, request.path, ask)
    address = maker(key.family).import_seed(path, key.secret, passphrase_of(request.passphrase, context))
    return ImportedWalletDocument(name=name, address=address, keystore=str(path))


def list_(context: Context) -> WalletListDocument:
    """Lists the keystores in keys/ and in the folders that wallets name, and all configured wallets. No key is
    opened."""
    configured = context.settings.wallets.values() if context.config.exists() else ()
    names = {wallet.keystore.resolve(): wallet.name for wallet in configured if wallet.keystore}
    addresses = {wallet.keystore.resolve(): wallet.address for wallet in configured if wallet.keystore}
    folders = {keys_folder(context).resolve(), *(path.parent for path in names)}
    found = [file for folder in sorted(folders) for file in list_keystores(folder)]
    rows: list[AnyWallet] = [
        KeystoreWallet(
            wallet=names.get(file.path.resolve()),
            address=file.address or (addresses.get(file.path.resolve()) if not file.fault else None),
            keystore=str(file.path),
            fault=file.fault,
        )
        for file in found
    ]
    rows += [
        KeystoreWallet(wallet=names[path], address=None, keystore=str(path), fault=f"{path} cannot be found")
        for path in sorted(set(names) - {file.path.resolve() for file in found})
    ]
    rows += [_held(wallet) for wallet in configured if wallet.held]
    return WalletListDocument(wallets=tuple(rows))


def address(request: AddressRequest) -> KmsAddressDocument | LedgerAddressDocument:
    """Asks AWS KMS or the Ledger for a key's address; signs and writes nothing. Raises ConfigError, TransientError."""
    from yieldbot.chains.evm.signing.kms import KmsClient
    from yieldbot.chains.evm.signing.ledger import EthereumApp

    if request.kms is not None:
        key = KmsKey(key_id=request.kms, region=request.region, endpoint_url=request.endpoint_url)
        return KmsAddressDocument(
            kind="kms",
            address=KmsClient(key).address(),
            key_id=key.key_id,
            region=key.region,
            endpoint_url=key.endpoint_url,
        )
    path = request.ledger or ""
    if request.region or request.endpoint_url:
        raise ConfigError("--region and --endpoint-url go with --kms alone: leave them out")
    try:
        hd_path(path)
    except ValueError as fault:
        raise ConfigError(f"--ledger: {fault}") from None
    return LedgerAddressDocument(kind="ledger", address=EthereumApp(ledger()).address(path), path=path)


def toml_of(found: WrittenWallet | WalletAddressDocument, given: NewPassphrase | None = None) -> str:
    """The wallet's table for yieldbot.toml. given: where a new keystore's passphrase came from."""
    if isinstance(found, WrittenWallet):
        source = given or NewPassphrase()
        keys = {"name": found.name, "address": found.address, "keystore": found.keystore}
        keys |= {"passphrase_file": str(source.file.resolve())} if source.file else {}
        keys |= {"passphrase_env": source.variable} if source.variable else {}
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
        return "\n".join(["[[wallets]]", *lines])
    lines = ["[[wallets]]", 'name = "main"', f'address = "{found.address}"', f'kind = "{found.kind}"']
    keys = found.model_dump(exclude={"kind", "address", "of_schema"}, exclude_none=True)
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])


def _held(wallet: Wallet) -> AnyWallet:
    """The part for a wallet whose key is not in a keystore."""
    match wallet.held:
        case KmsKey(key_id=key_id, region=region, endpoint_url=url):
            return KmsWallet(wallet=wallet.name, address=wallet.address, key_id=key_id, region=region, endpoint_url=url)
        case LedgerKey(path=path):
            return LedgerWallet(wallet=wallet.name, address=wallet.address, path=path)
        case SafeOwner(wallet=owner, service_url=url):
            return SafeWallet(wallet=wallet.name, address=wallet.address, owner=owner, service_url=url)
        case None:
            raise AssertionError("its key lies in a keystore")
