"""``yieldbot watch`` on the sandbox: real contracts change hands, queue calls and exchange code, and are reported once,
in words, with an alarm that new money and the next cycle heed."""

from __future__ import annotations

import json

import pytest

from tests.evm.test_controls import KEY, NOBODY, OZ3, OZ5, deploy, safe_of
from tests.kit.contracts import calldata, send
from tests.kit.evm.home import Home
from yieldbot.config.load import load
from yieldbot.history.query import markets
from yieldbot.history.store import Store
from yieldbot.model.ids import Address
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def looked(home: Home, *flags: str, code: int = 0) -> dict:  # type: ignore[type-arg]
    (job,) = home.json("watch", *flags, code=code)["jobs"]
    assert job["skipped"] is None
    return job  # type: ignore[no-any-return]


def test_the_first_look_says_who_and_the_second_that_nothing_is_new(home: Home) -> None:
    home.json("alert", "add", "utilisation", "aave_v3", "--above", "0%")
    first = looked(home)
    (alert,) = home.run("--json", "alert", "list").document["alerts"]
    assert alert["stands"] and alert["values"], "a look measures alerts too"
    assert first["first"] and not first["messages"] and first["since"] is None
    holders = [h for market in first["markets"] for one in market["contracts"] for h in one["holders"]]
    assert any(holder["right"] == "owner" and "one key" in holder["who"] for holder in holders)
    memory = Store(load(home.sandbox.config).data_dir / "history")
    kept = {one.key.market for one in markets(memory)}
    read = {one["market_id"] for one in first["markets"] if not one["market_id"].startswith("idle/")}
    assert read and read <= kept, "a look is remembered as any other observation"
    grades = {one["id"].rsplit("/", 1)[-1]: one["safety"] for one in home.json("risk")["jobs"][0]["markets"]}
    found = [one for one in home.json("discover")["chains"][0]["markets"] if one["protocol"] == "morpho_blue"]
    assert found and {one["state"] for one in found} == {"listed"}
    assert all(abs(one["safety"] - grades[one["key"].lower()]) <= 1 for one in found), "only their peers differ"
    home.sandbox.rpc("evm_mine")
    second = looked(home)
    assert not second["first"] and not second["messages"] and second["since"] is not None and second["cut"] is None
    config = home.sandbox.config
    other = f'[[wallets]]\nname = "other"\naddress = "0x{1:040d}"\nkeystore = "keys/main.json"\n\n'
    config.write_text(config.read_text() + other + '[[jobs]]\nwallet = "other"\nchain = "sandbox"\nasset = "USDC"\n')
    both = home.json("watch")["jobs"]
    assert [(one["wallet"], one["skipped"]) for one in both] == [("main", None), ("other", None)], "one file of looks"


def of(job: dict, market: str) -> dict:  # type: ignore[type-arg]
    """The message about the market whose id ends so."""
    (message,) = [one for one in job["messages"] if one["market_id"].endswith(market.lower())]
    return message  # type: ignore[no-any-return]


def alarms(job: dict, market: str) -> list[tuple[str, str]]:  # type: ignore[type-arg]
    """(code, what it asks for) of the market's alarms that stand."""
    return [(one["code"], one["act"]) for one in job["alarms"] if one["market_id"].endswith(market.lower())]


def known_at_once(home: Home, market: str, code: str) -> None:
    """What a look has found stands in ``risk``, ``markets`` and ``plan`` without another one."""
    for command in ("risk", "markets"):
        (job,) = home.json(command)["jobs"]
        (row,) = [row for row in job["markets"] if row["id"].endswith(market.lower())]
        assert code in [alarm["code"] for alarm in row["alarms"]], command
    (job,) = home.json("plan")["jobs"]
    assert (code, market.lower()) in [(a["code"], a["market_id"].split("/")[-1]) for a in job["alarms"]]
    plan = job["plan"] if "legs" in (job["plan"] or {}) else {"legs": []}
    assert not [leg for leg in plan["legs"] if leg["market_id"].endswith(market.lower())], "no new money"


