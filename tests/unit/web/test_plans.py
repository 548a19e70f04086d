"""Plans on the page: shown, approved, rejected; what is changed, expired or decided cannot be signed."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.journal.store import BLOCK, signed
from tests.kit.web.browsing import Browsing, dangers, plain
from tests.kit.web.planned import needs, waiting_plan
from tests.kit.web.rows import HOSTILE, named_markets
from tests.unit.app.test_overview import SEEN, Quiet
from yieldbot.app import approvers
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.decision.decide import decide
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten, TxSent, TxSettled
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.tx import Reverted

ANNA, BEN = (Account.from_key(bytes([number]) * 32) for number in (7, 8))


@pytest.fixture
def two(browsing: Browsing, context: Quiet) -> Browsing:
    """Two wallets must sign; a person is signed in with a key."""
    needs(context, 2)
    for name, key in (("anna", ANNA), ("ben", BEN)):
        approvers.add(approvers.person(name, wallet=str(key.address)), context)
    browsing.sign_in("read", "approve")
    return browsing


def by_wallet(page: Any, key: Any) -> str:
    """A signature over the document that the page shows."""
    found = re.search(r'<textarea id="typed"[^>]*>(.*?)</textarea>', page.text, re.DOTALL)
    assert found is not None
    typed = json.loads(html.unescape(found[1]))
    return "0x" + bytes(key.sign_message(encode_typed_data(full_message=typed)).signature).hex()


def digest(page: Any) -> str:
    found = re.search(r'name="digest" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def test_a_plan_is_shown_with_everything_that_a_person_needs_to_judge_it(two: Browsing) -> None:
    plan = waiting_plan(two.served)
    assert f"/plans/{plan.id}" in two.get("/plans").text
    page = two.get(f"/plans/{plan.id}")
    assert page.status_code == 200 and dangers(page.text) == []
    for words in (
        "<h1>Move 5,000.00 USDC to b</h1>",
        "Money before and after",
        "deposit 5,000 USDC",
        "On a copy of the chain",
        "It would be wrong if",
        "It is proven that",
        "safety B, 71 of 100",
        "0 of 2",
        "schedule",
        "Then 1 more must sign.",
    ):
        assert words in plain(page.text), words
    assert page.text.count('class="flow f') == 2, "what stays, and what moves"
    places = re.findall(r"<bdi>(\w+)</bdi>.*?title=\"([\d.]+)[^\"]*\">.*?title=\"([\d.]+)", page.text, re.DOTALL)
    assert [(name, float(old), float(new)) for name, old, new in places] == [
        ("a", 10_000, 10_000),
        ("Wallet", 5_000, 0),
        ("b", 0, 5_000),
    ]


def test_two_wallets_sign_elsewhere_and_the_page_says_who_has(two: Browsing, context: Quiet) -> None:
    plan = waiting_plan(two.served)
    path = f"/plans/{plan.id}"
    for name, key, count in (("anna", ANNA, 1), ("ben", BEN, 2)):
        page = two.get(path)
        fields = {"digest": digest(page), "approver": name, "signature": by_wallet(page, key)}
        assert two.post(f"{path}/approval", fields).status_code == 303
        shown = two.get(path).text
        assert f"Signed by {name}" in shown and f"{count} of 2" in shown
    assert signed_plans(context) == (plan.id,)
    assert 'id="approve-form"' not in two.get(path).text, "nobody else has to sign"
    assert "rehearses it again" in two.get(path).text


def test_a_signature_that_is_not_theirs_is_refused_on_the_page(two: Browsing, context: Quiet) -> None:
    path = f"/plans/{waiting_plan(two.served).id}"
    page = two.get(path)
    for fields, status in (
        ({"digest": digest(page), "approver": "anna", "signature": by_wallet(page, BEN)}, 409),
        ({"digest": digest(page), "approver": "eve", "signature": by_wallet(page, BEN)}, 422),
        ({"digest": "0x" + "00" * 32, "approver": "anna", "signature": by_wallet(page, ANNA)}, 409),
        ({"approver": "anna", "signature": by_wallet(page, ANNA)}, 409),
    ):
        refused = two.post(f"{path}/approval", fields)
        assert refused.status_code == status and 'role="alert"' in refused.text
    assert two.post(f"{path}/approval", {"digest": digest(page)}, token=False).status_code == 403
    assert signed_plans(context) == () and "0 of 2" in two.get(path).text


def test_what_is_closed_expired_or_replaced_says_so_and_cannot_be_signed(two: Browsing) -> None:
    expired = waiting_plan(two.served, -1)
    page = two.get(f"/plans/{expired.id}")
    assert "Nobody can sign this plan any more" in page.text and 'id="approve-form"' not in page.text
    old, newer = waiting_plan(two.served, 1000), waiting_plan(two.served, 2000)
    seen = two.get(f"/plans/{old.id}")
    fields = {"digest": digest(seen), "approver": "anna", "signature": by_wallet(seen, ANNA)}
    with Journal.open(two.served.service.journal_file) as journal:
        journal.append(PlanMarked(old.id, PlanStatus.EXPIRED, "queue", f"a newer plan replaced it: {newer.id}"))
    refused = two.post(f"/plans/{old.id}/approval", fields)
    assert refused.status_code == 409 and f'href="/plans/{newer.id}"' in refused.text
    assert "a newer plan replaced it" in refused.text and 'id="approve-form"' not in refused.text
    part = two.get(f"/plans/{old.id}/progress", headers={"HX-Request": "true"}).text
    assert 'data-state="expired-0"' in part and "data-waits" not in part and "hx-trigger" not in part
    same = two.get(f"/plans/{newer.id}/progress", headers={"HX-Request": "true"}).text
    assert 'data-state="queued-0"' in same and "data-waits" in same and 'hx-trigger="changed from:body"' in same


def test_while_a_halt_is_in_force_a_plan_can_be_rejected_alone(two: Browsing) -> None:
    plan = waiting_plan(two.served)
    seen = two.get(f"/plans/{plan.id}")
    fields = {"digest": digest(seen), "approver": "anna", "signature": by_wallet(seen, ANNA)}
    two.served.service.halt("the oracle looks wrong")
    halted = two.get(f"/plans/{plan.id}").text
    assert 'id="approve-form"' not in halted and 'id="elsewhere"' not in halted and 'id="reject"' in halted
    assert 'data-state="queued-0-halted"' in two.get(f"/plans/{plan.id}/progress").text
    refused = two.post(f"/plans/{plan.id}/approval", fields)
    assert refused.status_code == 409 and "nothing can be approved while a halt is in force" in refused.text
    two.served.service.resume()
    assert two.post(f"/plans/{plan.id}/approval", fields).status_code == 303


def test_a_rejected_plan_is_not_proposed_again_for_so_long(two: Browsing, context: Quiet) -> None:
    plan = waiting_plan(two.served)
    path = f"/plans/{plan.id}"
    fields = {"digest": digest(two.get(path)), "reason": "not <b>now</b>", "days": "7"}
    assert two.post(f"{path}/rejection", fields).status_code == 303
    shown = two.get(path).text
    assert "Rejected by key read-approve: not &lt;b&gt;now&lt;/b&gt;" in shown and dangers(shown) == []
    with Journal.read(two.served.service.journal_file) as journal:
        records = journal.history()
        stored = journal.plan(plan.id)
    assert stored is not None and stored.status is PlanStatus.REJECTED
    settings, at = context.settings, plan.expires_at - 3600
    for now, proposed in ((at, False), (at + 6 * 86_400, False), (at + 8 * 86_400, True)):
        found = decide(SEEN, settings.policy, settings.jobs[0], now, records=records).outcome
        assert isinstance(found, Plan if proposed else Hold), now
    assert two.post(f"{path}/rejection", fields).status_code == 409


def test_a_rejected_plan_is_not_proposed_again_before_it_gains_more(two: Browsing) -> None:
    plan = waiting_plan(two.served)
    path = f"/plans/{plan.id}"
    fields = {"digest": digest(two.get(path)), "reason": "", "days": "+50%"}
    assert two.post(f"{path}/rejection", fields).status_code == 303
    with Journal.read(two.served.service.journal_file) as journal:
        mark = [one.entry for one in journal.history() if isinstance(one.entry, PlanMarked)][-1]
    assert mark.until_gain == pytest.approx(plan.gain_per_year * 1.5) and mark.not_before == 0


def test_names_of_strangers_are_text_on_a_plan(two: Browsing) -> None:
    plan = waiting_plan(two.served)
    market = SEEN.markets[1].market.id
    for name in HOSTILE:
        rows = named_markets(two.served.service, 1, [name])
        collection = two.served.service._newest["markets"]
        row = dict(rows[0]) | {"id": market}
        two.served.service._newest["markets"] = replace(collection, rows=(row,))
        page = two.get(f"/plans/{plan.id}")
        assert page.status_code == 200 and dangers(page.text) == [], name
    with Journal.open(two.served.service.journal_file) as journal:
        odd = replace(plan, id="odd", why=HOSTILE)
        journal.append(
            PlanWritten(odd, HOSTILE, HOSTILE, HOSTILE), PlanMarked("odd", PlanStatus.FAILED, HOSTILE[0], HOSTILE[1])
        )
    for path in ("/plans", "/plans/odd", "/plans/odd/progress"):
        assert dangers(two.get(path).text) == [] and "<script>alert" not in two.get(path).text


def test_who_may_only_read_sees_a_plan_and_decides_nothing(browsing: Browsing, context: Quiet) -> None:
    needs(context, 1)
    approvers.add(approvers.person("anna", wallet=str(ANNA.address)), context)
    plan = waiting_plan(browsing.served)
    browsing.sign_in("read")
    page = browsing.get(f"/plans/{plan.id}")
    assert page.status_code == 200 and "<form" not in page.text.partition("<main")[2]
    for what in ("approval", "rejection"):
        assert browsing.post(f"/plans/{plan.id}/{what}", {"digest": "x"}).status_code == 403
    other = browsing.sign_in("read", "approve", name="other", accounts=frozenset(("0x" + "99" * 20,)))
    assert other.status_code == 303
    for path in (f"/plans/{plan.id}", f"/plans/{plan.id}/progress", "/plans/none"):
        assert browsing.get(path).status_code == 404
    assert browsing.post(f"/plans/{plan.id}/rejection", {"digest": "x"}).status_code == 404
    assert plan.id not in browsing.get("/plans").text


def test_each_transaction_is_followed_to_its_end(two: Browsing) -> None:
    plan = waiting_plan(two.served)
    other = signed("0xbb")
    with Journal.open(two.served.service.journal_file) as journal:
        journal.append(PlanMarked(plan.id, PlanStatus.APPROVED, "anna, ben"))
        journal.append(replace(signed("0xaa"), plan_id=plan.id), TxSent(other.chain, other.owner, "0xaa", 1))
        journal.append(PlanWritten(replace(plan, id="p1")), other)
    shown = two.get(f"/plans/{plan.id}").text
    assert "Transaction signed: supply 5 USDC" in shown and shown.count("Transaction sent") == 1
    assert "sent and confirmed" in shown
    with Journal.open(two.served.service.journal_file) as journal:
        journal.append(TxSettled(other.chain, other.owner, Reverted("0xaa", BLOCK, 1, "no reason")))
    assert '<li class="bad"><span>Transaction reverted' in two.get(f"/plans/{plan.id}/progress").text
