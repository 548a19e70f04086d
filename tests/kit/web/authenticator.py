"""A virtual authenticator in Chromium (WebAuthn, 11): a platform authenticator that verifies its user."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.kit.web.browser import until


@contextmanager
def authenticator(driver: Any, *, verifies: bool = True) -> Iterator[Any]:
    """Added to the browser for as long as it is used."""
    from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

    options = VirtualAuthenticatorOptions(
        protocol="ctap2", transport="internal", has_resident_key=True, has_user_verification=True
    )
    options.is_user_verified = verifies
    driver.add_virtual_authenticator(options)
    try:
        yield driver
    finally:
        driver.remove_virtual_authenticator()


def phone(driver: Any, width: int = 390, height: int = 844) -> None:
    """The size of the view, in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def passkey_line(driver: Any, origin: str, name: str) -> list[str]:
    """Makes a passkey on the page; returns the words of the line that it shows, after ``yieldbot``."""
    driver.get(f"{origin}/passkey")
    driver.find_element("id", "name").send_keys(name)
    driver.find_element("id", "make").click()
    until(driver, "!document.getElementById('made').hidden")
    words = shlex.split(driver.find_element("id", "line").get_attribute("value"))
    assert words[:4] == ["yieldbot", "approver", "add", name]
    return words[1:]
