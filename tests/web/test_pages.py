"""Pages in Chromium."""

from __future__ import annotations

from typing import Any

from tests.kit.api.served import Served
from tests.kit.web.browser import messages, until


def test_a_person_signs_in_and_sees_markets(chrome: Any, at_page: str, served: Served) -> None:
    key = served.key("read")["Authorization"].removeprefix("Bearer ")
    chrome.get(f"{at_page}/markets")
    chrome.find_element("id", "key").send_keys(key)
    chrome.find_element("id", "with-key").click()
    until(chrome, "location.pathname === '/markets'")
    assert chrome.find_elements("css selector", "tbody tr")
    assert chrome.execute_script("return typeof htmx") == "object" and messages(chrome) == []
