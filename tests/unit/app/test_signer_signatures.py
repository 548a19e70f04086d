"""The three kinds of signature from the person to the signer: a keystore at a terminal, a wallet (EIP-712), a passkey.
Each counts for one digest, account and expiry, and only as long as the plan may be approved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.passkeys import Passkey
from tests.kit.signer import ANNA, BEN, CHAIN, EVE, Signer, folder, handed, plan, signature
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers, plan_signatures, signer_work
from yieldbot.app.plan_signatures import SignRequest, signed_plans
from yieldbot.app.signer_link import request_of
from yieldbot.errors import SafetyError, YieldbotError
from yieldbot.execution.persons import to_approve
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.fold import StoredPlan
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.plan import Plan, identified

PASSKEY = Passkey()
KINDS = ("terminal", "wallet", "passkey")
PERSONS = {
    "terminal": approvers.person("terminal", wallet=str(ANNA.address)),
    "wallet": approvers.person("wallet", wallet=str(BEN.address)),
    "passkey": approvers.person("passkey", passkey=PASSKEY.public, origin=PASSKEY.origin),
}


def registered(context: Quiet, *kinds: str) -> None:
    """These persons alone are in the register, and all of them must sign."""
    for name in ("anna", "ben"):
        approvers.remove(name, context)
    for kind in kinds:
        approvers.add(PERSONS[kind], context)
    context._settings = replace(context.settings, policy=replace(context.settings.policy, approvals_needed=len(kinds)))


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Signer]:
    made = Signer(tmp_path / "signer")
    yield made
    made.journal.close()


def queue(journal: Journal, wanted: Plan) -> None:
    journal.append(PlanWritten(wanted, ("supply 5 USDC",)), PlanMarked(wanted.id, PlanStatus.QUEUED, "queue"))


def test_each_kind_reaches_the_signer_and_counts_there(signer: Signer, tmp_path: Path) -> None:
    server, wanted = folder(tmp_path / "server"), plan()
    for context in (server, signer.context):
        registered(context, *KINDS)
    with Journal.open(server.settings.data_dir / "journal.sqlite") as journal:
        queue(journal, wanted)
    secret, keystore = tmp_path / "secret", tmp_path / "anna.json"
    secret.write_text("correct horse battery staple")
    keystore.write_text(json.dumps(Account.encrypt(ANNA.key, secret.read_text(), kdf="pbkdf2", iterations=1000)))
    for file in (secret, keystore):
        file.chmod(0o600)
    shown = plan_signatures.to_sign(wanted.id, server)
    by_wallet = "0x" + bytes(BEN.sign_message(encode_typed_data(full_message=shown.typed)).signature).hex()
    given = (
        SignRequest(plan_id=wanted.id, name="terminal", keystore=keystore, passphrase_file=secret),
        SignRequest(plan_id=wanted.id, name="wallet", signature=by_wallet),
        SignRequest(plan_id=wanted.id, name="passkey", signature=PASSKEY.assertion(bytes.fromhex(shown.challenge[2:]))),
    )
    for number, request in enumerate(given):
        assert signer.ask(request_of(server, wanted.id)) == "APPROVALS_MISSING"
        done = plan_signatures.sign(request, server)
        assert done.signed_by == KINDS[: number + 1] and done.enough is (number == 2)
    assert signer.ask(request_of(server, wanted.id))["status"] == "queued"
    assert [one.approver for one in signer.journal.approvals(wanted.id)] == list(KINDS)
    assert signed_plans(signer.context) == (wanted.id,)
    message = shown.typed["message"]
    assert (message["account"], message["chain"], message["expires"]) == (wanted.owner, CHAIN, wanted.expires_at)


def signed_by(kind: str, wanted: Plan) -> dict[str, Any]:
    if kind != "passkey":
        return {"approver": kind, "signature": signature(wanted, {"terminal": ANNA, "wallet": BEN}[kind])}
    asked = to_approve(StoredPlan(wanted, (), PlanStatus.QUEUED, "", "", 0))
    return {"approver": kind, "signature": PASSKEY.assertion(asked.challenge())}


CHANGES: dict[str, Callable[[Plan], Plan]] = {
    "another digest": lambda made: replace(made, gain_per_year=made.gain_per_year + 1),
    "another account": lambda made: replace(made, owner=Address("0x" + "99" * 20)),
    "another expiry": lambda made: replace(made, expires_at=made.expires_at + 1),
    "another amount": lambda made: plan(raw=6),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_counts_for_one_digest_account_and_expiry(signer: Signer, kind: str) -> None:
    registered(signer.context, kind)
    wanted, before = plan(), signer.journal.head()
    for change, make in CHANGES.items():
        other = identified(make(wanted))
        request = handed(wanted) | {"approvals": [signed_by(kind, other)]}
        assert signer.ask(request) == "APPROVALS_MISSING", change
    others = [signed_by(one, wanted) | {"approver": kind} for one in KINDS if one != kind]
    assert signer.ask(handed(wanted) | {"approvals": others}) == "APPROVALS_MISSING"
    assert signer.journal.head() == before
    assert signer.ask(handed(wanted) | {"approvals": [signed_by(kind, wanted)]})["status"] == "queued"


def test_a_row_that_somebody_else_wrote_approves_nothing(signer: Signer) -> None:
    """Even in the signer's own journal."""
    wanted, other = plan(), plan(raw=6)
    queue(signer.journal, wanted)
    signer.journal.append(
        ApprovalGiven(plan_id=wanted.id, approver="anna", signature=signature(other, ANNA)),
        ApprovalGiven(plan_id=wanted.id, approver="ben", signature=signature(wanted, EVE)),
        ApprovalGiven(plan_id=wanted.id, approver="eve", signature=signature(wanted, EVE)),
        ApprovalGiven(plan_id=wanted.id, approver="anna", signature=signature(wanted, ANNA)),
        ApprovalGiven(plan_id=wanted.id, approver="anna", signature=signature(wanted, ANNA)),
    )
    assert signed_plans(signer.context) == (), "one person, however often"
    signer.journal.append(ApprovalGiven(plan_id=wanted.id, approver="ben", signature=signature(wanted, BEN)))
    assert signed_plans(signer.context) == (wanted.id,)


