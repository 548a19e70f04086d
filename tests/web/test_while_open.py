"""What happens while a page is open: its plan ends, the server goes, the session ends, a button is pressed twice."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.api.served import Served
from tests.kit.web.authenticator import authenticator, passkey_line, phone
from tests.kit.web.browser import messages, serving, until
from tests.kit.web.planned import needs, person, waiting_plan
from tests.kit.web.walk import everybody, of_person
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers, plan_signatures
from yieldbot.app.events import LONGEST_SECONDS
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.web.server import pages

BEN = Account.from_key(b"\x08" * 32)
NO_BUTTONS = """!['approve-form', 'reject', 'elsewhere'].some(
  (one) => document.getElementById(one) && !document.getElementById(one).hidden)"""
SAYS = "document.querySelector('main').innerText.includes('{}')"
WHY = "document.querySelector('#approve-form .not-sent')"
BRIEF = {"timeout_graceful_shutdown": 1}


def test_a_plan_that_ends_while_it_is_open_says_so_and_its_buttons_go(
    chrome: Any, served: Served, context: Quiet
) -> None:
    needs(context, 2)
    approvers.add(approvers.person("ben", wallet=str(BEN.address)), context)
    served.service.events.longest_seconds = LONGEST_SECONDS
    app = pages(served.service)
    with serving(app, **BRIEF) as origin, authenticator(chrome):
        phone(chrome)
        person(context, "anna", passkey_line(chrome, origin, "anna")[3:])
        chrome.add_cookie({"name": "yieldbot", "value": of_person(app, "anna")})

        old = waiting_plan(served)
        chrome.get(f"{origin}/plans/{old.id}")
        until(chrome, "document.getElementById('live').classList.contains('on')")
        newer = waiting_plan(served, 2000)
        with Journal.open(served.service.journal_file) as journal:
            journal.append(PlanMarked(old.id, PlanStatus.EXPIRED, "queue", f"a newer plan replaced it: {newer.id}"))
        until(chrome, f"{SAYS.format('a newer plan replaced it')} && {NO_BUTTONS}")
        assert chrome.find_elements("css selector", f"a[href='/plans/{newer.id}']")

        chrome.get(f"{origin}/plans/{newer.id}")
        until(chrome, "document.getElementById('live').classList.contains('on')")
        assert chrome.execute_script(f"return !({NO_BUTTONS})")
        served.service.halt("the oracle looks wrong")
        until(chrome, "!document.getElementById('approve-form')")
        assert "Nothing can be approved while the halt is in force" in chrome.find_element("tag name", "main").text
        served.service.resume()
        until(chrome, "document.getElementById('approve-form')")

        chrome.find_element("css selector", "[data-opens=reject]").click()  # what is written stays while it has a use
        chrome.find_element("id", "reason").send_keys("the rate will fall")
        typed = encode_typed_data(full_message=plan_signatures.to_sign(newer.id, context).typed)
        signature = "0x" + bytes(BEN.sign_message(typed).signature).hex()
        plan_signatures.sign(plan_signatures.SignRequest(plan_id=newer.id, name="ben", signature=signature), context)
        until(chrome, "document.querySelector('.timeline').innerText.includes('Signed by ben')")
        assert chrome.find_element("id", "reason").get_attribute("value") == "the rate will fall"
        with Journal.open(served.service.journal_file) as journal:
            journal.append(PlanMarked(newer.id, PlanStatus.APPROVED, "ben"))
        until(chrome, f"{SAYS.format('This plan waits no more')} && {NO_BUTTONS}")

        brief = waiting_plan(served, 4)
        chrome.get(f"{origin}/plans/{brief.id}")
        until(chrome, f"{SAYS.format('Nobody can sign this plan any more')} && {NO_BUTTONS}")
        assert signed_plans(context) == () and messages(chrome)[1:] == []  # the first: which kind of passkey is made
        chrome.get("about:blank")


def test_without_a_server_nothing_is_lost_and_it_goes_on_by_itself(chrome: Any, served: Served, context: Quiet) -> None:
    needs(context, 2)
    approvers.add(approvers.person("anna", wallet="0x" + "77" * 20), context)
    plan = waiting_plan(served)
    served.service.events.longest_seconds = LONGEST_SECONDS
    app = pages(served.service)
    with serving(app, **BRIEF) as origin:
        phone(chrome)
        chrome.get(f"{origin}/static/none")
        chrome.delete_all_cookies()
        chrome.add_cookie({"name": "yieldbot", "value": (first := everybody(served, app))})
        caller = app.state.sessions.find(first).caller
        chrome.get(f"{origin}/plans/{plan.id}")
        until(chrome, "document.getElementById('live').classList.contains('on')")
        chrome.execute_script("document.getElementById('reject').open = true")
        chrome.find_element("id", "reason").send_keys("the rate will fall")
    until(chrome, "document.getElementById('live').textContent.startsWith('No connection')")
    chrome.find_element("css selector", "#reject button").click()
    until(chrome, "document.querySelector('#reject .not-sent')?.textContent.startsWith('No connection: nothing was')")
    with serving(app, urlsplit(origin).port or 0, **BRIEF):
        until(chrome, "document.getElementById('live').textContent === 'Live'")
        app.state.sessions._open.clear()  # every session has ended
        chrome.find_element("css selector", "#reject button").click()
        until(chrome, "document.querySelector('#reject .not-sent').textContent.startsWith('You are signed out')")
        chrome.add_cookie({"name": "yieldbot", "value": app.state.sessions.begin(caller)})  # in another tab
        assert chrome.find_element("id", "reason").get_attribute("value") == "the rate will fall"
        chrome.execute_script("const one = document.querySelector('#reject button'); one.click(); one.click();")
        until(chrome, SAYS.format("Rejected by key all: the rate will fall"))
        assert not chrome.find_elements("css selector", "main > #content [role=alert]:not([hidden])")
        chrome.get("about:blank")


def test_an_approval_survives_a_lost_line_an_ended_session_a_second_press_and_a_second_tab(
    chrome: Any, served: Served, context: Quiet
) -> None:
    needs(context, 1)
    served.service.events.longest_seconds = LONGEST_SECONDS
    plan, app = waiting_plan(served), pages(served.service)
    with serving(app, **BRIEF) as origin, authenticator(chrome):
        phone(chrome)
        person(context, "anna", passkey_line(chrome, origin, "anna")[3:])
        chrome.delete_all_cookies()
        chrome.add_cookie({"name": "yieldbot", "value": of_person(app, "anna")})
        chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
        chrome.get(f"{origin}/plans/{plan.id}")
        until(chrome, "document.getElementById('live').textContent === 'Live'")
        assert "GMT+9" in chrome.find_element("css selector", ".timeline time").get_attribute("title")
        chrome.execute_cdp_cmd("Network.enable", {})
        for offline in (True, False):
            lost = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1, "offline": offline}
            chrome.execute_cdp_cmd("Network.emulateNetworkConditions", lost)
            if offline:
                until(chrome, "document.getElementById('live').textContent.startsWith('No connection')")
                chrome.find_element("id", "with-passkey").click()
                until(chrome, f"{WHY}?.textContent.startsWith('No connection')")
        until(chrome, "document.getElementById('live').textContent === 'Live'")
        app.state.sessions._open.clear()
        chrome.find_element("id", "with-passkey").click()
        until(chrome, f"{WHY}.textContent.startsWith('You are signed out')")
        chrome.add_cookie({"name": "yieldbot", "value": of_person(app, "anna")})
        first = chrome.current_window_handle
        chrome.switch_to.new_window("tab")
        chrome.get(f"{origin}/plans/{plan.id}")
        second = chrome.current_window_handle
        chrome.switch_to.window(first)
        chrome.execute_script("const one = document.getElementById('with-passkey'); one.click(); one.click();")
        until(chrome, SAYS.format("Signed by anna"))
        assert chrome.find_element("css selector", ".timeline").text.count("Signed by anna") == 1
        chrome.back()
        until(chrome, "!document.getElementById('with-passkey')")
        chrome.switch_to.window(second)
        until(chrome, f"!document.getElementById('with-passkey') && {SAYS.format('Signed by anna')}")
        chrome.close()
        chrome.switch_to.window(first)
        chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
        chrome.get("about:blank")
        messages(chrome)
    assert signed_plans(context) == (plan.id,)
