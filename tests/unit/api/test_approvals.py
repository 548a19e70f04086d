"""Approvals over HTTP: a person's signature counts, a key never does; what is closed or expired is said."""

from __future__ import annotations

import asyncio
import io
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.api.served import Served
from tests.kit.journal.store import OWNER, plan
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers
from yieldbot.app.chat import _plan, _plans
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import PlansDocument
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.app.signer_client import SignerAway
from yieldbot.cli.history import _rendered
from yieldbot.cli.tables import Printable
from yieldbot.errors import ConfigError, JournalHeld, TransientError, YieldbotError
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.plan import plan_id as plan_id_of

ANNA, BEN = (Account.from_key(bytes([number]) * 32) for number in (7, 8))


@pytest.fixture
def waiting(served: Served, context: Quiet) -> Served:
    """Two must sign."""
    context._settings = replace(context.settings, policy=replace(context.settings.policy, approvals_needed=2))
    for name, key in (("anna", ANNA), ("ben", BEN)):
        approvers.add(approvers.person(name, wallet=str(key.address)), context)
    return served


@pytest.fixture
def url(waiting: Served) -> str:
    """Where the approval of a plan of OWNER's is."""
    return queue(waiting, time.time() + 3600)


def queue(served: Served, until: float) -> str:
    """A plan that waits until then (unix seconds), and where its approval is."""
    with Journal.open(served.service.journal_file) as journal:
        made = replace(plan(), expires_at=int(until))
        made = replace(made, id=plan_id_of(made))
        journal.append(PlanWritten(made, ("supply 5 USDC",)), PlanMarked(made.id, PlanStatus.QUEUED, "queue"))
    return f"/v1/plans/{made.id}/approval"


