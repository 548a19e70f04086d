"""Pages at their narrowest and widest, with hundreds of markets, some named by strangers: nothing moves, nothing is
too wide, nothing is refused, and figures are written in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.web.authenticator import phone
from tests.kit.web.browser import PATIENCE, messages, serving, until
from tests.kit.web.rows import HOSTILE, named_markets
from tests.kit.web.walk import everybody
from yieldbot.app.events import LONGEST_SECONDS
from yieldbot.web.server import pages

PAGES = (
    "/",
    "/markets",
    "/markets/{key}",
    "/found",
    "/positions",
    "/transactions",
    "/forecasts",
    "/backtests",
    "/alerts",
    "/ask",
    "/plans",
    "/proposals",
    "/settings",
    "/halt",
)
MOVED = """window.moved = []; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.moved.push([one.value, ...one.sources.map(
    (source) => source.node && (source.node.id || source.node.className || source.node.nodeName))]);
}).observe({ type: "layout-shift", buffered: true });"""
LISTED = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/page.js'))"
"""Whether the browser has listed what the page loaded, which may be after the page counts as loaded."""
LARGEST_MOVE = 0.01
"""The sum of layout shifts that counts as none; 0.1 is what search engines call good."""
MARKETS, MOST_BYTES = 500, 200_000
SCROLL = """const done = arguments[0]; let none = 0; (function on() {
  const more = document.querySelector("tbody.more");
  if (more) { none = 0; more.scrollIntoView(); }
  else if (++none > 30) return done(document.querySelectorAll("tbody tr").length);  // not between two pieces
  requestAnimationFrame(on);
})();"""
AGENT = "yieldbot's tests"
ZEROS = """const done = arguments[0], main = document.querySelector('main');
for (const kind of ['', 'data-percent', 'data-signed']) main.insertAdjacentHTML('beforeend',
  `<data class="n zero" value="-0.000001" data-digits="2" ${kind}>x</data>`);
requestAnimationFrame(() => done([...document.querySelectorAll('.zero')].map((one) => one.textContent)));"""
"""What the page's script writes of a loss too small for the places that it has."""
SQUEEZED = """return [...document.querySelectorAll('tbody th[scope=row]')]
  .filter((one) => one.offsetWidth && one.offsetWidth < 70).map((one) => `${one.innerText} in ${one.offsetWidth} px`)"""


@pytest.fixture
def signed_in(chrome: Any, served: Served) -> Iterator[str]:
    """The page's origin, where somebody who may do everything is signed in, before many markets."""
    names = [HOSTILE[at] if at < len(HOSTILE) else f"market {at:03}" for at in range(MARKETS)]
    named_markets(served.service, MARKETS, names=names)
    served.service.events.longest_seconds = LONGEST_SECONDS
    app = pages(served.service)
    added = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": MOVED})
    with serving(app) as origin:
        chrome.get(f"{origin}/static/none")
        chrome.delete_all_cookies()
        chrome.add_cookie({"name": "yieldbot", "value": everybody(served, app)})
        chrome.execute_cdp_cmd("Network.enable", {})
        chrome.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        messages(chrome)
        yield origin
        chrome.get("about:blank")
    chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    chrome.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    chrome.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": AGENT, "acceptLanguage": "en-US"})
    phone(chrome, 1280, 900)


def test_nothing_moves_or_overflows_on_the_narrowest_and_the_widest_screen(
    chrome: Any, signed_in: str, served: Served
) -> None:
    key = served.service.newest("markets").rows[0]["key"]
    faults = list[str]()
    for theme, width in (("light", 360), ("dark", 3840)):
        phone(chrome, width, 1000)
        scheme = [{"name": "prefers-color-scheme", "value": theme}]
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        for path in PAGES:
            chrome.get(signed_in + path.format(key=key))
            until(chrome, LISTED)
            found, weight, wide, moved = chrome.execute_script(
                "return [document.querySelectorAll('h1').length, performance.getEntriesByType('navigation').concat("
                "performance.getEntriesByType('resource')).reduce((sum, one) => sum + one.encodedBodySize, 0), "
                "document.documentElement.scrollWidth - innerWidth, window.moved]"
            )
            assert found == 1
            name = f"{path} at {width} px, {theme}"
            faults += [f"{name}: {one}" for one in messages(chrome)]
            faults += [f"{name}: {wide} px too wide"] * (wide > 0)
            faults += [f"{name}: {one}" for one in chrome.execute_script(SQUEEZED)[:3]]
            faults += [f"{name}: moved {moved}"] * (sum(one[0] for one in moved) > LARGEST_MOVE)
            faults += [f"{name}: {weight} bytes"] * (weight > MOST_BYTES)
            assert weight > 10_000, f"{name}: what was loaded is counted"
    assert not faults, "\n".join(faults)


def test_further_rows_come_while_a_person_scrolls_and_the_page_hears_of_changes(
    chrome: Any, signed_in: str, served: Served
) -> None:
    chrome.set_script_timeout(PATIENCE)
    chrome.get(f"{signed_in}/markets")
    assert chrome.execute_async_script(SCROLL) == MARKETS
    assert chrome.execute_script("return document.querySelectorAll('main script, main img, main iframe').length") == 0
    chrome.execute_script("scrollTo(0, 0)")
    chrome.find_element("css selector", "th.c-safety a").click()
    until(
        chrome, "location.search == '?sort=-safety' && document.querySelector('th.c-safety').ariaSort == 'descending'"
    )
    markets = served.service.newest("markets")
    served.service._newest["markets"] = replace(markets, unread=("a chain",))
    chrome.get(signed_in)
    until(chrome, "document.querySelector('#content').textContent.includes('Only what could be read: 1 not read')")
    chrome.get(f"{signed_in}/markets")
    until(chrome, "document.querySelector('#live').classList.contains('on')")
    chrome.execute_script(
        "window.before = document.querySelector('#content'); document.querySelector('#content details').open = true"
    )
    served.service.halt("the oracle looks wrong")
    until(chrome, "document.querySelector('#content') !== window.before")
    until(chrome, "document.querySelector('#content details').open")
    assert messages(chrome) == []


@pytest.mark.parametrize(
    ("language", "amount", "share"),
    [("de-DE", "10.000,00", "%"), ("ar-EG", "\u0661\u0660\u066c\u0660\u0660\u0660", "\u066a")],
)
def test_figures_are_in_the_readers_language(
    chrome: Any, signed_in: str, language: str, amount: str, share: str
) -> None:
    chrome.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": AGENT, "acceptLanguage": language})
    chrome.get(f"{signed_in}/positions")
    text = chrome.find_element("css selector", "main").text
    assert amount in text and share in text and messages(chrome) == []
    assert not [one for one in chrome.execute_async_script(ZEROS) if "-" in one or "\u2212" in one]
