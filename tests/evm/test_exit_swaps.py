"""`yieldbot exit --to`: what comes out is swapped at fair prices, a part or nothing where there are none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evm.test_exit import auto_exit, job, out
from tests.evm.test_several_assets import feed
from tests.kit.evm.home import Home
from tests.kit.evm.several_assets import dollars as dollars
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.sandbox.evm.node import Sandbox

VAULT = "DAI Drip Vault"


@pytest.fixture
async def home(dollars: Sandbox) -> Home:
    """Half of the money is in a vault of DAI."""
    with world(dollars) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.declined is None and not report.failed
    auto_exit(dollars)
    return Home(dollars)


def dai_in(document: Any) -> float:
    return sum(float(one["held"]["text"]) for one in job(document)["holdings"] if one["held"]["symbol"] == "DAI")


async def test_it_comes_out_at_once_and_the_swap_waits_for_a_person(home: Home) -> None:
    done = home.json("exit", VAULT, "--to", "USDC", code=3)
    (came,) = out(done).values()
    assert came > 49_000 * 10**18 and done["into"] == "USDC" and job(done)["still_in"] == []
    (swap,) = job(done)["then"]
    assert swap["declined"]["code"] == "QUEUED", "a swap is no exit: auto_exit does not approve it"
    (leg,) = swap["plan"]["legs"]
    assert leg["kind"] == "swap" and leg["amount"]["symbol"] == "DAI" and leg["gets"]["symbol"] == "USDC"
    assert (
        float(leg["gets"]["text"]) > 0.99 * float(leg["amount"]["text"]) and abs(int(leg["amount"]["raw"]) - came) < 10
    )
    assert swap["plan"]["why"] == [f"{VAULT} dvDAI: you ordered what came out of it into USDC"]
    approved = home.run("approve", swap["plan"]["id"])
    assert approved.code == 0 and "swap DAI Drip Vault dvDAI: you ordered" in approved.err, approved.err
    after = home.json("exit")
    assert job(after)["plan"]["action"] == "hold" and dai_in(after) < 1
    (entry,) = home.run("--json", "exit", "--list").document["exits"]
    assert entry["into"] == home.sandbox.addresses["usdc"] and entry["state"] == "empty"


async def test_a_pegged_asset_is_not_given_below_its_set_price(home: Home) -> None:
    text = home.sandbox.config.read_text()
    wide = "max_depeg_bps = 500\nmax_impact_bps = 400\nmax_apart_bps = 500\nslippage_bps = 400\nassets = {"
    assert "assets = {" in text
    home.sandbox.config.write_text(text.replace("assets = {", wide))
    feed(home.sandbox, "dai_feed", 0.975)
    done = home.json("exit", VAULT, "--to", "USDC")
    assert out(done) and job(done)["exit_code"] == 0, "it is out, and stays what it is"
    reason = job(done)["then"][0]["plan"]["reason"]
    assert "are not swapped into USDC: EXIT_PRICE" in reason and "(policy.exit_min_price_bps)" in reason
    assert "not swapped into USDC" in " ".join(home.run("exit").out.split())
    home.sandbox.config.write_text(
        home.sandbox.config.read_text().replace("[policy]\n", "[policy]\nexit_min_price_bps = 900\n")
    )
    allowed = home.json("exit", code=3)
    assert job(allowed)["plan"]["legs"][0]["kind"] == "swap" and job(allowed)["declined"]["code"] == "QUEUED"


def test_an_asset_that_the_job_has_not_is_refused(home: Home) -> None:
    ended = home.run("exit", VAULT, "--to", "WETH")
    assert ended.code == 2 and "--to WETH: no job holds it" in ended.line and "DAI, USDC" in ended.line
    assert home.run("exit", "--to", "USDC").code == 2 and home.run("exit", "--list", "--to", "USDC").code == 2
