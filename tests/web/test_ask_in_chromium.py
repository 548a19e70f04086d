"""The assistant's pane in Chromium: an answer comes while it is made, can be stopped, and is text."""

from __future__ import annotations

from typing import Any

from tests.kit.api.served import Served
from tests.kit.assistant.port_double import PortDouble, whole
from tests.kit.web.browser import messages, until
from yieldbot.app.asking import Ended, Looking, Piece


class Held:
    """An event that a thread of the test sets."""

    def __init__(self) -> None:
        self.there = False

    async def wait(self) -> bool:
        """Until it is there."""
        import asyncio

        while not self.there:
            await asyncio.sleep(0.02)
        return True


def test_an_answer_comes_while_it_is_made_and_then_has_its_sources(chrome: Any, at_page: str, served: Served) -> None:
    text = "It pays 4.12 % now <img src=x onerror=alert(1)>.\n"
    key = str(served.service.newest("markets").rows[0]["key"])
    double = PortDouble([Looking("list_markets"), Piece(text), Ended(whole(key, text))])
    double.wait = held = Held()  # type: ignore[assignment]
    served.service.assistant = double
    chrome.get(f"{at_page}/ask")
    chrome.find_element("id", "key").send_keys(served.key("read")["Authorization"].removeprefix("Bearer "))
    chrome.find_element("id", "with-key").click()
    until(chrome, "location.pathname === '/ask' && document.querySelector('.examples button')")
    chrome.find_element("css selector", ".examples button").click()
    until(chrome, "document.querySelector('#coming .said').textContent.includes('onerror=alert(1)>.')")
    assert chrome.find_element("css selector", "#coming .state").text == "Looking: list markets"
    chrome.find_element("css selector", "#coming .stop").click()
    until(chrome, "document.querySelector('#coming .state').textContent === 'Stopped'")
    until(chrome, "document.querySelector('#coming .stop').hidden")
    chrome.find_element("id", "question").send_keys("What does it pay?")
    chrome.find_element("css selector", "form.ask textarea ~ p button").click()
    until(chrome, "document.querySelector('#coming .said').textContent.includes('4.12 %')")
    held.there = True
    until(chrome, "document.activeElement.id === 'latest'")
    assert chrome.find_element("css selector", "#latest .said sup a").text == "S2"
    assert not chrome.find_elements("css selector", "#latest img") and messages(chrome) == []
    assert double.asked[0][0] == "What do we hold, and what does it earn?" and len(double.asked) == 2
