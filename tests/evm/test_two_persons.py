"""`policy.approvals_needed = 2` on the sandbox: a plan is carried out once two persons have signed it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.evm.home import Home
from tests.kit.passkeys import Passkey
from tests.kit.web.authenticator import authenticator, passkey_line, phone
from tests.kit.web.browser import chromium, serving, until, why_not
from yieldbot.app import signer_work
from yieldbot.app.context import Context
from yieldbot.app.service import Service
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.store import Journal
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.web.server import pages

ANNA = Account.from_key(b"\x07" * 32)


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace("[policy]", "[policy]\napprovals_needed = 2"))
    return Home(sandbox)


@contextmanager
def ben_with_a_phone(home: Home) -> Iterator[tuple[list[str], Callable[[str], str]]]:
    """The words that register Ben's passkey, and what signs a plan with it and returns the assertion: on the page in
    Chromium, where the machine has one; else with the double of an authenticator."""
    if why_not() is not None:
        double = Passkey()

        def signed(identity: str) -> str:
            shown = home.run("--json", "approver", "show", identity).document
            return double.assertion(bytes.fromhex(shown["challenge"][2:]))

        yield ["approver", "add", "ben", "--passkey", double.public, "--origin", double.origin], signed
        return
    service, chrome = Service(Context(home.sandbox.config), 300.0), chromium()
    try:
        with serving(pages(service)) as origin, authenticator(chrome):
            phone(chrome)

            def approved(identity: str) -> str:
                chrome.get(f"{origin}/plans/{identity}")
                chrome.find_element("id", "with-passkey").click()  # signs in, and leads back to the plan
                until(chrome, f"location.pathname == '/plans/{identity}'")
                chrome.find_element("id", "with-passkey").click()
                until(chrome, "document.body.innerText.includes('Signed by ben')")
                with Journal.read(service.journal_file) as journal:
                    return next(one.signature for one in reversed(journal.approvals(identity)) if one.approver == "ben")

            yield passkey_line(chrome, origin, "ben"), approved
    finally:
        chrome.quit()


def test_two_persons_must_sign(home: Home) -> None:
    with ben_with_a_phone(home) as (words, sign):
        _both_sign(home, words, sign)


def _both_sign(home: Home, words: list[str], sign: Callable[[str], str]) -> None:
    assert home.run("approver", "add", "anna", "--wallet", ANNA.address).code == 0
    added = home.run(*words)
    assert added.code == 0 and "2 must sign a plan" in added.out
    listed = home.run("--json", "approver", "list").document
    assert [(one["name"], one["kind"]) for one in listed["approvers"]] == [("anna", "wallet"), ("ben", "passkey")]
    twice = home.run("approver", "add", "anna2", "--wallet", ANNA.address.lower())
    assert twice.code == 2 and "one person, one key" in twice.line

    alone = home.run("run", "--approve", "queue")
    (plan,) = home.run("--json", "history", "--waiting").document["plans"]
    identity = plan["id"]
    assert alone.code == 3
    refused = home.run("--json", "approve", identity)
    assert refused.code == 3 and refused.document["jobs"][0]["declined"]["code"] == "APPROVALS_MISSING"
    assert home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest") == "0x0"

    shown = home.run("--json", "approver", "show", identity).document
    message = shown["typed"]["message"]
    assert message["plan"] == identity and message["calls"] and message["calls"] != plan["calls"]
    assert all(" units of 0x" in line for line in message["calls"][:-1]), (
        "made from the legs, with every token's address"
    )
    signed = ANNA.sign_message(encode_typed_data(full_message=shown["typed"])).signature
    hers = "0x" + bytes(signed).hex()
    wrong = home.run("approver", "sign", identity, "--as", "ben", "--signature", hers)
    assert wrong.code == 4 and "NOT_THEIR_SIGNATURE" in wrong.line
    for _ in range(2):  # the second time changes nothing
        once = home.run("--json", "approver", "sign", identity, "--as", "anna", "--signature", hers).document
        assert once["signed_by"] == ["anna"] and once["enough"] is False
    file = home.sandbox.directory / ".yieldbot" / "journal.sqlite"
    file = file if file.exists() else home.sandbox.directory / "journal.sqlite"
    with Journal.open(file) as journal:  # whoever can write the journal has no signature of ben's
        journal.append(ApprovalGiven(plan_id=identity, approver="ben", signature=hers))
        journal.append(ApprovalGiven(plan_id=identity, approver="nobody", signature=hers))
    assert home.run("approve", identity).code == 3

    assertion = sign(identity)
    both = home.run("approver", "sign", identity, "--as", "ben", "--signature", "-", given=assertion)
    assert both.code == 0 and f"signed by anna, ben: `yieldbot approve {identity}`" in both.out
    home.run("approver", "remove", "ben")
    assert home.run("approve", identity).code == 3, "a person who is out of the register counts no more"
    home.run(*words)
    refused = home.run("lp", "add", "USDC", "WETH", "--amount", "100")
    assert (
        refused.code in (2, 4) and home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest") == "0x0"
    )
    own = home.sandbox.config.read_text()  # of the signer, whose policy allows less than that of who made the plan
    assert "max_share_market = 0.5" in own
    home.sandbox.config.write_text(own.replace("max_share_market = 0.5", "max_share_market = 0.1"))
    signer_work.work(Context(home.sandbox.config))
    home.sandbox.config.write_text(own)
    with Journal.read(file) as journal:
        waits = journal.plan(identity)
    assert waits is not None and waits.status.value == "queued" and "EXPOSURE_LIMIT" in waits.reason
    assert home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest") == "0x0"
    with ThreadPoolExecutor() as both:  # two processes at the same time
        racing = [
            both.submit(home.run, "--json", "approve", *words) for words in (("--signed",), (identity,), (identity,))
        ]
    ended = [one.result() for one in racing]
    done = [one for one in ended if one.code == 0 and one.document["jobs"] and one.document["jobs"][0]["transactions"]]
    assert len(done) == 1, [one.err for one in ended]
    for other in ended:
        said = other.err + other.out
        assert other is done[0] or "another run is in progress" in said or "PLAN_CLOSED" in said or '"jobs": []' in said
    sent = len(done[0].document["jobs"][0]["transactions"])
    assert int(home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest"), 16) == sent, "claimed once"
    assert home.run("--json", "approve", "--signed").document["jobs"] == []
    (stored,) = home.run("--json", "history", "--plans").document["plans"]
    assert stored["status"] == "executed"
    events = home.run("--json", "history", "--limit", "0").document["events"]
    assert any(event["text"] == "approved by anna, ben" for event in events)
    late = home.run("approver", "sign", identity, "--as", "ben", "--signature", assertion)
    assert late.code == 4 and "PLAN_CLOSED" in late.line
    with sqlite3.connect(file) as raw:
        assert not raw.execute("select 1 from events where body like '%passphrase%'").fetchall()
