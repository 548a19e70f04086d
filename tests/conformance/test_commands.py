"""The commands on a sandbox with every protocol: the markets of each adapter are listed, graded, planned with and
watched, and while nothing but time and prices moves, nobody is said to have changed a contract."""

from __future__ import annotations

from tests.kit.evm.conformance import PROTOCOLS
from tests.kit.evm.home import Home
from yieldbot.sandbox.evm.node import Sandbox


def test_every_adapters_markets_pass_through_every_command(own_sandbox: Sandbox) -> None:
    home = Home(own_sandbox)
    assert home.json("check")["ok"] is True
    (first,) = home.json("watch")["jobs"]
    own_sandbox.warp(1)
    own_sandbox.publish()
    (again,) = home.json("watch")["jobs"]
    assert again["messages"] == again["alarms"] == [], again
    assert len(first["markets"]) == len(again["markets"]) > len(PROTOCOLS)
    (listed,) = home.json("markets")["jobs"]
    assert {market["protocol"] for market in listed["markets"]} == set(PROTOCOLS) and not listed["quarantined"]
    assert all(market["safety"] is not None for market in listed["markets"])
    (risk,) = home.json("risk")["jobs"]
    assert {market["id"] for market in listed["markets"]} == {market["id"] for market in risk["markets"]}
    (planned,) = home.json("plan")["jobs"]
    assert planned["plan"]["action"] == "move"
    assert {alarm["code"] for alarm in planned["alarms"]} == {"UTILISATION"}, "of the Comet, whose cash is lent"
