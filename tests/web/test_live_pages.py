"""Open pages follow what happens: proposals, orders, a halt; the keyboard stays where it was."""

from __future__ import annotations

from typing import Any

from tests.kit.api.served import Served
from tests.kit.web.authenticator import phone
from tests.kit.web.browser import messages, serving, until
from tests.kit.web.walk import everybody, proposed
from tests.unit.app.test_overview import Quiet
from yieldbot.app import proposals
from yieldbot.app.events import LONGEST_SECONDS
from yieldbot.web.server import pages

LIVE = "document.getElementById('live').textContent === 'Live'"
SAYS = "document.querySelector('main').innerText.includes('{}')"
FOCUS = "document.activeElement.getAttribute('href') === '{}'"


def test_proposals_and_a_halt_appear_by_themselves(chrome: Any, served: Served, context: Quiet) -> None:
    served.service.events.longest_seconds = LONGEST_SECONDS
    app = pages(served.service)
    with serving(app, timeout_graceful_shutdown=1) as origin:
        phone(chrome)
        chrome.get(f"{origin}/static/none")
        chrome.delete_all_cookies()
        chrome.add_cookie({"name": "yieldbot", "value": everybody(served, app)})
        messages(chrome)
        chrome.get(f"{origin}/proposals")
        until(chrome, f"{LIVE} && {SAYS.format('Nothing waits')}")
        exit_, alert = proposed(served)
        until(chrome, "document.querySelectorAll('a[href^=\"/proposals/\"]').length === 2")
        chrome.execute_script(f"document.querySelector('a[href=\"/proposals/{exit_.id}\"]').focus()")
        proposals.reject(alert.id, context)
        until(chrome, SAYS.format("Decided or expired"))
        until(chrome, FOCUS.format(f"/proposals/{exit_.id}"))
        chrome.get(f"{origin}/proposals/{exit_.id}")
        until(chrome, f"{LIVE} && document.querySelector('form[action$=rejection]')")
        proposals.reject(exit_.id, context)
        until(chrome, f"{SAYS.format('rejected')} && !document.querySelector('form[action$=rejection]')")
        served.service.halt("the oracle looks wrong")
        until(chrome, SAYS.format("the oracle looks wrong"))
        until(chrome, "document.getElementById('halt-link').textContent === 'Halted'")
        served.service.resume()
        until(chrome, f"!{SAYS.format('Nothing is signed')}")
        assert messages(chrome) == []
        chrome.get("about:blank")
