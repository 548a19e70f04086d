"""``yieldbot lp`` on shares of a real Uniswap v2 pair: added, shown, removed, to the unit, and nothing left allowed."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.evm.liquidity import balances
from tests.kit.program import Ended, yieldbot
from tests.kit.traded import FAR, Traded, pool_sandbox, traded
from yieldbot.chains.evm.liquidity.pair_orders import fitting
from yieldbot.model.address import checksummed
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["pool_sandbox"]  # a fixture
V2 = "@uniswap/v2-core/build/"
ROUTER = "@uniswap/v2-periphery/build/UniswapV2Router02.json"


def raws(sides: list[dict[str, str]]) -> list[int]:
    return [int(side["raw"]) for side in sides]


def dollars_of(row: dict[str, Any]) -> list[float]:
    """US dollars of a base unit of each side, by the pool's price with USDC at one."""
    usdc = [side["symbol"] for side in row["amounts"]].index("USDC")
    other = raws(row["amounts"])[usdc] / raws(row["amounts"])[1 - usdc]  # both sides are worth the same
    return [1e-6, other * 1e-6] if usdc == 0 else [other * 1e-6, 1e-6]


async def pair(made: Traded) -> tuple[str, str, str]:
    """(factory, router, pair) with 300,000 dollars in it; and some WETH for the wallet."""
    d, at = made.d, made.sandbox.addresses
    factory = await d.deploy(packaged(V2 + "UniswapV2Factory.json"), d.me)
    found = await d.deploy(packaged(ROUTER), factory.address, at["weth"])
    await d.send(factory, "createPair", *made.pair)
    contract = Contract(await d.read_address(factory, "getPair", *made.pair), packaged(V2 + "UniswapV2Pair.json").abi)
    for token in made.tokens:
        raw = 150_000 * 10**6 if token.address == at["usdc"] else 50 * 10**18
        await d.send(token, "transfer", contract.address, raw)
    await d.send(contract, "mint", d.me)
    weth = next(token for token in made.tokens if token.address == at["weth"])
    await d.send(weth, "transfer", made.sandbox.wallet, 10 * 10**18)
    return factory.address, found.address, checksummed(contract.address)


