"""``yieldbot lp`` on the real manager, as a person runs it: a position's whole life, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.evm.liquidity import (
    GIVE,
    POOL,
    balances,
    fund,
    shut_from_now_on,
    there_and_back,
    within,
    without_decrease,
)
from tests.kit.evm.liquidity import lp as lp
from tests.kit.program import Ended
from tests.kit.traded import pool_sandbox
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["pool_sandbox"]  # a fixture


def moved(document: Any) -> dict[str, int]:
    """The rehearsal's changes."""
    return {delta["symbol"].lower(): int(delta["raw"]) for delta in document["rehearsal"]["deltas"]}


def test_a_positions_life(pool_sandbox: Sandbox, lp: Callable[..., Ended]) -> None:
    within(pool_sandbox, fund)
    refused = lp("lp", "add", POOL, *GIVE, "--yes", "--json")
    assert refused.code == 4 and refused.document["declined"]["code"] == "LIQUIDITY_DOES_NOT_PAY", refused.err

    before = balances(pool_sandbox)
    tried = lp("lp", "add", POOL, *GIVE, "--range", "2800:3200", "--anyway", "--dry-run", "--json").document
    assert tried["declined"]["code"] == "DRY_RUN" and balances(pool_sandbox) == before
    added = lp("lp", "add", POOL, *GIVE, "--range", "2800:3200", "--anyway", "--yes", "--json")
    assert added.code == 0 and "WARNING: net yield" in added.err, added.err
    done, after = moved(added.document), balances(pool_sandbox)
    assert {name: after[name] - before[name] for name in ("usdc", "weth")} == done == moved(tried)
    assert after["uniswap_positions"] == 1 and -(3000 * 10**6) <= done["usdc"] < 0
    assert [one["result"] for one in added.document["transactions"]] == ["confirmed"] * 3
    (row,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    number = row["token_id"]

    within(pool_sandbox, there_and_back)
    (row,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    waiting = {side["symbol"].lower(): int(side["raw"]) for side in row["fees"]}
    assert all(waiting.values()), "trades went both ways"
    before = balances(pool_sandbox)
    assert lp("lp", "collect", number, "--yes").code == 0
    after = balances(pool_sandbox)
    assert {name: after[name] - before[name] for name in waiting} == waiting, "to the unit"

    within(pool_sandbox, there_and_back)
    compounded = lp("lp", "compound", number, "--yes", "--slippage-bps", "200", "--json")
    assert compounded.code == 0 and min(moved(compounded.document).values()) >= 0, compounded.err
    (grown,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    assert int(grown["liquidity"]) > int(row["liquidity"])

    half = lp("lp", "remove", number, "--share", "0.5", "--yes", "--slippage-bps", "200", "--json")
    assert half.code == 0, half.err
    (rest,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    assert int(rest["liquidity"]) == -(-int(grown["liquidity"]) // 2)

    stays = lp("lp", "rerange", number, "--range", "2900:3100", "--slippage-bps", "200", "--yes", "--json")
    if stays.code != 4:  # the model may call for a narrower range by itself
        assert stays.code == 0, stays.err
    else:
        assert stays.document["declined"]["code"] == "RANGE_STAYS"
        before = balances(pool_sandbox)
        words = (
            "lp",
            "rerange",
            number,
            "--range",
            "2900:3100",
            "--slippage-bps",
            "200",
            "--anyway",
            "--yes",
            "--json",
        )
        anew = lp(*words)
        assert anew.code == 0, anew.err
        after = balances(pool_sandbox)
        assert after["usdc"] - before["usdc"] < 10**6 and 0 <= after["weth"] - before["weth"] < 10**15
        assert after["usdc"] >= before["usdc"], "only what came out went in"
    (row,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    assert row["token_id"] != number and row["in_range"]
    assert row["value_usd"] == pytest.approx(rest["value_usd"], rel=0.01)

    assert lp("lp", "remove", row["token_id"], "--yes", "--slippage-bps", "200").code == 0
    assert lp("positions", "--json").document["liquidity"][0]["positions"] == []
    assert lp("allowances").out.count("no allowance is given") == 1
    assert "lp-remove" in lp("history").out and "damage" not in lp("history", "--verify").out
    books = lp("export", "--json").document
    assert books["exit_code"] == 0 and all(check["explained"] for check in books["accounts"][0]["checks"]), books
    assert books["content"].count(",liquidity,") >= 8 and "position" not in str(books["notes"])
    assert lp("run", "--approve", "queue", "--json").code == 3, "plans go on as if nothing were"


def test_what_cannot_be_done_is_told(pool_sandbox: Sandbox, lp: Callable[..., Ended]) -> None:
    for words, code, said in (
        (("add", POOL, "--give", "USDC=1"), 2, "add --yes"),
        (("add", "DAI/WETH/500", *GIVE, "--yes"), 2, "there are: "),
        (("add", POOL, "--give", "DAI=1", "--anyway", "--yes"), 2, "TOKEN=AMOUNT"),
        (("add", POOL, "--give", "USDC=x", "--anyway", "--yes"), 2, "not an amount"),
        (("add", POOL, "--anyway", "--yes"), 2, "--give is missing"),
        (("add", POOL, "--give", "USDC=9000000", "--anyway", "--yes"), 1, "the wallet holds"),
        (("add", POOL, "--give", "USDC=10", "--range", "2800:3200", "--anyway", "--yes"), 1, "with each WETH"),
        (("add", POOL, *GIVE, "--range", "5:1", "--yes"), 2, "below the second"),
        (("add", POOL, *GIVE, "--slippage-bps", "0", "--yes"), 2, "--slippage-bps"),
        (("collect", "77", "--yes"), 2, "position 77: not found; the wallet's positions are: none"),
        (("remove", "1", "--yes"), 2, "position 1: not found; the wallet's positions are"),  # somebody else's
    ):
        ended = lp("lp", *words)
        assert ended.code == code and said in ended.err, (words, ended.err)
        assert "Traceback" not in ended.err + ended.out


def test_what_could_not_be_taken_out_again_is_not_put_in(pool_sandbox: Sandbox, lp: Callable[..., Ended]) -> None:
    within(pool_sandbox, fund)
    good = lp("lp", "add", POOL, *GIVE, "--anyway", "--yes", "--json")
    assert good.code == 0, good.err
    (*_, row) = lp("positions", "--json").document["liquidity"][0]["positions"]
    kept, before = without_decrease(pool_sandbox), balances(pool_sandbox)
    try:
        for more in ((), ("--to", row["token_id"])):
            shut = lp("lp", "add", POOL, *GIVE, *more, "--anyway", "--yes", "--json")
            assert shut.code == 4, shut.err
            declined = shut.document["declined"]
            assert declined["code"] == "NO_WAY_OUT" and "nothing comes out" in declined["reason"], declined
            assert shut.document["transactions"] == [] and balances(pool_sandbox) == before
    finally:
        pool_sandbox.rpc("anvil_setCode", pool_sandbox.addresses["uniswap_positions"], kept)


def test_what_could_not_be_taken_out_again_is_not_compounded_nor_laid_anew(
    pool_sandbox: Sandbox, lp: Callable[..., Ended]
) -> None:
    """The double lets what was there before out, and keeps what goes in after this block."""
    within(pool_sandbox, fund)
    wide = ("--range", "2500:3600", "--slippage-bps", "200")
    assert lp("lp", "add", POOL, *GIVE, *wide, "--anyway", "--yes").code == 0
    within(pool_sandbox, there_and_back)
    (row,) = [p for p in lp("positions", "--json").document["liquidity"][0]["positions"] if p["in_range"]][-1:]
    ways = (
        ("compound", row["token_id"], "--slippage-bps", "200"),
        ("rerange", row["token_id"], "--range", "2700:3300", "--slippage-bps", "200", "--anyway"),
    )
    before = balances(pool_sandbox)
    for words in ways:
        tried = lp("lp", *words, "--dry-run", "--json")
        assert tried.code == 0 and tried.document["declined"]["code"] == "DRY_RUN", tried.err
    kept = shut_from_now_on(pool_sandbox)
    try:
        for words in ways:
            shut = lp("lp", *words, "--yes", "--json")
            assert shut.code == 4, shut.err
            declined = shut.document["declined"]
            assert declined["code"] == "NO_WAY_OUT" and "nothing comes out" in declined["reason"], declined
            assert shut.document["transactions"] == [] and balances(pool_sandbox) == before
    finally:
        pool_sandbox.rpc("anvil_setCode", pool_sandbox.addresses["uniswap_positions"], kept)


def test_a_pool_that_was_pushed_is_not_acted_on(pool_sandbox: Sandbox, lp: Callable[..., Ended]) -> None:
    within(pool_sandbox, lambda made: made.swap(True, 30_000))
    ended = lp("lp", "add", POOL, *GIVE, "--anyway", "--yes", "--json")
    assert ended.code == 4 and ended.document["declined"]["code"] in ("PRICE_IMPACT", "PRICES_DISAGREE")
    assert ended.document["transactions"] == []
