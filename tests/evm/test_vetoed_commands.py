"""No command puts money into a market that a veto names: on real contracts, a plan that waited from before the veto,
runs, plans, what-ifs, paper wallets, exits and liquidity."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evm.test_exit import job
from tests.kit.evm.home import Home
from tests.kit.evm.several_assets import dollars as dollars
from tests.kit.evm.world import transactions
from yieldbot.sandbox.evm.node import Sandbox

IN = ("deposit", "rebalance")


@pytest.fixture
def home(dollars: Sandbox) -> Home:
    """A job over two dollars that may provide liquidity."""
    text = dollars.config.read_text()
    dollars.config.write_text(text.replace("assets = { USDC = 1.0", "liquidity = true\nassets = { USDC = 1.0"))
    return Home(dollars)


def put_in(document: Any) -> list[str]:
    """Markets into which a plan puts money."""
    plan = job(document)["plan"]
    return [leg["market_id"] for leg in plan.get("legs", ()) if leg["kind"] in IN]


def forbid(sandbox: Sandbox, line: str) -> None:
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace("[policy]\n", f"[policy]\n{line}\n", 1))


def test_what_the_blacklist_names_is_entered_by_no_door(home: Home) -> None:
    sandbox, before = home.sandbox, transactions(home.sandbox)
    queued = home.json("run", code=3)
    assert put_in(queued), "there is something to do"
    forbid(sandbox, 'blacklist = ["USDC", "DAI"]')
    refused = job(home.json("approve", job(queued)["plan"]["id"], code=4))
    assert refused["declined"]["code"] == "MARKET_VETOED" and "BLACKLIST" in refused["declined"]["reason"]
    for words in (("run", "--approve", "auto"), ("plan",), ("plan", "--wealth", "1000000"), ("exit", "all")):
        document = home.json(*words)
        assert put_in(document) == [], words
    (wallet,) = home.json("paper", "--name", "p", "--wealth", "50000", "--coin", "USDC")["wallets"]
    assert wallet["ledger"]["positions"] == [] and wallet["ledger"]["value"] == 50_000
    pool = sandbox.addresses["uniswap_stable_pool"]
    give = ("--give", "USDC=100", "--give", "DAI=100", "--anyway", "--yes")
    added = home.run("--json", "lp", "add", pool, *give)
    assert added.code == 4 and added.document["declined"]["code"] == "MARKET_VETOED", added.err
    assert "USDC is on the blacklist" in added.document["declined"]["reason"]
    assert transactions(sandbox) == before


def test_a_pool_whose_exit_was_ordered_takes_nothing_by_hand_until_it_is_stopped(home: Home) -> None:
    sandbox = home.sandbox
    pool = sandbox.addresses["uniswap_stable_pool"]
    give = ("--give", "USDC=100", "--range", "0.9:1.1", "--anyway", "--yes", "--dry-run")
    assert home.json("exit", "all")["jobs"]
    shut = home.run("--json", "lp", "add", pool, *give)
    assert shut.code == 4 and "you ordered its exit" in shut.document["declined"]["reason"], shut.err
    assert home.run("exit", "all", "--stop").code == 0
    after = home.run("--json", "lp", "add", pool, *give)
    assert "MARKET_VETOED" not in after.out + after.err
