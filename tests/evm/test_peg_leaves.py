"""A dollar that falls on the sandbox, in a job of one asset: its feed and the pools must both say so for an hour."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.kit.contracts import send
from tests.kit.evm.home import Home
from yieldbot.history import query
from yieldbot.history.store import Store
from yieldbot.sandbox.evm.node import Sandbox

AUTO = ("run", "--approve", "auto")


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    """Of somebody who asks for looks an hour apart in tests; pools remember more than their last swap."""
    grow = selector("increaseObservationCardinalityNext(uint16)") + encode(["uint16"], [20])
    for pool in ("uniswap_pool", "uniswap_stable_pool"):
        send(sandbox, sandbox.addresses[pool], grow)
    return Home(sandbox)


def feed(sandbox: Sandbox, usd: float) -> None:
    data = selector("set(int256)") + encode(["int256"], [round(usd * 10**8)])
    send(sandbox, sandbox.addresses["usdc_feed"], data)


def swapped(sandbox: Sandbox, gives: str, gets: str, fee: int, raw: int) -> None:
    """Somebody sells so much of a test token in one pool."""
    one, other, router = (sandbox.addresses[name] for name in (gives, gets, "uniswap_router"))
    somebody = sandbox.rpc("eth_accounts")[0]
    send(sandbox, one, selector("mint(address,uint256)") + encode(["address", "uint256"], [somebody, raw]))
    send(sandbox, one, selector("approve(address,uint256)") + encode(["address", "uint256"], [router, raw]))
    kinds = "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
    terms = (one, other, fee, somebody, 2**40, raw, 0, 0)
    send(sandbox, router, selector(f"exactInputSingle({kinds})") + encode([kinds], [terms]))


def pegs(job: Any) -> set[tuple[str, str]]:
    """(what PEG asks for, what it saw)."""
    return {(one["act"], one["saw"]) for one in job["alarms"] if one["code"] == "PEG"}


def seen(home: Home) -> tuple[float | None, float | None]:
    """What memory's newest reading has of the price: by the feed, by pools."""
    readings = query.readings(Store(home.sandbox.directory / "history"))
    last = max(readings, key=lambda one: one.time)
    return last.price_usd, last.traded_usd


def kinds(job: Any) -> set[str]:
    return {one["leg"]["kind"] for one in job["transactions"]}


def test_a_dollar_that_fell_for_an_hour_by_both_is_left_and_by_its_feed_alone_stops(home: Home) -> None:
    sandbox = home.sandbox
    (first,) = home.json(*AUTO)["jobs"]
    assert "deposit" in kinds(first) and not pegs(first)
    feeds, pools = seen(home)
    assert feeds == 1.0 and pools == pytest.approx(1.0, abs=2e-3)
    feed(sandbox, 0.97)
    for _ in range(3):
        sandbox.warp(1 / 24)
        (alone,) = home.json(*AUTO, code=0)["jobs"]
        assert {act for act, _ in pegs(alone)} == {"stop"} and not kinds(alone), "one source is none"
    swapped(sandbox, "usdc", "weth", 500, 60_000 * 10**6)
    swapped(sandbox, "usdc", "dai", 100, 1_500_000 * 10**6)
    sandbox.warp(1 / 24)
    (begun,) = home.json(*AUTO)["jobs"]
    feeds, pools = seen(home)
    assert feeds == 0.97 and pools is not None and 0.9 < pools < 0.99
    assert {act for act, _ in pegs(begun)} == {"stop"} and not kinds(begun), "not for an hour yet"
    sandbox.warp(1.01 / 24)
    (left,) = home.json(*AUTO)["jobs"]
    ((act, saw),) = pegs(left)
    assert act == "leave" and "0.9700 and 0.9" in saw and "bp below for 1.0 h" in saw
    assert kinds(left) == {"withdraw"}
    (job,) = home.json("positions")["jobs"]
    assert sum(float(one["held"]["text"]) for one in job["positions"] if not one["id"].startswith("idle/")) == 0.0
