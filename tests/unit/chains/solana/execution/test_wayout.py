"""The way out of a cluster's market: rehearsed by the adapter's own instructions, and what is said where less comes.
On a labelled double of a fork; with the real programs in tests/solana/test_way_out.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.gate import CHAIN, OTHER, OWNER, STRANGER, USDC, held, wallet
from tests.kit.solana.judge import RAW, SHARES, call_of, mine, padded
from tests.kit.solana.wayout import STATE, WORK, Asked, Observe, account_of, observed, out_of
from tests.kit.solana.wayout import journal as journal
from tests.kit.solana_fork_double import SvmForkDouble
from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.wayout import SLACK, rehearse_exit
from yieldbot.errors import MarketError
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.market import Exit, ExitKind
from yieldbot.model.plan import LegKind, NoWayOut


def forked(*pays: int | None) -> SvmForkDouble:
    """A fork on which each redemption pays so much, the last one time after time; None: it fails."""
    left = list(pays)

    def effect(fork: SvmForkDouble, data: list[bytes]) -> tuple[Any, tuple[str, ...]] | None:
        raw = left.pop(0) if len(left) > 1 else left[0]
        if raw is None:
            return "custom", ("Program log: Error: insufficient liquidity",)
        fork.give(mine(USDC), USDC, raw)
        fork.give(mine(SHARES), SHARES, -1)
        return None

    accounts = {mine(USDC): held(OWNER, 9, 1, USDC.address), mine(SHARES): held(OWNER, RAW, 1, SHARES.address)}
    return SvmForkDouble(held={OWNER: wallet(10**9), **accounts}, effect=effect)


async def tried(
    journal: Journal, fork: SvmForkDouble, out: Any = None, observe: Observe | None = None, held_raw: int = 0
) -> NoWayOut | None:
    out = out or out_of()
    work: LegWork = replace(WORK, out=out, observe=observe or observed(out.state))
    return await rehearse_exit(account_of(journal), fork, work, held_raw)  # type: ignore[arg-type]


async def test_what_comes_out_again_is_let_by_and_the_fork_is_put_back(journal: Journal) -> None:
    fork, seen, asked = forked(RAW), list[BlockRef](), list[Any]()
    was = dict(fork.held)
    assert await tried(journal, fork, out_of(asked), observed(STATE, seen=seen)) is None
    assert fork.waited == [3600] and fork.did == ["keep", "put back"] and fork.held == was
    assert asked == [(STATE, None)] and seen == [BlockRef(CHAIN, 100, "", 0)]
    (message,) = fork.sent
    data = [bytes(instruction.data) for instruction in message.instructions]
    assert data[-2:] == [call_of(LegKind.WITHDRAW, USDC, RAW).data, b"\x09"], "all of it: the share account is closed"


async def test_nothing_is_tried_where_nothing_says_how(journal: Journal) -> None:
    fork = forked(None)
    for work in (WORK, replace(WORK, out=out_of()), replace(WORK, observe=observed(STATE))):
        assert await rehearse_exit(account_of(journal), fork, work, 0) is None  # type: ignore[arg-type]
    assert not fork.did and not fork.sent


async def test_less_than_went_in_is_refused_and_lasts(journal: Journal) -> None:
    fork = forked(RAW - 8)
    found = await tried(journal, fork)
    assert found is not None and found.code == "NO_WAY_OUT" and found.lasting
    assert found.reason == "Save: 0.005 USDC go in, 0.004992 USDC come out where 0.005 USDC should"
    small = await tried(journal, forked(RAW - 3))
    assert small is not None and not small.lasting, "as much as a price of some slots ahead may take"
    assert fork.did == ["keep", "put back"]
    assert await tried(journal, forked(RAW - 2)) is None
    assert (await tried(journal, forked(RAW), held_raw=3)) is not None
    assert await tried(journal, forked(RAW + 3), held_raw=3) is None


@pytest.mark.parametrize(("paid", "lasting"), [(3_993, True), (3_994, False), (4_000, False)])
async def test_a_market_that_says_that_it_pays_less_now_is_no_trap(journal: Journal, paid: int, lasting: bool) -> None:
    """It says 4,000; a thousandth of it and two units of rounding may be missing."""
    asked: Asked = []
    thin = replace(STATE, liquidity=Amount(USDC, 4_000))
    found = await tried(journal, forked(paid), out_of(asked), observed(thin))
    assert found is not None and found.lasting is lasting and SLACK == 1000
    assert asked == [(thin, Amount(USDC, 4_000))]


async def test_where_a_part_is_asked_for_the_share_account_is_not_closed(journal: Journal) -> None:
    fork = forked(RAW)
    await tried(journal, fork, observe=observed(replace(STATE, liquidity=Amount(USDC, 4_999))))
    assert [bytes(i.data) for i in fork.sent[0].instructions][-1] == call_of(LegKind.WITHDRAW, USDC, RAW).data


async def test_the_deposit_alone_is_asked_for_where_the_cash_pays_no_more(journal: Journal) -> None:
    asked: Asked = []
    rich = replace(STATE, held=Amount(USDC, 2 * RAW), liquidity=Amount(USDC, RAW + 10))
    assert await tried(journal, forked(RAW), out_of(asked), observed(rich), held_raw=RAW) is None
    assert [part for _, part in asked] == [Amount(USDC, RAW - 2)]


async def test_what_is_asked_for_first_is_tried_again_when_its_time_has_come(journal: Journal) -> None:
    out = out_of(exit=Exit(kind=ExitKind.COOLDOWN, seconds=60))
    fork = forked(10, RAW - 10)
    assert await tried(journal, fork, out) is None and fork.waited == [3600, 61]
    found = await tried(journal, forked(10), out)
    assert found is not None and "0.00002 USDC come out" in found.reason, "what came of both tries"


async def test_a_failure_is_told_and_whose_fault_it_is(journal: Journal) -> None:
    found = await tried(journal, forked(None))
    assert found is not None and found.lasting
    assert found.reason == (
        "Save: 0.005 USDC go in, and nothing comes out: redeem; close our cUSDC account: "
        "Program log: Error: insufficient liquidity"
    )
    priced = await tried(journal, forked(None), observe=observed(replace(STATE, exit=Exit(priced=True))))
    assert priced is not None and not priced.lasting, "an oracle may speak again"
    none = await tried(journal, forked(RAW), out_of(calls=()))
    assert none is not None and none.reason.endswith("there is no instruction that takes it out")
    large = await tried(journal, forked(RAW), out_of(calls=padded(1_300).calls))
    assert large is not None and "a transaction holds" in large.reason
    unread = await tried(journal, forked(RAW), observe=observed(MarketError("no answer")))
    assert unread is not None and unread.reason.endswith("cannot be read any more once 0.005 USDC are in: no answer")


async def test_what_of_ours_is_touched_besides_is_refused(journal: Journal) -> None:
    def hand_over(fork: SvmForkDouble, data: list[bytes]) -> None:
        fork.give(mine(USDC), USDC, RAW)
        fork.held[mine(SHARES)] = held(STRANGER, 1, 1, SHARES.address)

    fork = forked(RAW)
    fork.effect = hand_over
    found = await tried(journal, fork)
    assert found is not None and "is handed to" in found.reason and OTHER not in fork.held
