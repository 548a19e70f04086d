"""``approver list | add | remove``: the persons who may approve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from yieldbot.access.approvers import Approver, checked
from yieldbot.app.access_notes import note
from yieldbot.app.approver_documents import ApproversDocument, Person
from yieldbot.errors import ConfigError
from yieldbot.execution.lock import only_one
from yieldbot.execution.register import REGISTER, read_register
from yieldbot.model.address import checksummed
from yieldbot.model.spelling import did_you_mean
from yieldbot.resources import why

if TYPE_CHECKING:
    from yieldbot.app.context import Context


LOCK = "approvers.lock"


def list_(context: Context) -> ApproversDocument:
    """The register. Raises as ``read_register``."""
    found = read_register(context.settings.data_dir)
    persons = tuple(
        Person(
            name=one.name,
            kind=one.kind,
            address=one.address or None,
            origin=one.origin or None,
            check_code=one.check_code,
        )
        for one in found.values()
    )
    return ApproversDocument(needed=context.settings.policy.approvals_needed, approvers=persons)


def add(person: Approver, context: Context) -> ApproversDocument:
    """Adds a person. Raises ConfigError for invalid details, or a name or key that is already in the register."""
    with _held(context) as found:
        person = checked(person)
        if person.name in found:
            raise ConfigError(f"approver {person.name} is in the register: remove them first, or choose another name")
        if any(one.key == person.key for one in found.values()):
            raise ConfigError(
                f"approver {person.name}: this key is in the register under another name: one person, one key"
            )
        _write((*found.values(), person), context)
    note(context, f"approver add {person.name} ({person.kind})", "added")
    return list_(context)


def remove(name: str, context: Context) -> ApproversDocument:
    """Removes a person; their signatures no longer count. Raises ConfigError for an unknown name."""
    with _held(context) as found:
        if name not in found:
            hint = did_you_mean(name, sorted(found))
            raise ConfigError(f"approver {name}: is not in the register: {hint}")
        _write((one for one in found.values() if one.name != name), context)
    note(context, f"approver remove {name}", "removed")
    return list_(context)


def person(
    name: str, *, wallet: str | None = None, passkey: str | None = None, origin: str = "", credential: str = ""
) -> Approver:
    """A person from command-line flags. Raises ConfigError for invalid details."""
    if wallet is not None:
        found = checked(Approver(name=name, kind="wallet", address=wallet))
        mixed = wallet[2:] not in (wallet[2:].lower(), wallet[2:].upper())
        if mixed and wallet != (right := checksummed(wallet)):
            raise ConfigError(
                f"approver {name}: --wallet has a bad checksum: compare it with its source; these digits make {right}"
            )
        return found
    return checked(Approver(name=name, kind="passkey", public_key=passkey or "", origin=origin, credential=credential))


@contextmanager
def _held(context: Context) -> Iterator[dict[str, Approver]]:
    """Context manager that keeps other commands from changing the register, which would bring back a person whom this
    one removes; gives the register. Raises YieldbotError where another command changes it."""
    with only_one(context.settings.data_dir, LOCK, "`yieldbot approver`"):
        yield read_register(context.settings.data_dir)


def _write(persons: Iterable[Approver], context: Context) -> None:
    """Write the whole register atomically: if that fails the old one stays. Raises ConfigError."""
    rows: list[Mapping[str, str]] = [{k: v for k, v in asdict(one).items() if v} for one in persons]
    path = context.settings.data_dir / REGISTER
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            json.dump({"approvers": rows}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as failure:
        raise ConfigError(f"{path} cannot be written: {why(failure, path)}") from None
