"""`yieldbot exit` of liquidity: it swaps, so that a person approves it, and keeps no other exit waiting."""

from __future__ import annotations

from tests.evm.test_exit import auto_exit, job, out
from tests.kit.evm.cash import NAME, put_in
from tests.kit.evm.home import Home
from tests.kit.evm.lp_plans import BUSY, WEIGHED, pool_of, run_job, trade
from tests.kit.evm.lp_plans import pools as pools
from yieldbot.sandbox.evm.node import Sandbox


def test_what_needs_no_person_comes_out_first_and_the_pool_when_one_said_yes(pools: Sandbox) -> None:
    text = pools.config.read_text()
    assert text.count(WEIGHED) == 1
    pools.config.write_text(text.replace(WEIGHED, f"{WEIGHED}\nuniswap_v3_lp = 1"))
    trade(pools, *BUSY)
    report = run_job(pools)
    assert report.declined is None and not report.failed
    pool = pool_of(report.after)
    assert pool.held.raw > 0
    put_in(pools, 400)
    home = Home(pools)
    whole = job(home.json("exit", "all", code=3))["plan"]
    assert pool.market.id in {leg["market_id"] for leg in whole["legs"]}, "a person approves all of it at once"
    auto_exit(pools)
    done = home.json("exit", code=3)
    assert NAME in out(done) and {leg["kind"] for leg in job(done)["plan"]["legs"]} == {"withdraw"}
    (waits,) = job(done)["then"]
    assert [leg["market_id"] for leg in waits["plan"]["legs"]] == [pool.market.id]
    assert waits["declined"]["code"] == "QUEUED" and [one["market_id"] for one in job(done)["still_in"]] == [
        pool.market.id
    ]
    assert home.run("approve", waits["plan"]["id"]).code == 0
    last = home.json("run")
    assert job(last)["still_in"] == [] and job(last)["plan"]["action"] == "hold", job(last)["plan"]
