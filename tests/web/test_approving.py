"""From the link in a notice to an approval, on a phone-size screen with a passkey."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.api.served import Served
from tests.kit.web.authenticator import authenticator, passkey_line, phone
from tests.kit.web.browser import messages, serving, until
from tests.kit.web.planned import needs, person, waiting_plan
from tests.kit.web.rows import HOSTILE, named_markets
from tests.kit.web.walk import everybody, full, of_person
from tests.unit.app.test_overview import SEEN, Quiet
from yieldbot.app import approvers, plan_signatures
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.web.server import pages


def test_a_person_follows_a_notice_makes_a_passkey_and_approves(
    chrome: Any, at_page: str, served: Served, context: Quiet
) -> None:
    needs(context, 1)
    plan = waiting_plan(served)
    phone(chrome)
    with authenticator(chrome):
        person(context, "anna", passkey_line(chrome, at_page, "anna")[3:])
        (registered,) = approvers.list_(context).approvers
        assert chrome.find_element("id", "check-code").text == registered.check_code

        chrome.get(f"{at_page}/plans/{plan.id}")
        assert "/sign-in" in chrome.current_url
        chrome.find_element("id", "with-passkey").click()
        until(chrome, f"location.pathname == '/plans/{plan.id}'")
        chrome.find_element("id", "with-passkey").click()
        until(chrome, "document.querySelector('.timeline') && document.body.innerText.includes('Signed by anna')")
    assert signed_plans(context) == (plan.id,)
    assert [one for one in messages(chrome) if "pubKeyCredParams" not in one] == []  # ES256 is the one kind we take


def test_a_passkey_that_does_not_verify_its_user_signs_nobody_in(chrome: Any, at_page: str) -> None:
    with authenticator(chrome, verifies=False):
        chrome.get(f"{at_page}/sign-in")
        chrome.find_element("id", "with-passkey").click()
        until(chrome, "!document.getElementById('passkey-why').hidden")
        assert "Nothing was done" in chrome.find_element("id", "passkey-why").text
        assert chrome.get_cookies() == []


def test_another_site_frames_nothing_sends_nothing_and_hostile_names_do_nothing(
    chrome: Any, served: Served, context: Quiet
) -> None:
    """With the cookie of a person who may do everything."""
    parameters = full(served)
    rows = named_markets(served.service, 1, [HOSTILE[1]])
    served.service._newest["markets"] = replace(
        served.service.newest("markets"), rows=(dict(rows[0]) | {"id": SEEN.markets[1].market.id},)
    )
    app = pages(served.service)
    with serving(app) as origin:
        chrome.get(f"{origin}/sign-in")
        chrome.add_cookie({"name": "yieldbot", "value": everybody(served, app), "sameSite": "Strict", "httpOnly": True})
        path = f"/plans/{parameters['plan_id']}"
        messages(chrome)
        chrome.get(origin + path)
        assert HOSTILE[1] in chrome.find_element("tag name", "h1").text
        assert chrome.execute_script("return document.cookie") == "" and messages(chrome) == []
        chrome.get("data:text/html," + quote(f'<iframe src="{origin}{path}"></iframe>'))
        chrome.switch_to.frame(0)
        assert "Approve" not in chrome.find_element("tag name", "body").text
        chrome.switch_to.default_content()
        form = f'<form method=post action="{origin}/halt"><input name=reason value=x></form>'
        chrome.get("data:text/html," + quote(form))
        chrome.execute_script("document.forms[0].submit()")
        until(chrome, f"location.origin == '{origin}'")
        assert "another site" in chrome.find_element("tag name", "main").text
        assert served.service.halted() is None
        chrome.get("about:blank")


def test_a_page_follows_its_plan_and_a_person_who_is_removed_can_do_nothing_more(
    chrome: Any, served: Served, context: Quiet
) -> None:
    needs(context, 2)
    plan = waiting_plan(served)
    app = pages(served.service)
    with serving(app) as origin, authenticator(chrome):
        person(context, "anna", passkey_line(chrome, origin, "anna")[3:])
        approvers.add(approvers.person("ben", wallet="0x" + "77" * 20), context)
        messages(chrome)
        chrome.add_cookie({"name": "yieldbot", "value": of_person(app, "anna")})
        chrome.get(f"{origin}/plans/{plan.id}")
        chrome.find_element("id", "with-passkey").click()
        until(chrome, "document.body.innerText.includes('You have signed. 1 more must.')")
        with Journal.open(served.service.journal_file) as journal:
            journal.append(PlanMarked(plan.id, PlanStatus.APPROVED, "anna, ben"))
        until(chrome, "document.body.innerText.includes('Rehearsed again and approved')")
        with Journal.open(served.service.journal_file) as journal:
            journal.append(PlanMarked(plan.id, PlanStatus.EXECUTED, "execution"))
        until(chrome, "document.body.innerText.includes('Carried out')")
        until(chrome, "!document.querySelector('form.act')")
        assert [one for one in messages(chrome) if "pubKeyCredParams" not in one] == []
        approvers.remove("anna", context)
        chrome.get(f"{origin}/plans/{plan.id}")
        assert "/sign-in" in chrome.current_url
        chrome.get("about:blank")


def test_a_wallet_in_the_browser_signs_what_the_page_shows(chrome: Any, served: Served, context: Quiet) -> None:
    """The wallet is a double (EIP-1193), which signs this plan's document alone."""
    needs(context, 1)
    plan, anna = waiting_plan(served), Account.from_key(b"\x07" * 32)
    approvers.add(approvers.person("anna", wallet=str(anna.address)), context)
    typed = plan_signatures.to_sign(plan.id, context).typed
    signature = "0x" + bytes(anna.sign_message(encode_typed_data(full_message=typed)).signature).hex()
    source = """window.ethereum = {request: async ({method, params}) => {
      if (method === 'eth_requestAccounts') return [%s.toLowerCase()];
      const asked = JSON.parse(params[1]), known = %s;
      if (method !== 'eth_signTypedData_v4' || JSON.stringify(asked) !== JSON.stringify(known)) throw new Error('no');
      return %s;
    }}"""
    filled = source % (json.dumps(str(anna.address)), json.dumps(typed), json.dumps(signature))
    added = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": filled})
    app = pages(served.service)
    with serving(app) as origin:
        chrome.get(f"{origin}/sign-in")
        chrome.add_cookie({"name": "yieldbot", "value": everybody(served, app)})
        chrome.get(f"{origin}/plans/{plan.id}")
        assert not chrome.find_element("id", "with-passkey").is_displayed()
        chrome.find_element("id", "with-wallet").click()
        until(chrome, "document.body.innerText.includes('Signed by anna')")
        chrome.get("about:blank")
    chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert signed_plans(context) == (plan.id,)