def test_a_vaults_owner_grows_stronger_then_weaker_and_what_is_weaker_is_left(home: Home) -> None:
    sandbox = home.sandbox
    vault, me = Address(sandbox.addresses["metamorpho"]), sandbox.rpc("eth_accounts")[0]
    safe = safe_of(sandbox, [KEY, Address(me), Address(sandbox.wallet)], 2)
    looked(home)
    send(sandbox, vault, calldata("transferOwnership(address)", safe))
    pending = looked(home)
    assert alarms(pending, vault) == [("PENDING_CHANGE", "stop")]
    assert any("may become its owner" in line for line in of(pending, vault)["lines"])
    known_at_once(home, vault, "PENDING_CHANGE")
    send(sandbox, vault, calldata("acceptOwnership()"), sender=safe)
    strong = looked(home)
    assert alarms(strong, vault) == [] and of(strong, vault)["ended"]
    assert any("multisig 2 of 3" in line for line in of(strong, vault)["lines"])
    send(sandbox, vault, calldata("transferOwnership(address)", KEY), sender=safe)
    send(sandbox, vault, calldata("acceptOwnership()"), sender=KEY)
    weak = looked(home)
    assert alarms(weak, vault) == [("CONTROL_WEAKER", "leave")]
    again = looked(home)
    assert again["messages"] == [] and alarms(again, vault) == [("CONTROL_WEAKER", "leave")], "said once, and stands"
    (plan,) = home.json("plan")["jobs"]
    assert "CONTROL_WEAKER" in json.dumps(plan)
    accepted = looked(home, "--accept", next(a["market_id"] for a in again["alarms"]))
    assert alarms(accepted, vault) == []


def test_what_is_accepted_stands_no_more_at_once_and_other_alarms_do(home: Home) -> None:
    """Without waiting for the cooldown, and in the journal; of the accepted market alone, and no other sign of it."""
    sandbox = home.sandbox
    vault, morpho = Address(sandbox.addresses["metamorpho"]), Address(sandbox.addresses["morpho"])
    me = sandbox.rpc("eth_accounts")[0]
    safe = safe_of(sandbox, [KEY, Address(me), Address(sandbox.wallet)], 2)
    for contract, change in ((vault, "transferOwnership(address)"), (morpho, "setOwner(address)")):
        send(sandbox, contract, calldata(change, safe))
    send(sandbox, vault, calldata("acceptOwnership()"), sender=safe)
    looked(home)
    for contract, change in ((vault, "transferOwnership(address)"), (morpho, "setOwner(address)")):
        send(sandbox, contract, calldata(change, KEY), sender=safe)
    send(sandbox, vault, calldata("acceptOwnership()"), sender=KEY)

    def stands() -> set[tuple[str, str]]:
        (plan,) = home.json("plan")["jobs"]
        return {(one["market_id"], one["code"]) for one in plan["alarms"]}

    home.json("run", "--approve", "auto")
    before = stands()
    weaker = sorted(market for market, code in before if code == "CONTROL_WEAKER")
    mine = next(market for market in weaker if market.startswith("morpho_blue"))  # a vault above goes on to stand on it
    assert len(weaker) > 1 and ("UTILISATION" in {code for _, code in before}), "other alarms stand too"
    looked(home, "--accept", mine)
    assert stands() == before - {(mine, "CONTROL_WEAKER")}
    lifted = [one for one in home.json("history", "--limit", "0")["events"] if one["kind"] == "alarm.lifted"]
    assert len(lifted) == 1 and mine in json.dumps(lifted) and "CONTROL_WEAKER" in json.dumps(lifted)
    looked(home, "--accept", mine)
    again = [one for one in home.json("history", "--limit", "0")["events"] if one["kind"] == "alarm.lifted"]
    assert len(again) == 1, "what stands no more is not lifted twice"


def test_a_vaults_shorter_timelock_and_new_caps_are_announced_by_its_own_views(home: Home) -> None:
    sandbox = home.sandbox
    vault = Address(sandbox.addresses["metamorpho"])
    looked(home)
    send(sandbox, vault, calldata("submitTimelock(uint256)", 3 * 86_400))  # longer: at once
    longer = looked(home)
    assert any("timelock seconds is 259200, it was 86400" in line for line in of(longer, vault)["lines"])
    assert alarms(longer, vault) == []
    send(sandbox, vault, calldata("submitTimelock(uint256)", 86_400))
    queued = looked(home)
    assert alarms(queued, vault) == [("PENDING_CHANGE", "stop")]
    (alarm,) = queued["alarms"]
    assert "its timelock seconds may become 86400" in alarm["saw"] and "UTC on" in alarm["saw"]
    sandbox.warp(3.1)
    send(sandbox, vault, calldata("acceptTimelock()"))
    shorter = looked(home)
    assert alarms(shorter, vault) == [("CONTROL_WEAKER", "leave")]


