"""A virtual authenticator in Chromium (WebAuthn, 11): a platform authenticator that verifies its user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
