"""``approver``: the persons who may approve, and their signatures of plans that wait for approval."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.access.approvers import Approver, checked
from yieldbot.app.api_keys import note
from yieldbot.app.approver_documents import ApproversDocument, Person, SignedPlanDocument, ToSignDocument
from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.evm.signing.typed import sign_approval
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.execution.halt import halted
from yieldbot.execution.lock import only_one
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.execution.persons import REGISTER, read_register, signers, to_approve
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.address import checksummed
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean
from yieldbot.resources import why

if TYPE_CHECKING:
    from yieldbot.access.approvers import ToApprove
    from yieldbot.app.context import Context
    from yieldbot.journal.fold import StoredPlan


LOCK = "approvers.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """Sign a plan that waits for approval."""

    plan_id: str
    """The plan's id."""
    name: str
    """The person's name in the register."""
    signature: str | None = None
    """A signature made elsewhere, for instance in a wallet; None: ``keystore`` makes it."""
    keystore: Path | None = None
    """A wallet's keystore file; its passphrase is requested."""
    passphrase_file: Path | None = None
    """File with that passphrase; None: it is typed in."""


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


def to_sign(plan_id: str, context: Context) -> ToSignDocument:
    """What a person signs of a plan that waits, and who has. Raises ConfigError and SafetyError as ``sign``."""
    stored = _waiting(plan_id, context)
    asked, settings = to_approve(stored), context.settings
    with Journal.read(settings.data_dir / JOURNAL, appended=True) as journal:
        names = signers(journal, stored, read_register(settings.data_dir))
    return ToSignDocument(
        plan_id=plan_id,
        typed=asked.typed(),
        challenge="0x" + asked.challenge().hex(),
        signed_by=names,
        needed=settings.policy.approvals_needed,
    )


def signed_plans(context: Context) -> tuple[str, ...]:
    """Ids of the plans that wait and that enough persons have signed, the oldest first."""
    import time

    settings = context.settings
    needed, file = settings.policy.approvals_needed, settings.data_dir / JOURNAL
    if not needed or not file.exists():
        return ()
    register, now = read_register(settings.data_dir), int(time.time())
    with Journal.read(file, appended=True) as journal:
        waiting = [one for one in journal.plans(PlanStatus.QUEUED) if one.plan.expires_at > now]
        return tuple(one.plan.id for one in waiting if len(signers(journal, one, register)) >= needed)


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


def sign(request: SignRequest, context: Context) -> SignedPlanDocument:
    """Adds a person's signature to a plan that waits for approval.

    Raises ConfigError for an unknown plan or person, SafetyError for a plan that no longer waits, while a halt is in
    force, or for a signature that this person did not make over this plan.
    """
    settings = context.settings
    approvable(halted(settings.data_dir))
    stored = _waiting(request.plan_id, context)
    register = read_register(settings.data_dir)
    person = register.get(request.name)
    if person is None:
        raise ConfigError(f"approver {request.name}: is not in the register: `yieldbot approver list` shows who is")
    asked = to_approve(stored)
    signature = request.signature
    if signature is None:
        if request.keystore is None:
            raise ConfigError("name the keystore that signs (--keystore FILE), or give a --signature made elsewhere")
        signature = _by_keystore(request.keystore, request, asked, context)
    if not person.signed(asked, signature):
        raise SafetyError("NOT_THEIR_SIGNATURE", f"that is no signature of {request.name} over plan {request.plan_id}")
    # allowed during a run, since it decides nothing by itself
    with Journal.open(settings.data_dir / JOURNAL, appended=True) as journal:
        if request.name not in signers(journal, stored, register):
            journal.append(ApprovalGiven(plan_id=request.plan_id, approver=request.name, signature=signature))
        names = signers(journal, stored, register)
    needed = settings.policy.approvals_needed
    return SignedPlanDocument(
        plan_id=request.plan_id, signed_by=names, needed=needed, enough=bool(names) and len(names) >= needed
    )


def approvable(halt: str | None) -> None:
    """Raises SafetyError while a halt is in force. halt: its reason."""
    if halt is not None:
        raise SafetyError("HALTED", f"nothing can be approved while a halt is in force: {halt}")


def _by_keystore(keystore: Path, request: SignRequest, asked: ToApprove, context: Context) -> str:
    if request.passphrase_file is not None:
        secret = passphrase_in(request.passphrase_file, "--passphrase-file")
    elif context.secret is not None:
        secret = context.secret(f"Passphrase of {request.name}'s keystore: ")
    else:
        raise ConfigError("there is no terminal to ask for the passphrase: name a --passphrase-file")
    return sign_approval(keystore, secret, asked.typed())


def _waiting(plan_id: str, context: Context) -> StoredPlan:
    """The plan, if it waits for approval. Raises ConfigError and SafetyError if it does not."""
    import time

    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        raise ConfigError(f"no plan {plan_id} in the journal: `yieldbot history --waiting` lists those that wait")
    now = int(time.time())
    with Journal.read(file, appended=True) as journal:
        stored = journal.plan(plan_id)
        if stored is not None and now >= stored.plan.expires_at:  # the next run marks it: this is only read
            raise SafetyError("EXPIRED", f"plan {plan_id} has expired: `yieldbot run --approve queue` makes a new one")
        queued_plan(journal, plan_id, now)
    assert stored is not None
    return stored


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