def test_a_call_that_a_timelock_queues_is_decoded_and_stands_until_it_is_made(home: Home) -> None:
    sandbox = home.sandbox
    morpho = Address(sandbox.addresses["morpho"])
    me = sandbox.rpc("eth_accounts")[0]
    types = ["uint256", "address[]", "address[]", "address"]
    timelock = deploy(sandbox, f"{OZ5}/TimelockController.json", types, 86_400, [me], [me], NOBODY)
    send(sandbox, morpho, calldata("setOwner(address)", timelock))
    first = looked(home)
    blue = next(one["market_id"] for one in first["markets"] if one["market_id"].startswith("morpho_blue"))
    enable = calldata("enableIrm(address)", KEY)
    args = (morpho, 0, enable, bytes(32), bytes(32), 86_400)
    send(sandbox, timelock, calldata("schedule(address,uint256,bytes,bytes32,bytes32,uint256)", *args))
    queued = looked(home)
    assert ("PENDING_CHANGE", "stop") in alarms(queued, blue)
    saw = next(one["saw"] for one in queued["alarms"] if one["market_id"] == blue)
    assert "scheduled call" in saw and morpho in saw and "0x5a64f51e" in saw and "UTC on" in saw
    assert "warning" in of(queued, blue)["severities"], "as grave as the call, although nobody decodes its arguments"
    assert all("aave" not in one["market_id"] for one in queued["alarms"]), "others do not stand on Morpho"
    sandbox.warp(1.1)
    send(sandbox, timelock, calldata("execute(address,uint256,bytes,bytes32,bytes32)", *args[:5]))
    done = looked(home)
    assert alarms(done, blue) == []
    assert any("may be used" in line for line in of(done, blue)["lines"])


def test_a_proxys_code_is_exchanged_by_one_key_and_the_pool_is_left(home: Home) -> None:
    sandbox = home.sandbox
    pool = Address(sandbox.addresses["aave_pool"])
    looked(home)
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    other = deploy(sandbox, f"{OZ3}/ProxyAdmin.json")
    sandbox.rpc("anvil_setStorageAt", pool, slot, "0x" + "00" * 12 + other[2:].lower())
    row = home.json("watch", code=0)["jobs"][0]
    found = [one for one in row["alarms"] if f"/{pool.lower()}/" in one["market_id"]]
    assert ("CONTROL_WEAKER", "leave") in [(one["code"], one["act"]) for one in found]
    assert any("code behind it changed without warning" in one["saw"] for one in found)


def test_a_flood_of_events_is_one_line_and_stops_new_money(home: Home) -> None:
    sandbox = home.sandbox
    vault = Address(sandbox.addresses["metamorpho"])
    looked(home)
    for n in range(52):
        send(sandbox, vault, calldata("setIsAllocator(address,bool)", KEY, n % 2 == 0))
    flooded = looked(home)
    assert len(of(flooded, vault)["lines"]) == 1 and "more than 50" in of(flooded, vault)["lines"][0]
    assert of(flooded, vault)["severities"] == ["critical"]
    assert alarms(flooded, vault) == [("PENDING_CHANGE", "stop")]


def test_a_damaged_memory_is_named_with_its_remedy_and_stops_new_money(home: Home) -> None:
    looked(home)
    (file,) = (load(home.sandbox.config).data_dir / "watch").glob("*.json")
    file.write_text("{")
    ended = home.run("watch")
    assert ended.code == 2 and "remove the file" in ended.err
    (plan,) = home.json("plan")["jobs"]
    assert "CONTROL_WEAKER" in json.dumps(plan)
    file.unlink()
    assert looked(home)["first"]