def test_shares_of_a_pair(pool_sandbox: Sandbox, tmp_path: Path) -> None:
    async def build() -> tuple[str, str, str]:
        async with pool_sandbox.node() as node:
            return await pair(await traded(pool_sandbox, node))

    factory, router, at = asyncio.run(build())
    chain = pool_sandbox.directory / "chains" / "sandbox.toml"
    table = (
        f'\n[[exchanges]]\nprotocol = "uniswap_v2"\nname = "Uniswap v2"\nfactory = "{factory}"\nrouter = "{router}"\n'
    )
    chain.write_text(chain.read_text() + table + "lookback_blocks = 12\n")

    def lp(*words: Any) -> Ended:
        return yieldbot("--config", pool_sandbox.config, *words, cwd=tmp_path)

    pools = lp("markets", "--kind", "lp", "--json").document["jobs"][0]["pools"]
    assert {pool["pool"]["protocol"] for pool in pools} == {"uniswap_v2", "uniswap_v3"}
    before = balances(pool_sandbox)
    give = ("--give", "USDC=3000", "--give", "WETH=2")
    assert lp("lp", "add", at, *give, "--yes").code == 4, "it does not pay"
    added = lp("lp", "add", at, *give, "--anyway", "--yes", "--json")
    assert added.code == 0, added.err
    after = balances(pool_sandbox)
    assert after["usdc"] - before["usdc"] == -3000 * 10**6 and after["weth"] - before["weth"] == -(10**18)
    (seen,) = lp("positions", "--json").document["liquidity"]
    (row,), (pool,) = seen["positions"], seen["markets"]
    dollars = Decimal(3000) + Decimal(3000)  # with a whole WETH at the feed's price
    worth = sum(Decimal(side["text"]) * (3000 if side["symbol"] == "WETH" else 1) for side in row["amounts"])
    assert Decimal(pool["pnl"]["total"]) == Decimal(pool["pnl"]["unrealised"]) == round(worth - dollars, 10)
    assert not pool["token_ids"] and pool["pnl_unknown"] is None and not pool["left"]
    assert row["token_id"] is None and row["in_range"] and row["pool"]["address"] == at
    put = {side["symbol"].lower(): int(side["raw"]) for side in row["put_in"]}
    assert put == {"usdc": 3000 * 10**6, "weth": 10**18} and row["past_unknown"] is None
    assert row["impermanent_loss"] == pytest.approx(0, abs=1e-9) and not any(raws(row["fees_earned"]))

    async def others() -> None:
        """Somebody buys WETH for 1,000 USDC, then takes shares of their own, and gives some of them back."""
        async with pool_sandbox.node() as node:
            made = await traded(pool_sandbox, node)
            exchange = Contract(router, packaged(ROUTER).abi)
            usdc, weth = (pool_sandbox.addresses[name] for name in ("usdc", "weth"))
            for token in made.tokens:
                await made.d.send(token, "approve", router, MAX_UINT256)
            terms = (1_000 * 10**6, 0, [usdc, weth], made.d.me, FAR)
            await made.d.send(exchange, "swapExactTokensForTokens", *terms)
            await made.d.send(exchange, "addLiquidity", usdc, weth, 10**9, 10**18, 0, 0, made.d.me, FAR)
            pair = Contract(at, packaged(V2 + "UniswapV2Pair.json").abi)
            await made.d.send(pair, "approve", router, MAX_UINT256)
            await made.d.send(exchange, "removeLiquidity", usdc, weth, 10**6, 0, 0, made.d.me, FAR)

    asyncio.run(others())
    (row,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    # The price of WETH, in parts of what it was: reserves of 153,000 dollars each before.
    moved = ((153_000 + 1_000) * (153_000 + 1_000 * 0.997)) / 153_000**2
    assert row["impermanent_loss"] == pytest.approx(2 * math.sqrt(moved) / (1 + moved) - 1, rel=1e-3) and moved > 1.01
    share = 3_000 / 153_000
    earned = sum(raw * each for raw, each in zip(raws(row["fees_earned"]), dollars_of(row), strict=True))
    assert earned == pytest.approx(1_000 * 0.003 * share, rel=0.1), "at the price after the swap"
    assert f"{row['impermanent_loss']:+.3%}" in lp("positions").out
    holds = {side["symbol"].lower(): int(side["raw"]) for side in row["amounts"]}

    half = lp("lp", "remove", at, "--share", "0.5", "--yes", "--json", "--slippage-bps", "200")
    assert half.code == 0, half.err
    (rest,) = lp("positions", "--json").document["liquidity"][0]["positions"]
    assert rest["put_in"] == row["put_in"] and rest["since_block"] == row["since_block"]
    assert rest["impermanent_loss"] == pytest.approx(row["impermanent_loss"], rel=1e-4)
    assert raws(rest["fees_earned"]) == pytest.approx(raws(row["fees_earned"]), rel=1e-3), "those that were taken too"
    for side in (0, 1):
        assert raws(rest["taken_out"])[side] == pytest.approx(raws(row["amounts"])[side] / 2, rel=1e-3)
    removed = lp("lp", "remove", at, "--yes", "--json", "--slippage-bps", "200")
    assert removed.code == 0, removed.err
    last = balances(pool_sandbox)
    for name, held in holds.items():
        assert 0 <= held - (last[name] - after[name]) <= 2, "a unit for each of two burns"
    (seen,) = lp("positions", "--json").document["liquidity"]
    (pool,) = seen["markets"]
    brought = sum(
        Decimal(last[name] - before[name]).scaleb(-places) * usd
        for name, places, usd in (("usdc", 6, 1), ("weth", 18, 3000))
    )
    assert seen["positions"] == [] and pool["left"] and Decimal(pool["pnl"]["realised"]) == round(brought, 10)
    books = lp("export", "--json").document
    assert "pair" not in str(books["notes"]) and "profit of liquidity is in no row" in str(books["notes"])
    assert all(check["explained"] for check in books["accounts"][0]["checks"])
    assert lp("allowances").out.count("no allowance is given") == 1
    for words, said in ((("collect", at), "a share of a pair"), (("remove", at), "the wallet's positions are: none")):
        ended = lp("lp", *words, "--yes")
        assert ended.code == 2 and (said in ended.err or "the wallet's positions are" in ended.err)


def test_what_the_router_takes_is_asked_for_exactly() -> None:
    for reserves, have in (((1000, 3000), (10, 100)), ((7, 10**18), (3, 10**17)), ((10**9, 3), (10**9, 2))):
        taken = fitting(reserves, have)
        assert all(t <= h for t, h in zip(taken, have, strict=True))
        assert fitting(reserves, taken) == taken