def test_the_last_signature_hands_the_plan_over_at_once(
    waiting: Served, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = SimpleNamespace(soon=lambda: begun.append(signed_plans(waiting.service.context)), halted=None, away=None)
    begun = list[tuple[str, ...]]()
    monkeypatch.setattr(waiting.service, "signer", link)
    key = waiting.key("read", "approve")
    for name, person in (("anna", ANNA), ("ben", BEN)):
        assert begun == []
        waiting.client.put(url, headers=key, json={"approver": name} | signature(waiting, person, key, url))
    assert begun == [(url.split("/")[3],)]


def test_one_inbox_for_terminal_rest_and_chat(waiting: Served, context: Quiet) -> None:
    """Id, digest, expiry, who asked, decoded calls, the rehearsal's balance changes, risk notes."""
    made = replace(plan(), expires_at=int(time.time()) + 3600)
    made = replace(made, id=plan_id_of(made))
    asked = RunEnded(
        run="r1", by="key desk", command="run", chain=made.block.chain, owner=made.owner, wallet="main",
        assets=("USDC",), began=1_700_000_000, seconds=1.5, outcome="queued", code="QUEUED", reason="", plan_id=made.id,
    )  # fmt: skip
    later = replace(asked, run="r2", by="terminal", command="approve")
    shown = PlanWritten(made, ("supply 5 USDC to a",), ("-5 USDC", "+5 aUSDC"), ("a: safety 71 (B)",))
    with Journal.open(waiting.service.journal_file) as journal:
        journal.append(shown, PlanMarked(made.id, PlanStatus.QUEUED, "queue"))
    key = waiting.key("read", "approve")
    assert waiting.client.get(f"/v1/plans/{made.id}", headers=key).json()["asked_by"] is None, "its run goes on"
    with Journal.open(waiting.service.journal_file) as journal:
        journal.append(asked, later)
    row = waiting.client.get(f"/v1/plans/{made.id}", headers=key).json()
    digest = waiting.client.get(f"/v1/plans/{made.id}/approval", headers=key).json()["typed"]["message"]["digest"]
    wanted = {
        "id": made.id, "digest": digest, "expires_at": made.expires_at, "asked_by": "key desk",
        "calls": ["supply 5 USDC to a"], "changes": ["-5 USDC", "+5 aUSDC"], "risks": ["a: safety 71 (B)"],
        "signed_by": [],
    }  # fmt: skip
    assert row == row | wanted
    found = history(HistoryRequest(waiting=True), context)
    assert isinstance(found, PlansDocument)
    (inbox,) = found.as_json()["plans"]
    assert inbox == inbox | wanted
    with Printable(width=400, file=io.StringIO()) as console:
        console.print(_rendered(found, waiting=True, settings=context.settings))
    assert isinstance(console.file, io.StringIO)
    terminal = console.file.getvalue()
    for words in (
        made.id,
        digest,
        "supply 5 USDC to a",
        "-5 USDC, +5 aUSDC",
        "a: safety 71 (B)",
        "asked for by key desk",
    ):
        assert words in terminal, terminal
    said = asyncio.run(_plans(waiting.service, time.time()))
    assert made.id in said.lines[0] and time.strftime("%H:%M", time.gmtime(made.expires_at)) in said.lines[0]
    chat = "\n".join(asyncio.run(_plan(made.id, waiting.service, time.time())).lines)
    for words in (
        digest,
        "supply 5 USDC to a",
        "in all -5 USDC",
        "+5 aUSDC",
        "a: safety 71 (B)",
        "asked for by key desk",
    ):
        assert words in chat, chat
    assert time.strftime("%Y-%m-%d %H:%M", time.gmtime(made.expires_at)) in chat


def test_who_is_added_or_removed_counts_at_once(waiting: Served, url: str, context: Quiet) -> None:
    """Also where the register alone changes, as when a file is put in its place."""
    key, plan_url = waiting.key("read", "approve"), url.removesuffix("/approval")

    def signed_by() -> Any:
        return waiting.client.get(plan_url, headers=key).json()["signed_by"]

    waiting.client.put(url, headers=key, json={"approver": "anna"} | signature(waiting, ANNA, key, url))
    assert signed_by() == ["anna"]
    register = context.settings.data_dir / "approvers.json"
    before = register.read_text()
    approvers.remove("anna", context)
    assert signed_by() == []
    register.write_text(before)
    assert signed_by() == ["anna"], "the journal is the same as before"
    register.unlink()
    assert signed_by() == []


def signature(served: Served, key: Any, headers: dict[str, str], url: str) -> dict[str, str]:
    shown = served.client.get(url, headers=headers).json()
    return {"signature": "0x" + bytes(key.sign_message(encode_typed_data(full_message=shown["typed"])).signature).hex()}


def test_two_signatures_are_enough_and_no_key_is_one(waiting: Served, url: str, context: Quiet) -> None:
    key = waiting.key("read", "approve")
    assert waiting.client.put(url, headers=key, json={"approver": "anna", "signature": "0x"}).status_code == 422
    assert waiting.client.put(url, headers=key, json={"approver": "eve", "signature": "0x"}).status_code == 422
    hers = signature(waiting, ANNA, key, url)
    answer = waiting.client.put(url, headers=key, json={"approver": "ben"} | hers)
    assert answer.status_code == 422 and answer.json()["code"] == "NOT_THEIR_SIGNATURE"
    for _ in range(2):
        once = waiting.client.put(url, headers=key, json={"approver": "anna"} | hers).json()
        assert once["signed_by"] == ["anna"] and once["enough"] is False
    assert signed_plans(context) == () and waiting.client.get(url, headers=key).json()["signed_by"] == ["anna"]
    both = waiting.client.put(url, headers=key, json={"approver": "ben"} | signature(waiting, BEN, key, url)).json()
    assert both["enough"] is True and signed_plans(context) == (both["plan_id"],)
    assert waiting.client.get(url.removesuffix("/approval"), headers=key).json()["status"] == "queued"
    approvers.remove("ben", context)
    assert signed_plans(context) == ()


def test_what_is_closed_or_expired_cannot_be_signed(waiting: Served, url: str) -> None:
    key = waiting.key("read", "approve")
    hers = {"approver": "anna"} | signature(waiting, ANNA, key, url)
    assert waiting.client.delete(url, headers=key).json()["status"] == "rejected"
    again = waiting.client.put(url, headers=key, json=hers)
    assert again.status_code == 409 and again.json()["code"] == "PLAN_CLOSED"
    assert waiting.client.delete(url, headers=key).status_code == 409
    late = waiting.client.put(queue(waiting, time.time() - 1), headers=key, json=hers)
    assert late.status_code == 410 and late.json()["code"] == "EXPIRED"


def test_who_rejects_may_say_not_again_for_a_time(waiting: Served, url: str) -> None:
    key = waiting.key("approve")
    for bad in ("7", "x", "-1d", "91d", "99999w", "", "0x1d", "\u0667d"):
        refused = waiting.client.delete(url, headers=key, params={"not_again_for": bad})
        assert (refused.status_code, refused.json()["code"]) == (400, "BAD_PARAMETER"), bad
    for bad in ("much", "0", "50%", "+50", "-1", "9" * 400):
        refused = waiting.client.delete(url, headers=key, params={"until_gain": bad})
        assert (refused.status_code, refused.json()["code"]) == (400, "BAD_PARAMETER"), bad
    assert waiting.client.delete(f"{url}?for=7d", headers=key).status_code == 400
    assert waiting.client.get(f"{url}?not_again_for=7d", headers=waiting.key("read")).status_code == 400
    assert waiting.client.delete(url, headers=key, params={"reason": "x" * 501}).json()["code"] == "BAD_PARAMETER"
    before = int(time.time())
    said = {"not_again_for": "7d", "reason": "too near\nthe limit", "until_gain": "500"}
    done = waiting.client.delete(url, headers=key, params=said).json()
    assert (done["status"], done["until_gain"]) == ("rejected", 500.0)
    with Journal.read(waiting.service.journal_file) as journal:
        mark = [one.entry for one in journal.history() if isinstance(one.entry, PlanMarked)][-1]
    assert mark.status is PlanStatus.REJECTED and mark.by == "key approve" and mark.reason == "too near the limit"
    assert mark.until_gain == 500.0 and before + 7 * 86_400 <= mark.not_before <= int(time.time()) + 7 * 86_400


def test_a_signature_of_another_plan_counts_nothing(waiting: Served, url: str) -> None:
    key = waiting.key("read", "approve")
    other = queue(waiting, time.time() + 2400)
    hers = {"approver": "anna"} | signature(waiting, ANNA, key, url)
    assert waiting.client.put(other, headers=key, json=hers).status_code == 422


def test_another_accounts_plan_is_not_there(waiting: Served, url: str) -> None:
    own = waiting.key("read", "approve", name="own", accounts=frozenset((OWNER.lower(),)))
    other = waiting.key("read", "approve", name="other", accounts=frozenset(("0x" + "99" * 20,)))
    assert waiting.client.get(url, headers=own).status_code == 200
    for method in ("GET", "DELETE"):
        assert waiting.client.request(method, url, headers=other).status_code == 404
    assert waiting.client.put(url, headers=other, json={"approver": "a", "signature": "0x"}).status_code == 404


def test_a_signer_that_is_away_and_a_journal_that_is_held_are_called_so(
    waiting: Served, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No chain is to blame, and no answer names a folder of this machine."""
    folder = str(waiting.service.context.settings.data_dir)

    failures = list[YieldbotError]()

    async def raised(*_: Any) -> Any:
        raise failures[-1]

    monkeypatch.setattr(type(waiting.service), "reject", raised)
    for failure, code in (
        (SignerAway("the signer cannot be reached at /run/x"), "SIGNER_AWAY"),
        (JournalHeld(f"journal {folder}/journal.sqlite is held by another program"), "BUSY"),
        (TransientError("no endpoint answers"), "CHAIN_UNREACHABLE"),
    ):
        failures.append(failure)
        answer = waiting.client.delete(url, headers=waiting.key("approve", name=f"key{code}"))
        assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert answer.headers["Retry-After"] and folder not in answer.text


def test_nobody_approves_with_an_address_that_is_nobodys_or_mistyped() -> None:
    right = str(ANNA.address)
    wrong = right[:2] + right[2:].swapcase()
    for address, words in (("0x" + "00" * 20, "the zero address"), (wrong, f"these digits make {right}")):
        with pytest.raises(ConfigError, match=words):
            approvers.person("eve", wallet=address)
    assert approvers.person("eve", wallet=right.lower()).address == right.lower()
