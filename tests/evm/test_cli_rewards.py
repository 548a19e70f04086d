"""Rewards on the command line: configured in the chain's file, shown apart, claimed by `run`, listed afterwards."""

from __future__ import annotations

import re

import pytest

from tests.kit import incentives
from tests.kit.evm.home import Home
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.abi import abi
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox


async def configured(sandbox: Sandbox) -> incentives.Incentives:
    """The chain's file as a user would write it."""
    async with sandbox.node() as node:
        found = await incentives.deploy(node, sandbox.addresses)
    file = sandbox.directory / "chains" / "sandbox.toml"
    text = file.read_text()
    pool, comet = sandbox.addresses["aave_pool"], sandbox.addresses["comet"]
    text = text.replace(f'pool = "{pool}"', f'pool = "{pool}"\nrewards_controller = "{found.controller}"', 1)
    text = text.replace(f'comet = "{comet}"', f'comet = "{comet}"\nrewards = "{found.comet_rewards.address}"')
    token = f'[tokens.RWD]\naddress = "{found.token.address}"\ndecimals = 18\nfeed = "{found.feed.address}"\n'
    file.write_text(text.replace("[[protocols]]", f"{token}\n[[protocols]]", 1))
    return found


async def test_rewards_are_shown_apart_claimed_and_listed(sandbox: Sandbox) -> None:
    found = await configured(sandbox)
    home = Home(sandbox)
    assert home.json("check")["ok"] is True
    (job,) = home.json("markets")["jobs"]
    for row in job["markets"]:
        assert row["total_apy_after_deposit"] == row["apy_after_deposit"] + row["reward_apy_after_deposit"]
        assert bool(row["rewards"]) == (row["name"] in ("Aave v3", "Compound v3 (double)"))
        assert (row["reward_apy_after_deposit"] > 0) == bool(row["rewards"])
    (reward,) = next(row["rewards"] for row in job["markets"] if row["name"] == "Aave v3")
    assert (reward["token"], reward["price"], reward["haircut_bps"]) == (found.token.address, 2.0, 2000.0)
    assert reward["per_day"]["text"].startswith("259.") and reward["ends_at"] == found.ends_at
    shown = home.run("markets").out
    assert "+ Rewards" in shown and "= Total" in shown
    assert home.run("run", "--approve", "auto").code == 0
    sandbox.warp(5)
    (before,) = home.json("positions")["jobs"]
    assert any(int(r["claimable"]["raw"]) > 0 for r in before["rewards"]) and before["reward_flags"] == []
    assert "Claimable from" in home.run("positions").out
    for _ in range(3):  # money may move first
        said = home.run("plan").out
        ran = home.json("run", "--approve", "auto")["jobs"][0]
        if any(leg["kind"] == "claim" for leg in ran["plan"].get("legs", ())):
            break
    assert re.search(r"claim [\d.,]+ RWD", said)
    claims = [t for t in ran["transactions"] if t["leg"]["kind"] == "claim"]
    assert claims and all(t["result"] == "confirmed" and t["leg"]["gets"]["symbol"] == "RWD" for t in claims)
    (after,) = home.json("positions")["jobs"]
    brought = sum(int(d["raw"]) for t in claims for d in t["deltas"] if d["token"] == found.token.address)
    assert {int(r["in_wallet"]["raw"]) for r in after["rewards"]} == {brought}
    assert "Rewards in the wallet" in home.run("positions").out
    data = abi("aave_rewards").encode("claimRewardsToSelf", [found.controller], MAX_UINT256, found.token.address)
    told = home.run("decode", "0x" + data.hex(), "--to", found.controller, "--chain", "sandbox").out
    assert "claimRewardsToSelf" in told


async def test_a_min_claim_that_is_none_is_told(sandbox: Sandbox) -> None:
    text = sandbox.config.read_text()
    assert "[policy]" in text
    sandbox.config.write_text(text.replace("[policy]", '[policy]\nmin_claim = "sometimes"', 1))
    ended = Home(sandbox).run("markets")
    assert ended.code == 2 and "policy.min_claim" in ended.err
