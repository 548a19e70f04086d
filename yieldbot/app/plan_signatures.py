"""``approver show | sign``: the signatures of persons on plans that wait for approval."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.approver_documents import SignedPlanDocument, ToSignDocument
from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.evm.signing.typed import sign_approval
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.execution.halt import halted
from yieldbot.execution.passphrases import passphrase_in
from yieldbot.execution.persons import signers, to_approve
from yieldbot.execution.register import read_register
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan_life import waits_too_long

if TYPE_CHECKING:
    from yieldbot.access.approvers import ToApprove
    from yieldbot.app.context import Context
    from yieldbot.journal.fold import StoredPlan


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
    settings = context.settings
    needed, file = settings.policy.approvals_needed, settings.data_dir / JOURNAL
    if not needed or not file.exists():
        return ()
    register, now = read_register(settings.data_dir), int(time.time())
    with Journal.read(file, appended=True) as journal:
        waiting = [one for one in journal.plans(PlanStatus.QUEUED) if one.plan.expires_at > now]
        return tuple(one.plan.id for one in waiting if len(signers(journal, one, register)) >= needed)


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
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        raise ConfigError(f"no plan {plan_id} in the journal: `yieldbot history --waiting` lists those that wait")
    now = int(time.time())
    with Journal.read(file, appended=True) as journal:
        stored = journal.plan(plan_id)
        if stored is not None and now >= stored.plan.expires_at:  # the next run marks it: this is only read
            raise SafetyError("EXPIRED", f"plan {plan_id} has expired: `yieldbot run --approve queue` makes a new one")
        ttl = context.settings.policy.plan_ttl_seconds
        if stored is not None and (why := waits_too_long(stored.plan, now, ttl)):
            raise SafetyError("EXPIRED", f"plan {plan_id} counts as expired: {why}")
        queued_plan(journal, plan_id, now, ttl)
    assert stored is not None
    return stored
