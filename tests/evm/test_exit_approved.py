"""A queued exit that a person approves later: what cannot be done by then is left out and named, the rest goes on, and
nothing is done that was not approved."""

from __future__ import annotations

from tests.evm.test_exit import home as home
from tests.evm.test_exit import job
from tests.kit.contracts import call, calldata, send
from tests.kit.evm.cash import NAME, aave_id, put_in
from tests.kit.evm.home import Home
from tests.kit.evm.two_steps import HELD_RAW, held_in
from yieldbot.sandbox.evm.artifacts import compiled
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6


async def shut(sandbox: Sandbox, vault: str) -> None:
    """Its way out reverts from now on, whatever its views promise."""
    async with sandbox.node() as node:
        from yieldbot.model.ids import Address
        from yieldbot.sandbox.evm.deployer import Deployer

        d = Deployer(node, [Address(one) for one in await node.request("eth_accounts", [])])
        other = await d.deploy(compiled(units=("traps",))["traps"]["LockedVault"], sandbox.addresses["usdc"])
        code = await node.code(other.address)
    sandbox.rpc("anvil_setCode", vault, "0x" + code.hex())


def balance(sandbox: Sandbox) -> int:
    return int.from_bytes(call(sandbox, sandbox.addresses["usdc"], "balanceOf(address)", sandbox.wallet))


async def test_what_reverts_at_the_approval_is_skipped_and_the_rest_goes_on(home: Home) -> None:
    sandbox = home.sandbox
    vault_id, vault, _ = await held_in(sandbox, "PlainVault")
    put_in(sandbox, 5_000)  # the smaller of two comes second
    plan = job(home.json("exit", "all", code=3))["plan"]
    assert [leg["market_id"] for leg in plan["legs"]].index(vault_id) == 0
    before = balance(sandbox)
    await shut(sandbox, vault)
    done = home.json("approve", plan["id"])
    (sent,) = job(done)["transactions"]
    assert sent["leg"]["market_id"] == aave_id(sandbox) and sent["result"] == "confirmed"
    (left,) = job(done)["still_in"]
    assert left["market_id"] == vault_id and "custom error" in left["why"] + str(job(done)), left
    assert balance(sandbox) - before >= 5_000 * USDC - 2
    (stored,) = [one for one in home.json("history", "--plans")["plans"] if one["id"] == plan["id"]]
    assert stored["status"] == "failed" and stored["reason"].startswith("1 of 2 legs are done; ")
    assert vault_id in stored["reason"] and f"left out of {plan['id']}: leg 1, {vault_id}" in home.said
    again = home.run("approve", plan["id"])
    assert again.code == 4 and "PLAN_CLOSED" in again.line


async def test_what_was_paused_and_what_reverts_leave_nothing_to_do_and_nothing_is_signed(home: Home) -> None:
    sandbox = home.sandbox
    vault_id, vault, _ = await held_in(sandbox, "PlainVault")
    put_in(sandbox, 5_000)
    plan = job(home.json("exit", "all", code=3))["plan"]
    before = balance(sandbox)
    pause = calldata("setReservePause(address,bool)", sandbox.addresses["usdc"], True)
    send(sandbox, sandbox.addresses["aave_configurator"], pause)
    await shut(sandbox, vault)
    refused = job(home.json("approve", plan["id"], code=4))
    assert refused["transactions"] == [] and balance(sandbox) == before
    assert refused["declined"]["code"] in ("WOULD_REVERT", "LIQUIDITY_GONE")
    assert {one["market_id"] for one in refused["still_in"]} == {vault_id, aave_id(sandbox)}
    pause = calldata("setReservePause(address,bool)", sandbox.addresses["usdc"], False)
    send(sandbox, sandbox.addresses["aave_configurator"], pause)
    last = job(home.json("approve", plan["id"]))
    assert [one["leg"]["market_id"] for one in last["transactions"]] == [aave_id(sandbox)], (
        f"{NAME} alone, the same plan"
    )
    assert 0 <= balance(sandbox) - before - 5_000 * USDC + 2 < USDC and HELD_RAW
