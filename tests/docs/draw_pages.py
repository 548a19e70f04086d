"""``scripts/draw-pages``: pictures of the web page for README.md, of a sandbox in which ninety days pass.

The program runs as a person runs it: readings, a deposit, others who come and go, a plan that waits, `yieldbot serve`,
and Chromium.
"""

from __future__ import annotations

import asyncio
import json
import math
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from eth_utils.abi import function_signature_to_4byte_selector

from tests.kit.evm.home import Home
from tests.kit.evm.passing import at, newest, others_supply
from tests.kit.web.authenticator import authenticator, phone
from tests.kit.web.browser import chromium, picture
from yieldbot.sandbox.evm.node import Sandbox, start

DAY = 86_400
STEP = 2 * DAY
OTHERS = {9: 40_000, 21: 60_000, 33: 90_000, 41: 2_500_000}
"""Whole USDC that others lend to Aave, by the number of the step."""
LAST_RUN = 39
"""The step after which nothing moves: the plan for what came since waits for a person."""
PATIENCE = 300.0
DESK = (1280, 860)


def move_prices(sandbox: Sandbox, ether: float, dai: float) -> None:
    """What oracles say from now on, in dollars: a price that never moves would be an alarm."""
    sender = sandbox.rpc("eth_accounts")[0]
    for name, function, value in (
        ("weth_feed", "set(int256)", round(ether * 10**8)),
        ("dai_feed", "set(int256)", round(dai * 10**8)),
        ("morpho_oracle", "setPrice(uint256)", round(ether * 10**24)),
    ):
        data = "0x" + function_signature_to_4byte_selector(function).hex() + f"{value:064x}"
        call = {"from": sender, "to": sandbox.addresses[name], "data": data, "gas": hex(200_000)}
        sandbox.rpc("eth_sendTransaction", call)
        sandbox.rpc("evm_mine")


def ninety_days(home: Home) -> None:
    """What is invested earns and moves while time passes, until today."""
    home.run("run", "--approve", "auto")
    number = 0
    while (then := newest(home.sandbox) + STEP) < time.time() - 600:
        number += 1
        if number in OTHERS:
            others_supply(home.sandbox, OTHERS[number])
        at(home.sandbox, max(then, newest(home.sandbox) + 1))
        move_prices(home.sandbox, 3000 + 150 * math.sin(number / 4), 1 - 0.0002 * math.sin(number / 3))
        home.run("run", "--approve", "auto") if number % 3 == 0 and number <= LAST_RUN else home.run("observe")
    at(home.sandbox, max(int(time.time()) - 5, newest(home.sandbox) + 1))
    home.run("watch")


@contextmanager
def served(home: Home) -> Iterator[str]:
    """`yieldbot serve` beside it, which has read its chains; yields its origin."""
    made = home.run("--json", "key", "new", "pictures", "--scope", "read,plan,approve,halt").document["key"]
    words = [sys.executable, "-m", "yieldbot.cli.main", "serve", "--port", "0"]
    process = subprocess.Popen(words, cwd=home.sandbox.directory, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        port = line.split("127.0.0.1:")[1].split("/")[0]
        asked = Request(f"http://127.0.0.1:{port}/v1/health", headers={"Authorization": f"Bearer {made}"})
        until = time.monotonic() + PATIENCE
        while not json.loads(urlopen(asked, timeout=60).read())["read_at"]:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.5)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(60)


def draw(out: Path) -> None:
    """Write the three pictures into a folder."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = asyncio.run(start(Path(folder) / "sandbox", temporary=True))
        try:
            home = Home(sandbox)
            ninety_days(home)
            config = sandbox.directory / "yieldbot.toml"
            config.write_text(config.read_text().replace("[policy]", "[policy]\napprovals_needed = 1", 1))
            with served(home) as origin:
                _pictures(home, origin, out)
        finally:
            sandbox.stop()


def _pictures(home: Home, origin: str, out: Path) -> None:
    driver = chromium(1280, 900)
    try:
        with authenticator(driver):
            _become(driver, home, origin)
            queued = home.run("run", "--approve", "queue")
            assert queued.code == 3, queued.out + queued.err
            driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            phone(driver, *DESK)
            _see(driver, f"{origin}/")
            picture(driver, out / "page-overview.png")
            driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
            )
            _see(driver, f"{origin}/markets")
            driver.find_element("link text", "Aave v3").click()
            driver.find_element("link text", "90 days").click()
            _see(driver, driver.current_url)
            picture(driver, out / "page-market.png")
            driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
            )
            phone(driver)
            _see(driver, f"{origin}/plans")
            driver.find_element("css selector", "main a[href^='/plans/']").click()
            _see(driver, driver.current_url)
            picture(driver, out / "page-plan.png")
    finally:
        driver.quit()


def _become(driver: Any, home: Home, origin: str) -> None:
    """Make a passkey on the page, register it at the terminal, and sign in with it."""
    driver.get(f"{origin}/passkey")
    driver.find_element("id", "name").send_keys("anna")
    driver.find_element("id", "make").click()
    _until(driver, "!document.getElementById('made').hidden")
    line = shlex.split(driver.find_element("id", "line").get_attribute("value"))
    added = home.run(*line[1:])
    assert added.code == 0, added.err
    driver.get(f"{origin}/sign-in")
    driver.find_element("id", "with-passkey").click()
    _until(driver, "location.pathname == '/'")


def _see(driver: Any, address: str) -> None:
    driver.get(address)
    time.sleep(2.0)  # charts are drawn when their figures have come


def _until(driver: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not driver.execute_script(f"return {what}"):
        assert time.monotonic() < until, what
        time.sleep(0.1)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
