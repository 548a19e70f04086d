"""Liquidity that a person adds comes out again on the fork before it goes in: just what was added, an hour later, and
by the pool's own price. On the double of a fork."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import account_of, node_of, open_journal
from tests.kit.evm.pool_calls import MANAGER, POOL, STATE, WETH
from tests.kit.fork_double import ForkDouble
from tests.kit.wiring import NOW, OWNER, USDC
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.liquidity import wayout as lp_back
from yieldbot.chains.evm.liquidity.swaps import Terms
from yieldbot.chains.evm.liquidity.wayout import rehearse_exit
from yieldbot.errors import ConfigError, MarketError
from yieldbot.journal.store import Journal
from yieldbot.math.liquidity_range import Range
from yieldbot.model.ids import MarketId
from yieldbot.model.liquidity import PoolPosition
from yieldbot.model.plan import NoWayOut
from yieldbot.model.tx import Delta
from yieldbot.protocols.evm import position_manager as calls

FEES = Fees(2 * 10**9, 10**8)
MARKET = MarketId(f"uniswap_v3_lp/8453/{POOL.id.lower()}")
PUT = (Delta(WETH, -100_000), Delta(USDC, -300_000))
PAIR = [(token.address.lower(), OWNER.lower()) for token in (WETH, USDC)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def position(token_id: int | None = 7, liquidity: int = 900, shares: int = 0) -> PoolPosition:
    return PoolPosition(
        state=STATE,
        token_id=token_id,
        ticks=(-100, 100),
        liquidity=liquidity,
        amounts=(1_000, 2_000),
        fees=(0, 0),
        shares=shares,
    )


MINE = position()


def forked(zero: int = 100_000, one: int = 300_000, reverts: bool = False) -> ForkDouble:
    """A fork on which collecting pays so much of both tokens."""

    def effect(chain: Any, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        if fields["data"].startswith("0x" + selector("collect((uint256,address,uint128,uint128))").hex()):
            for at, raw in zip(PAIR, (zero, one), strict=True):
                chain.tokens[at] += raw
        return None if reverts else []

    return ForkDouble(effect=effect, tokens=dict.fromkeys(PAIR, 50), native_wei=0)


async def back(
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    fork: ForkDouble,
    mine: Sequence[PoolPosition] | Exception = (MINE,),
    before: Sequence[PoolPosition] = (),
    put: Sequence[Delta] = PUT,
    seen: list[Any] | None = None,
    **changes: Any,
) -> NoWayOut | None:
    async def fetch_view(node: Any, chain: Any, owner: Any, **how: Any) -> Any:
        if isinstance(mine, Exception):
            raise mine
        if seen is not None:
            seen.append((await node.block(), chain, owner, how))
        return type("View", (), {"positions": tuple(mine)})()

    monkeypatch.setattr(lp_back, "fetch_view", fetch_view)
    account = account_of(fork, journal, **changes)
    return await rehearse_exit(account, node_of(fork), FEES, put, STATE, before, 0.01)


async def test_what_was_added_comes_out_an_hour_later(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    fork, seen = forked(), list[Any]()
    assert await back(journal, monkeypatch, fork, seen=seen) is None
    assert fork.waited == [3600] and fork.does == ["anvil_setBalance", "evm_increaseTime", "evm_mine"]
    assert fork.native_wei == 10**20
    ((block, _, owner, how),) = seen
    assert (block.height, owner, how) == (101, OWNER, {"only_ours": True})
    sent = [params[0] for method, params in fork.asked if method == "eth_sendTransaction"]
    least = Range(-100, 100).least_out(STATE.sqrt_price_x96, 900, 0.01)
    wanted = (calls.decrease(STATE, 7, 900, least, NOW + 2 + 3600), calls.collect(STATE, 7, OWNER))
    assert [(one["to"], one["data"]) for one in sent] == [(MANAGER, "0x" + call.data.hex()) for call in wanted]


@pytest.mark.parametrize(
    ("zero", "one", "comes"),
    [
        (100_000, 300_000, True),
        (300_000, 100_000, True),
        (0, 400_000, True),
        (100_000, 299_952, True),  # 1 bps of 400,000 and the roundings of both tokens
        (100_000, 299_951, False),
        (0, 0, False),
        (100_000, 900_000, True),
    ],
)
async def test_it_is_compared_by_the_pools_own_price(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, zero: int, one: int, comes: bool
) -> None:
    assert (await back(journal, monkeypatch, forked(zero, one)) is None) is comes


async def test_less_is_told_with_both_sides(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await back(journal, monkeypatch, forked(7, 5))
    assert found is not None and found.lasting and (found.code, found.market_id) == ("NO_WAY_OUT", MARKET)
    went, came = calls.amounts_text(POOL, (100_000, 300_000)), calls.amounts_text(POOL, (7, 5))
    assert found.reason == f"Uniswap v3 0.05%: {went} go in, {came} come out"
    assert await back(journal, monkeypatch, forked(7, 5), tolerance_bps=10_000.0) is None


async def test_just_what_was_added_is_taken_out(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def taken(mine: Sequence[PoolPosition], before: Sequence[PoolPosition]) -> list[str]:
        fork = forked()
        await back(journal, monkeypatch, fork, mine, before)
        return [params[0]["data"][2:] for method, params in fork.asked if method == "eth_sendTransaction"]

    def decreased(token_id: int, liquidity: int) -> str:
        least = Range(-100, 100).least_out(STATE.sqrt_price_x96, liquidity, 0.01)
        return calls.decrease(STATE, token_id, liquidity, least, NOW + 2 + 3600).data.hex()

    old, new = position(6, 500), position(7, 900)
    assert (await taken([old, new], [old]))[0] == decreased(7, 900)
    assert (await taken([replace(old, liquidity=501), new], [old, new]))[0] == decreased(6, 1)
    away = replace(STATE, pool=replace(POOL, address=OWNER))
    assert (await taken([replace(old, state=away), new], []))[0] == decreased(7, 900), "of another pool"
    assert await taken([old, new], [old, new]) == [] == await taken([], [])


async def test_of_a_pairs_shares_as_many_as_came(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(lp_back, "removing_shares", lambda *args: made.append(args))
    terms = Terms(id="x", owner=OWNER, slippage=0.0, deadline=0)
    mine = position(None, 0, 1_000)
    lp_back._removal([mine], [position(None, 0, 750)], terms)
    lp_back._removal([mine], [], terms)
    assert made == [(mine, 0.25, terms), (mine, 1.0, terms)]
    assert lp_back._removal([mine], [mine], terms) is None and len(made) == 2
    lp_back._removal([mine], [position(None, 0, 999)], terms)
    assert made[2] == (mine, 0.001, terms), "one share more"


async def test_what_cannot_be_taken_out_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for why in (MarketError("no answer"), ConfigError("no manager")):
        found = await back(journal, monkeypatch, forked(), why)
        assert found is not None and found.lasting
        assert found.reason == f"Uniswap v3 0.05%: it cannot be taken out: {why}"
    found = await back(journal, monkeypatch, forked(), [])
    assert found is not None and found.lasting and found.reason.endswith("what was put in is no position of ours")
    found = await back(journal, monkeypatch, forked(reverts=True))
    assert found is not None and found.lasting and ": nothing comes out: " in found.reason
    found = await back(journal, monkeypatch, forked(), max_gas=1)
    assert found is not None and not found.lasting, "a limit of ours is none of the pool's"
