"""A whole path by the keyboard alone: sign in, find a market, look at it, approve a plan. What has the focus is always
seen, and nothing covers it."""

from __future__ import annotations

from typing import Any

from tests.kit.api.served import Served
from tests.kit.web.authenticator import authenticator, passkey_line, phone
from tests.kit.web.browser import serving, until
from tests.kit.web.planned import needs, person, waiting_plan
from tests.kit.web.rows import named_markets
from tests.kit.web.walk import PAGES, everybody, full
from tests.unit.app.test_overview import Quiet
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.web.server import pages

FOCUSED = """const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
if (one === document.body) return null;
const x = Math.min(Math.max(box.left + Math.min(box.width / 2, 40), 1), innerWidth - 2);
const y = Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 2), at = document.elementFromPoint(x, y);
const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
return [`${one.tagName} ${one.id || one.getAttribute('href') || one.name || one.textContent.trim().slice(0, 30)}`, ring,
  box.bottom > 0 && box.top < innerHeight && at !== null && (one.contains(at) || at.contains(one))];"""
MOST_TABS = 150


def tab(chrome: Any, faults: list[str]) -> bool:
    """Moves the focus on; adds what is wrong about it. Whether anything has it."""
    from selenium.webdriver import ActionChains, Keys

    ActionChains(chrome).send_keys(Keys.TAB).perform()
    if (found := chrome.execute_script(FOCUSED)) is None:
        return False
    name, ring, seen = found
    path = chrome.execute_script("return location.pathname")
    faults += [f"{path}: no ring around {name}"] * (not ring) + [f"{path}: {name} is covered"] * (not seen)
    return True


def press(chrome: Any, key: str = "\ue007") -> None:
    """Presses a key (Enter) where the focus is."""
    from selenium.webdriver import ActionChains

    ActionChains(chrome).send_keys(key).perform()


def to(chrome: Any, selector: str, faults: list[str]) -> None:
    """Tabs until what has the focus matches."""
    for _ in range(MOST_TABS):
        tab(chrome, faults)
        if chrome.execute_script("return document.activeElement.matches(arguments[0])", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_from_signing_in_to_an_approval(chrome: Any, served: Served, context: Quiet) -> None:
    needs(context, 1)
    named_markets(served.service, 30)
    plan, app, faults = waiting_plan(served), pages(served.service), list[str]()
    with serving(app) as origin, authenticator(chrome):
        phone(chrome, 1280, 800)
        person(context, "anna", passkey_line(chrome, origin, "anna")[3:])
        chrome.delete_all_cookies()
        chrome.get(f"{origin}/markets")
        to(chrome, "#with-passkey", faults)
        press(chrome)
        until(chrome, "location.pathname === '/markets'")
        to(chrome, "a.skip", faults)
        press(chrome)
        assert chrome.execute_script("return document.activeElement.id") == "main"
        to(chrome, "#q", faults)
        press(chrome, "market 01")
        until(chrome, "location.search.includes('market')")
        to(chrome, "th a", faults)
        sorted_by = chrome.execute_script("return document.activeElement.getAttribute('href')")
        press(chrome)
        until(chrome, "document.querySelector('th[aria-sort]') && location.search.includes('sort=')")
        assert sorted_by and "sort=" in sorted_by
        to(chrome, "tbody th a", faults)
        press(chrome)
        until(chrome, "location.pathname.startsWith('/markets/')")
        to(chrome, "nav a[href='/plans']", faults)
        press(chrome)
        until(chrome, "location.pathname === '/plans'")
        to(chrome, f"a[href='/plans/{plan.id}']", faults)
        press(chrome)
        until(chrome, f"location.pathname === '/plans/{plan.id}'")
        to(chrome, "summary", faults)
        press(chrome)
        assert chrome.execute_script("return document.activeElement.parentElement.open")
        to(chrome, "#with-passkey", faults)
        press(chrome)
        until(chrome, "document.body.innerText.includes('Signed by anna')")
        chrome.get("about:blank")
    assert signed_plans(context) == (plan.id,) and not faults, "\n".join(faults)


def test_every_page_is_walked_by_tab_and_the_focus_is_seen(chrome: Any, served: Served) -> None:
    parameters = full(served)
    app, faults = pages(served.service), list[str]()
    with serving(app) as origin:
        phone(chrome, 390, 844)
        chrome.get(f"{origin}/static/none")
        chrome.add_cookie({"name": "yieldbot", "value": everybody(served, app)})
        for path in PAGES:
            chrome.get(origin + path.format(**parameters))
            chrome.execute_script("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
            steps = 0
            while steps < MOST_TABS and tab(chrome, faults):
                steps += 1
            assert steps >= 4, f"{path}: {steps} steps"
        found = list[str]()
        chrome.execute_script("document.querySelectorAll('*').forEach((one) => { one.style.outline = 'none'; })")
        tab(chrome, found)
        assert any("no ring" in one for one in found), "a focus that is not seen is a fault"
        chrome.get("about:blank")
        phone(chrome, 1280, 900)
    assert not faults, "\n".join(dict.fromkeys(faults))