def test_what_backs_markets_is_looked_through_and_a_blacklisted_collateral_is_left(home: Home) -> None:
    """Real contracts of Aave, Morpho, MetaMorpho and stataToken: all rest on WETH, beside what else is there."""
    sandbox = home.sandbox
    first, second = looked(home), looked(home)
    observed = int(home.run("-v", "markets").err.partition(" round trips")[0].rpartition(" ")[2])
    assert first["round_trips"] - observed <= 8, "a first look at everything"
    assert second["round_trips"] - observed <= 2, "and one at what has not changed"
    weth = sandbox.addresses["weth"]
    (job,) = home.json("risk")["jobs"]
    sides = {
        row["id"].split("/")[0]: next(side for side in row["components"] if side["name"] == "collateral")
        for row in job["markets"]
    }
    for protocol in ("aave_v3", "morpho_blue", "erc4626"):
        assert sides[protocol]["evidence"], protocol
    assert any("WETH" in one["value"] for one in sides["aave_v3"]["evidence"])
    config = sandbox.directory / "yieldbot.toml"
    config.write_text(config.read_text().replace("[policy]\n", f'[policy]\nblacklist = ["{weth}"]\n', 1))
    (job,) = home.json("risk")["jobs"]
    black = {row["id"].split("/")[0] for row in job["markets"] if any(a["code"] == "BLACKLIST" for a in row["alarms"])}
    assert {"aave_v3", "morpho_blue", "erc4626"} <= black


def test_large_flows_are_told_once_and_holders_are_measured(home: Home) -> None:
    """Deposits and withdrawals of somebody else in real contracts: of a tenth of the market, and of an address that is
    followed."""
    sandbox = home.sandbox
    usdc = sandbox.addresses["usdc"]
    aave, vault = sandbox.addresses["aave_pool"], sandbox.addresses["metamorpho"]
    whale, fish = Address("0x" + "a1" * 20), Address("0x" + "f1" * 20)
    config = sandbox.directory / "yieldbot.toml"
    config.write_text(config.read_text() + f'\n[watch]\naddresses = ["{checksum(fish)}"]\n')
    first = looked(home)
    assert first["first"] and not first["messages"], "what was before the first look is no news"
    assert any("deposit of" in line for market in first["markets"] for line in market["recent"]), "and is said"
    assert any(market["holders"] and market["holders"]["top"] for market in first["markets"])
    for who, amount in ((whale, 5_000_000), (fish, 7)):
        send(sandbox, usdc, calldata("mint(address,uint256)", who, 2 * amount * 10**6))
        for to, data in (
            (aave, calldata("supply(address,uint256,address,uint16)", usdc, amount * 10**6, who, 0)),
            (vault, calldata("deposit(uint256,address)", amount * 10**6, who)),
        ):
            send(sandbox, usdc, calldata("approve(address,uint256)", to, 2**255), sender=who)
            send(sandbox, to, data, sender=who)
    second = looked(home)
    for market in (f"{aave.lower()}/{usdc.lower()}", vault.lower()):
        lines = of(second, market)["lines"]
        assert any("deposit of 5,000,000 USDC" in line and whale in line.lower() for line in lines), lines
        assert any("deposit of 7 USDC" in line and "is followed" in line for line in lines), lines
        assert any("largest depositor that events since block" in line for line in lines), lines
        (row,) = [row for row in second["markets"] if row["market_id"].endswith(market)]
        assert row["flows"]["deposited"] == 5_000_007 and row["flows"]["count"] == 2
        shares = {one["address"].lower(): one["share"] for one in row["holders"]["top"]}
        assert 0.0 < shares[whale] <= row["holders"]["seen"] <= 1.0 and shares[fish] == pytest.approx(
            shares[whale] * 7 / 5e6, rel=1e-4
        )
    third = looked(home)
    assert third["messages"] == [] and not any(market["recent"] for market in third["markets"]), "told once"
    send(sandbox, aave, calldata("withdraw(address,uint256,address)", usdc, 2**256 - 1, whale), sender=whale)
    fourth = looked(home)
    assert any("withdrawal of 5,000,0" in line for line in of(fourth, f"{aave.lower()}/{usdc.lower()}")["lines"])
    (job,) = home.json("risk")["jobs"]
    (row,) = [row for row in job["markets"] if row["id"].endswith(vault.lower())]
    (side,) = [side for side in row["components"] if side["name"] == "exit_liquidity"]
    assert any(one["what"] == "largest depositor seen" for one in side["evidence"])
