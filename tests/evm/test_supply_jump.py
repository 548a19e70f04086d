"""Tokens from nowhere on the sandbox: the run after a mint raises SUPPLY_JUMP, leaves, and writes it down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.contracts import call, calldata, mined, send
from tests.kit.evm.home import Home
from yieldbot.history import query
from yieldbot.history.store import Store
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def whole_supply(sandbox: Sandbox, token: str) -> int:
    return int.from_bytes(call(sandbox, token, "totalSupply()"), "big")


def wrap(sandbox: Sandbox, wei: int) -> None:
    """So much more wrapped ether exists: whoever it is had the coins."""
    sandbox.rpc("anvil_setBalance", who := sandbox.rpc("eth_accounts")[7], hex(wei + 10**18))
    fields = {"from": who, "to": sandbox.addresses["weth"], "value": hex(wei), "data": "0xd0e30db0", "gas": hex(10**6)}
    assert mined(sandbox, fields)["status"] == "0x1"


def left(job: Any) -> dict[str, list[str]]:
    """What a run did, by market."""
    found: dict[str, list[str]] = {}
    for one in job["transactions"]:
        found.setdefault(one["leg"]["market_id"].partition("/")[0], []).append(one["leg"]["kind"])
    return found


def held(home: Home, protocol: str) -> float:
    (job,) = home.json("positions")["jobs"]
    return sum(float(one["held"]["text"]) for one in job["positions"] if one["id"].startswith(protocol))


def alarms(job: Any) -> dict[str, str]:
    """By market, what SUPPLY_JUMP saw."""
    return {one["market_id"]: one["saw"] for one in job["alarms"] if one["code"] == "SUPPLY_JUMP"}


def test_a_collateral_that_is_minted_is_left_in_the_next_run_and_what_does_not_rest_on_it_stays(home: Home) -> None:
    sandbox, weth = home.sandbox, home.sandbox.addresses["weth"]
    first = left(home.json("run", "--approve", "auto")["jobs"][0])
    assert "deposit" in first["morpho_blue"] and "deposit" in first["aave_v3"], "both hold something of ours"
    before = whole_supply(sandbox, weth)
    wrap(sandbox, round(0.4 * before))
    (calm,) = home.json("run", "--approve", "auto")["jobs"]
    assert not alarms(calm) and "morpho_blue" not in left(calm), "four tenths in a look are no jump yet"
    wrap(sandbox, round(0.6 * whole_supply(sandbox, weth)))
    (seen,) = home.json("run", "--approve", "auto")["jobs"]
    found = alarms(seen)
    rests = {one["id"] for one in home.json("risk")["jobs"][0]["markets"] if "WETH" in str(one["components"])}
    vault = f"erc4626/31337/{sandbox.addresses['metamorpho'].lower()}"
    assert found.keys() >= {vault} and {one.partition("/")[0] for one in found} >= {"morpho_blue", "aave_v3"}
    assert all(f"its collateral {weth} grew by " in saw or "of WETH, which " in saw for saw in found.values())
    assert found.keys() == rests, "shared pools and wrappers too, by what the look found that they rest on"
    assert left(seen)["morpho_blue"] == left(seen)["aave_v3"] == ["withdraw"]
    assert held(home, "morpho_blue/") == held(home, "aave_v3/") == 0.0
    assert held(home, "erc4626/") > 1_000.0, "what does not rest on it takes money as before"
    (again,) = home.json("plan")["jobs"]
    assert set(alarms(again)) == set(found), "it stands, for new money too"
    events = home.json("history", "--limit", "0")["events"]
    assert sum(one["kind"] == "alarm.raised" and "SUPPLY_JUMP" in json.dumps(one) for one in events) == len(found)
    readings = query.readings(Store(sandbox.directory / "history"))
    ours = [one for one in readings if one.key.market.startswith("morpho_blue/")]
    assert {token for one in ours for token, _ in one.backing} == {weth}
    assert max(raw for one in ours for _, raw in one.backing) == float(whole_supply(sandbox, weth))
    assert {one.token_supply for one in readings} == {whole_supply(sandbox, sandbox.addresses["usdc"]) / 10**6}


def test_an_asset_that_is_minted_is_left_everywhere(home: Home) -> None:
    sandbox, usdc = home.sandbox, home.sandbox.addresses["usdc"]
    home.json("run", "--approve", "auto")
    minted = round(0.6 * whole_supply(sandbox, usdc))
    send(sandbox, usdc, calldata("mint(address,uint256)", sandbox.rpc("eth_accounts")[7], minted))
    (seen,) = home.json("run", "--approve", "auto")["jobs"]
    assert len(alarms(seen)) > 5 and all("the supply of USDC grew by 60%" in saw for saw in alarms(seen).values())
    assert {kind for kinds in left(seen).values() for kind in kinds} == {"withdraw"}
    assert held(home, "morpho_blue/") == held(home, "aave_v3/") == held(home, "erc4626/") == 0.0
