"""One browser for all tests of a worker, a server over the double of a chain's session, and a person at its pages who
needs no browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.web.browser import chromium, messages, serving
from tests.unit.api.conftest import context, served
from tests.unit.web.conftest import browsing
from yieldbot.web.server import pages

__all__ = ["browsing", "context", "served"]


@pytest.fixture(scope="session")
def chrome() -> Iterator[Any]:
    """Chromium; its cookies are deleted for each test by ``at_page``."""
    driver = chromium()
    yield driver
    driver.quit()


@pytest.fixture
def at_page(served: Served, chrome: Any) -> Iterator[str]:
    """The page's origin, at which nobody is signed in."""
    with serving(pages(served.service)) as origin:
        chrome.get(f"{origin}/sign-in")
        chrome.delete_all_cookies()
        messages(chrome)
        yield origin
        chrome.get("about:blank")
