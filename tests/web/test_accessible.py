"""Every page that there is, by axe-core (https://github.com/dequelabs/axe-core): none has a serious or critical
finding, on a phone and on a desk, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit import ROOT
from tests.kit.api.served import Served
from tests.kit.web.authenticator import phone
from tests.kit.web.browser import messages, serving
from tests.kit.web.walk import PAGES, everybody, full
from yieldbot.web.server import pages

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
RUN = """const done = arguments[arguments.length - 1], only = arguments[0];
axe.run(document, only ? {runOnly: {type: 'rule', values: only}} : {}).then((found) => done(
  found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => one.id + ': ' + one.nodes.map((node) => node.target + ' ' + node.failureSummary).join(' | '))
), (failure) => done([String(failure)]));"""
LIGHT, DARK = ("light", 390, None), ("dark", 1440, ["color-contrast", "scrollable-region-focusable"])


@pytest.fixture(scope="module")
def walked(chrome: Any) -> Iterator[Any]:
    """Chromium with axe-core in every page."""
    added = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": AXE})
    yield chrome
    chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    phone(chrome, 1280, 900)


def test_no_page_has_a_serious_finding_and_none_is_wider_than_a_phone(walked: Any, served: Served) -> None:
    parameters = full(served)
    app = pages(served.service)
    faults = list[str]()
    with serving(app) as origin:
        walked.get(f"{origin}/static/none")
        walked.add_cookie({"name": "yieldbot", "value": everybody(served, app)})
        messages(walked)
        for theme, width, rules in (LIGHT, DARK):
            phone(walked, width)
            scheme = [{"name": "prefers-color-scheme", "value": theme}]
            walked.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
            for path in PAGES:
                walked.get(origin + path.format(**parameters))
                assert walked.find_elements("tag name", "h1") and walked.current_url == origin + path.format(
                    **parameters
                )
                found = walked.execute_async_script(RUN, rules)
                if walked.execute_script("return document.documentElement.scrollWidth > innerWidth"):
                    found.append("it is wider than the view")
                faults += [f"{path} ({theme}): {one}" for one in (*found, *messages(walked))]
        walked.execute_script("document.querySelector('h1').append(new Image())")
        assert "image-alt" in str(walked.execute_async_script(RUN, ["image-alt"])), "axe-core finds what is there"
    assert not faults, "\n".join(faults)
