"""``markets --kind lp`` and ``positions`` on the real pool, after real trades: fees, ranges, what was put in."""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from tests.kit.program import Ended, yieldbot
from tests.kit.traded import EVERY, FAR, FEE, Traded, pool_sandbox, traded
from yieldbot.chains.evm.liquidity.position_events import COLLECT, DECREASE, INCREASE, PositionHistory, fold
from yieldbot.math.liquidity_range import MASK128
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["pool_sandbox"]  # a fixture


def told(sandbox: Sandbox, tmp_path: Path, *words: str) -> Any:
    ended = yieldbot("--config", sandbox.config, *words, "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    return ended.document


def shown(sandbox: Sandbox, tmp_path: Path, *words: str) -> Ended:
    return yieldbot("--config", sandbox.config, *words, cwd=tmp_path)


def of_ether(account: Any) -> Any:
    """The pool of USDC and WETH among those that are told."""
    (pool,) = [p for p in account["pools"] if "WETH" in {p["pool"][t]["symbol"] for t in ("token0", "token1")}]
    return pool


def test_a_pool_that_nobody_trades_in_pays_nothing(pool_sandbox: Sandbox, tmp_path: Path) -> None:
    (account,) = told(pool_sandbox, tmp_path, "markets", "--kind", "lp")["jobs"]
    pool = of_ether(account)
    assert pool["fees_apr"] == 0 and pool["volatility"]["mean"] == 0 and pool["net_apy"]["high"] <= 0
    assert not pool["beats_lending"] and pool["tvl_usd"] == pytest.approx(3e6, rel=1e-3)
    assert account["value_usd"] == pytest.approx(100_000), "what the wallet holds"
    assert pool["lending_apy"] > 0.01 and "as low as" in pool["vetoes"][0]


def test_fees_volatility_and_the_best_range_after_trades(pool_sandbox: Sandbox, tmp_path: Path) -> None:
    async def past() -> tuple[int, int]:
        async with pool_sandbox.node() as node:
            made = await traded(pool_sandbox, node)
            await made.trade(random.Random(7), 20)
            before = list(made.fees)
            await made.trade(random.Random(8), 18)  # two blocks each: the 36 blocks that fees are measured over
            return made.fees[0] - before[0], made.fees[1] - before[1]

    paid = asyncio.run(past())
    document = told(pool_sandbox, tmp_path, "markets", "--kind", "lp", "--amount", "3000")
    pool = of_ether(document["jobs"][0])
    assert document["kind"] == "lp" and document["jobs"][0]["value_usd"] == 3000
    # All fees of those trades, in token1 by the pool's price, a year, over the value 2 sqrt(k p) of its whole range.
    order = [token["symbol"] for token in (pool["pool"]["token0"], pool["pool"]["token1"])]
    ones = [10**6 if symbol == "USDC" else 10**18 for symbol in order]
    fees = paid[0] / ones[0] * pool["price"] + paid[1] / ones[1]
    value = 2 * math.sqrt(1_500_000 * 500 * pool["price"])
    years = 18 * EVERY / 31_536_000
    whole = of_ether(told(pool_sandbox, tmp_path, "markets", "--kind", "lp", "--amount", "1")["jobs"][0])
    assert whole["best_range"]["price_low"] is None, "its volatility makes every range lose: the widest loses least"
    assert whole["fees_apr"] == pytest.approx(fees / value / years, rel=1e-3)
    spread = pool["volatility"]
    assert 0 < spread["low"] < spread["mean"] < spread["high"]
    assert whole["lvr_apr"] == pytest.approx(spread["mean"] ** 2 / 8)
    assert 0 < pool["lvr_kept_by_arbitrage"] < 1
    assert pool["net_apy"]["low"] < pool["net_apy"]["mean"] < pool["net_apy"]["high"]
    words = shown(pool_sandbox, tmp_path, "markets", "--kind", "lp").out
    assert "does not pay" in words and "90% confidence" in words and "plans where a base has" in words


def test_other_kinds_are_listed_alone(pool_sandbox: Sandbox, tmp_path: Path) -> None:
    every = told(pool_sandbox, tmp_path, "markets")["jobs"][0]["markets"]
    for kind in ("lending", "vault", "staking"):
        rows = told(pool_sandbox, tmp_path, "markets", "--kind", kind)["jobs"][0]["markets"]
        assert rows == [row for row in every if row["kind"] == kind]


def test_positions_show_amounts_fees_range_and_loss_against_holding(pool_sandbox: Sandbox, tmp_path: Path) -> None:
    """Two positions of the wallet's: one around the price, one far below it; some is taken and collected on the way."""

    async def hold(owner: str) -> tuple[list[list[int]], Traded]:
        async with pool_sandbox.node() as node:
            made = await traded(pool_sandbox, node)
            tick = int.from_bytes((await made.d.read(made.pool, "slot0"))[32:64], "big", signed=True)
            middle = tick // 10 * 10
            put = []
            for token in made.tokens:
                await made.d.send(token, "approve", made.manager.address, 2**255)
            for low, high in ((middle - 600, middle + 600), (middle - 4000, middle - 3000)):
                terms = (*made.pair, FEE, low, high, 10**18 * 5000, 10**18 * 5000, 0, 0, owner, FAR)
                sides = [10_000 * 10**6 if t == pool_sandbox.addresses["usdc"] else 3 * 10**18 for t in made.pair]
                terms = (*made.pair, FEE, low, high, *sides, 0, 0, owner, FAR)
                log = (await made.d.send(made.manager, "mint", terms))["logs"]
                event = next(one for one in log if one["topics"][0] == INCREASE)
                words = bytes.fromhex(event["data"][2:])
                put.append([int(event["topics"][1], 16), *(int.from_bytes(words[i : i + 32], "big") for i in (32, 64))])
            await made.trade(random.Random(9), 8)
            await node.request("anvil_impersonateAccount", [owner])
            await node.request("anvil_setBalance", [owner, hex(10**19)])
            terms = (put[0][0], 10**9, 0, 0, FAR)
            await made.d.send(made.manager, "decreaseLiquidity", terms, sender=owner)
            await made.d.send(made.manager, "collect", (put[0][0], owner, MASK128, MASK128), sender=owner)
            await node.request("anvil_stopImpersonatingAccount", [owner])
            await made.trade(random.Random(10), 4)
            return put, made

    put, _ = asyncio.run(hold(pool_sandbox.wallet))
    document = told(pool_sandbox, tmp_path, "positions")
    inside, outside = document["liquidity"][0]["positions"]
    assert [inside["token_id"], outside["token_id"]] == [one[0] for one in put]
    for row, (_, zero, one) in zip((inside, outside), put, strict=True):
        assert [int(side["raw"]) for side in row["put_in"]] == [zero, one], row["past_unknown"]
        assert row["value_usd"] > 0 and row["past_unknown"] is None
    assert inside["in_range"] and inside["out_for_seconds"] == 0
    assert sum(int(side["raw"]) for side in inside["fees"]) > 0
    earned = [int(side["raw"]) for side in inside["fees_earned"]]
    assert all(e >= int(side["raw"]) for e, side in zip(earned, inside["fees"], strict=True)) and sum(earned) > 0
    assert -0.01 < inside["impermanent_loss"] <= 1e-6
    assert not outside["in_range"] and outside["impermanent_loss"] == pytest.approx(0, abs=1e-9)
    assert 7 * EVERY <= outside["out_for_seconds"] <= 12 * EVERY, "the pool's count, at a block after it was minted"
    assert outside["advice"] in ("leave", "hold") and inside["advice_reason"]
    words = shown(pool_sandbox, tmp_path, "positions").out
    assert "in range" in words and "OUT OF RANGE" in words and f"#{put[0][0]}" in words
    assert "|" in words and "Against holding" in words


def event(kind: str, first: int, zero: int, one: int, block: int) -> dict[str, Any]:
    data = "0x" + b"".join(x.to_bytes(32, "big") for x in (first, zero, one)).hex()
    place = {"blockNumber": hex(block), "logIndex": "0x0", "transactionHash": f"0x{block:064X}"}
    return {"topics": [kind, TOPIC], "data": data, **place}


TOPIC = f"0x{7:064x}"


def test_a_past_is_read_back_to_where_nothing_was_held() -> None:
    logs = [
        event(COLLECT, 0, 12, 3, 60),
        event(DECREASE, 40, 10, 2, 50),
        event(INCREASE, 50, 9, 9, 40),
        event(INCREASE, 90, 20, 30, 30),
        event(DECREASE, 70, 1, 1, 20),  # an earlier life of the position
        event(INCREASE, 70, 1, 1, 10),
    ]
    found = fold(logs, 100, TOPIC)
    assert found == PositionHistory((29, 39), (10, 2), (12, 3), 30)
    assert found.earned((5, 0)) == (7, 1) and found.hashes == {f"0x{block:064x}" for block in (60, 50, 40, 30)}
    assert fold(logs[:3], 100, TOPIC) is None, "what does not add up yet is not told"
    for bad in (event(INCREASE, 200, 1, 1, 5), event(COLLECT, 0, 1, 1, 5) | {"topics": [COLLECT, "0x" + "00" * 32]}):
        with pytest.raises(ValueError):
            fold([bad, *logs], 100, TOPIC)


def test_topics_are_the_events() -> None:
    for topic, signature in (
        (INCREASE, "IncreaseLiquidity(uint256,uint128,uint256,uint256)"),
        (DECREASE, "DecreaseLiquidity(uint256,uint128,uint256,uint256)"),
        (COLLECT, "Collect(uint256,address,uint256,uint256)"),
    ):
        assert topic == "0x" + keccak(text=signature).hex()
