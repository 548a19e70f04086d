"""``secret``: the encrypted file of secrets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.keys import typed_passphrase
from yieldbot.app.secret_documents import SecretsDocument, StoredSecret
from yieldbot.config import stored_secrets as store
from yieldbot.config.load import env_file, read_toml, secret_tables, secrets_file
from yieldbot.config.secrets import given_passphrase, hide, one_line, passphrase
from yieldbot.config.stored_secrets import Sealed
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import long_enough
from yieldbot.execution.lock import only_one
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean
from yieldbot.resources import refuse_if_others_change

if TYPE_CHECKING:
    from yieldbot.app.context import Context

LOCK = "secrets.lock"
MOST = 200
"""Most secrets that the file may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSecretRequest:
    """Put a secret into the encrypted file, or replace it."""

    name: str
    """The variable's name."""
    piped: Callable[[], str]
    """Reads the value from standard input; called if there is no terminal at which a person could type it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrapRequest:
    """Encrypt the file with another passphrase."""

    new_passphrase_file: Path | None = None
    """File with the new passphrase; None: a person types it."""


def list_(context: Context) -> SecretsDocument:
    """The names of the secrets; no passphrase is needed. Raises ConfigError for a damaged file."""
    file = _file(context)
    sealed = store.read(file)
    tables = secret_tables(context.config)
    written = env_file(context.config)[1]

    def hidden_by(name: str) -> str | None:
        if os.environ.get(name):
            return "environment"
        return ".env" if written.get(name) else "[secrets]" if name in tables else None

    rows = () if sealed is None else sorted(sealed.changed_at.items())
    secrets = [{"name": name, "changed_at": at, "hidden_by": hidden_by(name)} for name, at in rows]
    return SecretsDocument(file=str(file), secrets=tuple(StoredSecret.model_validate(one) for one in secrets))


def set_(request: SetSecretRequest, context: Context) -> SecretsDocument:
    """Puts a secret into the file, which is created if there is none. Raises ConfigError for a name or value that
    cannot be used, a wrong passphrase, or a file that cannot be written."""
    name = request.name
    if store.NAME.fullmatch(name) is None or name == store.PASSPHRASE_NAME:
        raise ConfigError(f"{name}: is no name of a secret: write a variable's name, as BASE_RPC_URL")
    file, before = _seen(context)
    values = {} if before is None else _values(before, context)
    if len(values) >= MOST and name not in values:
        raise ConfigError(f"{file}: holds {MOST} secrets already: remove one first")
    chosen = _new_passphrase(file, context) if before is None else ""
    typed = context.secret(f"Value of {name} (not shown): ") if context.secret else request.piped()
    text = one_line(typed, name)
    with _held(file, before) as sealed:
        values = {} if sealed is None else _values(sealed, context)
        changed = {**({} if sealed is None else sealed.changed_at), name: int(time.time())}
        store.write(store.sealed(file, values | {name: text}, changed, sealed, chosen))
    return list_(context)


def remove(name: str, context: Context) -> SecretsDocument:
    """Takes a secret out of the file. Raises ConfigError for an unknown name or a wrong passphrase."""
    file, before = _seen(context)
    if before is not None and name in before.changed_at:
        _values(before, context)
    with _held(file, before) as sealed:
        if sealed is None or name not in sealed.changed_at:
            hint = did_you_mean(name, sorted(sealed.changed_at) if sealed else ())
            raise ConfigError(f"{name}: is not in {file}: {hint}")
        values = _values(sealed, context)
        left = {one: at for one, at in sealed.changed_at.items() if one != name}
        store.write(store.sealed(file, {one: values[one] for one in left}, left, sealed))
    return list_(context)


def rewrap(request: RewrapRequest, context: Context) -> SecretsDocument:
    """Encrypts all secrets with another passphrase. Raises ConfigError for a wrong passphrase, or if there is no
    file."""
    file, before = _seen(context)
    if before is None:
        raise ConfigError(f"{file}: is not there: `yieldbot secret set NAME` makes it")
    _values(before, context)
    if request.new_passphrase_file is not None:
        chosen = hide(passphrase_in(request.new_passphrase_file, "--new-passphrase-file"))
        long_enough(chosen)
    else:
        chosen = _typed_twice("New passphrase", file, context)
    with _held(file, before) as sealed:
        assert sealed is not None
        store.write(store.sealed(file, _values(sealed, context), sealed.changed_at, None, chosen))
    return list_(context)


def _seen(context: Context) -> tuple[Path, Sealed | None]:
    """The file and its content, None if there is none. Everything is asked for before the file is locked, since a
    person may take long to answer."""
    file = _file(context)
    return file, store.read(file)


@contextmanager
def _held(file: Path, before: Sealed | None) -> Iterator[Sealed | None]:
    """Context manager that locks the file against other commands; gives its content. before: its content when questions
    were asked. Raises ConfigError where it was made, removed or given another passphrase since."""
    with only_one(file.parent, LOCK, "`yieldbot secret`"):
        sealed = store.read(file)
        if (sealed and sealed.salt) != (before and before.salt):
            raise ConfigError(
                f"{file}: another command made it or changed its passphrase: nothing is changed: run again"
            )
        yield sealed


def _file(context: Context) -> Path:
    if context.config.exists():
        read_toml(context.config)  # one that cannot be read does not say where the file is
    file = secrets_file(context.config)
    refuse_if_others_change(file.parent, "data_dir")
    return file


def _values(sealed: Sealed, context: Context) -> dict[str, str]:
    tables = secret_tables(context.config)
    found = sealed.values(lambda: passphrase(context.config.absolute(), sealed.file, tables, context.secret))
    for value in found.values():
        hide(value)
    return found


def _new_passphrase(file: Path, context: Context) -> str:
    found = given_passphrase(context.config.absolute(), secret_tables(context.config))
    if found is None:
        return _typed_twice("New passphrase", file, context)
    long_enough(found)
    return found


def _typed_twice(what: str, file: Path, context: Context) -> str:
    if context.secret is None:
        raise ConfigError(f"{file}: there is no terminal to ask for its passphrase: see docs/configuration.md")
    return hide(typed_passphrase(f"{what} of {file}", context))
