"""Chromium, driven by selenium, and a server for it in a thread of this process on loopback."""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.kit import ROOT

SELENIUM = ROOT / ".cache" / "browser"
"""What ``scripts/browser`` installs."""
DRIVER, CHROMIUM = "/usr/bin/chromedriver", "/usr/bin/chromium"
START_SECONDS, PATIENCE = 120.0, 60.0


def why_not() -> str | None:
    """Why there is no browser to test with; None: there is one."""
    if not SELENIUM.is_dir():
        return "scripts/browser installs selenium, which this needs"
    for file in (DRIVER, CHROMIUM):
        if shutil.which(file) is None:
            return f"there is no {file}: apt install chromium chromium-driver"
    return None


def chromium(width: int = 1280, height: int = 900, *, dark: bool = False, language: str = "en-US") -> Any:
    """A new Chromium without a window; it asks nothing of any network but the pages that it is given."""
    if (lacking := why_not()) is not None:
        pytest.skip(lacking)
    if str(SELENIUM) not in sys.path:
        sys.path.append(str(SELENIUM))
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        f"--lang={language}",
        f"--window-size={width},{height}",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(PATIENCE)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    return driver


@contextmanager
def serving(app: Any, port: int = 0, **more: Any) -> Iterator[str]:
    """An application on a port of loopback (0: a free one); yields its origin, whose host is ``localhost``, to
    which passkeys may belong without TLS."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none", **more)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    waited = threading.Event()
    for _ in range(int(START_SECONDS / 0.02)):
        if server.started:
            break
        waited.wait(0.02)
    assert server.started, "the server has begun"
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def until(driver: Any, what: str) -> None:
    """Waits until a script's answer is true on a page that is whole: what is asked of a page that is still being read
    may not be there yet, and opening another page meanwhile may return before that one came."""
    from selenium.webdriver.support.ui import WebDriverWait

    script = f"return document.readyState === 'complete' && ({what})"
    WebDriverWait(driver, PATIENCE).until(lambda one: one.execute_script(script))


def messages(driver: Any) -> list[str]:
    """What the browser complained about since the last call: script errors, and what the page's policy refused."""
    return [one["message"] for one in driver.get_log("browser") if one["level"] in ("SEVERE", "WARNING")]


def picture(driver: Any, file: Path) -> None:
    """Save what is seen."""
    driver.save_screenshot(str(file))