def test_a_register_is_changed_by_one_command_at_a_time(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one that adds a person could bring back another whom somebody removes at the same moment."""
    write, late = approvers._write, list[str]()

    def slow(persons: Any, context: Quiet) -> None:
        with pytest.raises(YieldbotError, match="another `yieldbot approver` runs"):
            approvers.remove("ben", context)
        late.append("refused")
        write(persons, context)

    monkeypatch.setattr(approvers, "_write", slow)
    approvers.add(PERSONS["passkey"], signer.context)
    monkeypatch.undo()
    assert late == ["refused"] and [one.name for one in approvers.list_(signer.context).approvers][-1] == "passkey"
    approvers.remove("ben", signer.context)
    assert [one.name for one in approvers.list_(signer.context).approvers] == ["anna", "passkey"]


def test_a_signature_ends_with_its_plan(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed in time, expired before it is carried out: nothing is done, the plan says so, and its result is kept."""
    wanted = plan(seconds=600)
    assert signer.ask(handed(wanted, anna=ANNA, ben=BEN))["status"] == "queued"
    assert signed_plans(signer.context) == (wanted.id,)
    monkeypatch.setattr(time, "time", lambda: float(wanted.expires_at))
    assert signed_plans(signer.context) == ()
    with pytest.raises(SafetyError, match="EXPIRED"):
        plan_signatures.to_sign(wanted.id, signer.context)
    again = SignRequest(plan_id=wanted.id, name="anna", signature=signature(wanted, ANNA))
    with pytest.raises(SafetyError, match="EXPIRED"):
        plan_signatures.sign(again, signer.context)
    signer_work.close(signer.context)
    assert signer.ask(handed(wanted, anna=ANNA, ben=BEN))["status"] == "expired"
    assert not signer.intake.work_waits()
