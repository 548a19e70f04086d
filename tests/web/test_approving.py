"""From the link in a notice to an approval, on a phone-size screen with a passkey."""

from __future__ import annotations

import shlex
from typing import Any

from tests.kit.api.served import Served
from tests.kit.web.authenticator import authenticator, phone
from tests.kit.web.browser import PATIENCE, messages
from tests.kit.web.planned import needs, person, waiting_plan
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers
from yieldbot.app.approvers import signed_plans


def until(chrome: Any, what: str) -> Any:
    """Waits for a script's true answer."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, PATIENCE).until(lambda driver: driver.execute_script(f"return {what}"))


def test_a_person_follows_a_notice_makes_a_passkey_and_approves(
    chrome: Any, at_page: str, served: Served, context: Quiet
) -> None:
    needs(context, 1)
    plan = waiting_plan(served)
    phone(chrome)
    with authenticator(chrome):
        chrome.get(f"{at_page}/passkey")
        chrome.find_element("id", "name").send_keys("anna")
        chrome.find_element("id", "make").click()
        until(chrome, "!document.getElementById('made').hidden")
        words = shlex.split(chrome.find_element("id", "line").get_attribute("value"))
        assert words[:4] == ["yieldbot", "approver", "add", "anna"]
        person(context, "anna", words[4:])
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
