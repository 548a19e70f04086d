"""The way out is rehearsed before the way in: what waits, what is asked for, what must come, and what is said where it
does not. On the double of a fork."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import account_of, node_of, open_journal
from tests.kit.evm.wayout import PUT, STATE
from tests.kit.fork_double import ForkDouble
from tests.kit.wiring import BLOCK, MARKET, OWNER, POOL, RAW, STRANGER, USDC, work
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.wayout import rehearse_exit
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall, Provides, Tally
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError, TransientError
from yieldbot.execution.wayout import LEAST_SECONDS, ROUNDING_RAW, ExitRehearsal
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState
from yieldbot.model.plan import NoWayOut
from yieldbot.model.reads import Read
from yieldbot.model.tx import EvmCall

OURS = (USDC.address.lower(), OWNER.lower())
FEES = Fees(2 * 10**9, 10**8)
DAY = 86_400


def state(**changes: Any) -> MarketState:
    return replace(STATE, **changes)


def out_of(fees_bps: float = 0.0, **changes: Any) -> ExitRehearsal[EvmCall]:
    return ExitRehearsal(state=state(**changes), withdraw=lambda _, part: (call(part),), fees_bps=fees_bps)


def call(part: Amount | None) -> EvmCall:
    return EvmCall(POOL, (part.raw if part else 0).to_bytes(32, "big"), 7, "take it out")


# What is known before anything is tried.


@pytest.mark.parametrize(
    ("waits_raw", "back_raw", "enough"), [(RAW, 0, True), (RAW // 2, RAW // 2, True), (1, 0, False)]
)
def test_what_waits_for_others_is_enough_only_where_the_policy_trusts_them(
    waits_raw: int, back_raw: int, enough: bool
) -> None:
    gone = Leaving(requested=USDC.amount(waits_raw), ready=USDC.amount(0), back=USDC.amount(0))
    now = state(leaving=gone)
    assert replace(out_of(), served=True).waits_for_others(now, back_raw, RAW) is enough
    assert not out_of().waits_for_others(now, back_raw, RAW)
    assert not replace(out_of(), served=True).waits_for_others(state(), 0, RAW)


@pytest.mark.parametrize(
    ("exit_", "waits"),
    [
        (Exit(), (LEAST_SECONDS,)),
        (Exit(seconds=LEAST_SECONDS + 1), (LEAST_SECONDS + 1,)),
        (Exit(kind=ExitKind.MATURITY, seconds=DAY), (DAY,)),
        (Exit(kind=ExitKind.COOLDOWN, seconds=DAY), (LEAST_SECONDS, DAY + 1)),
        (Exit(kind=ExitKind.REQUEST, seconds=None), (LEAST_SECONDS, 1)),
        (Exit(priced=True), (0,)),
    ],
)
def test_as_long_as_the_way_out_says_and_an_hour_at_least(exit_: Exit, waits: tuple[int, ...]) -> None:
    assert out_of(exit=exit_).waits == waits


def test_what_should_come_back_is_what_went_in_less_the_fees_that_are_named() -> None:
    assert LEAST_SECONDS == 3600
    assert out_of().net_raw(PUT) == RAW
    assert out_of(10.0).net_raw(PUT) == RAW - RAW // 1000
    assert out_of(1.0).net_raw(Amount(USDC, 9_999)) == 9_999, "a part of a base unit is no fee"


def test_all_is_asked_for_or_the_deposit_alone_where_the_cash_pays_no_more() -> None:
    out, held = out_of(10.0, rounding_raw=3), 5_000
    net = RAW - RAW // 1000
    assert out.requested(PUT, held, None) == out.requested(PUT, held, Amount(USDC, held + net)) == (None, held + net)
    assert out.requested(PUT, held, Amount(USDC, held + net - 1)) == (Amount(USDC, net - 3), net)
    assert out.requested(PUT, 0, Amount(USDC, 1)) == (None, net), "there is nothing else of ours inside"


def test_less_by_more_than_the_rounding_is_told_with_both_amounts() -> None:
    out = out_of(rounding_raw=3)
    assert out.less(PUT, RAW - 3, RAW) is None
    found = out.less(PUT, RAW - 4, RAW)
    assert found == NoWayOut(
        "NO_WAY_OUT",
        "Aave v3: 12,000 USDC go in, 11,999.999996 USDC come out where 12,000 USDC should",
        MARKET.id,
    )
    assert found.lasting
    told = out_of(10.0).less(PUT, -5, RAW)
    assert told is not None and told.reason.endswith(
        "0 USDC come out where 12,000 USDC should less 10 bps of fees that it names"
    )


def test_what_else_keeps_a_deposit_in_is_told_in_words() -> None:
    out = out_of()
    assert out.unread(PUT, "no answer") == NoWayOut(
        "NO_WAY_OUT", "Aave v3: it cannot be read any more once 12,000 USDC are in: no answer", MARKET.id
    )
    stuck = out.stuck(PUT, "locked")
    assert stuck.reason == "Aave v3: 12,000 USDC go in, and nothing comes out: locked" and stuck.lasting
    assert not out.stuck(PUT, "no price", False).lasting
    assert out.unusable("it has no way in") == NoWayOut("NO_WAY_OUT", "Aave v3: it has no way in", MARKET.id)


# On a fork.


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


Observe = Callable[[BlockRef], Generator[Sequence[Read], Sequence[bytes], MarketState]]


def observed(*states: MarketState | MarketError, seen: list[BlockRef] | None = None) -> Observe:
    left = list(states)

    def observe(block: BlockRef) -> Generator[Sequence[Read], Sequence[bytes], MarketState]:
        if seen is not None:
            seen.append(block)
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, MarketError):
            raise now
        return now
        yield ()

    return observe


def forked(*pays: int | None) -> ForkDouble:
    """A fork on which each withdrawal pays so much, the last one time after time; None: it reverts."""
    left = list(pays)

    def effect(chain: Any, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        raw = left.pop(0) if len(left) > 1 else left[0]
        if raw is None:
            return None
        chain.tokens[OURS] = chain.tokens.get(OURS, 0) + raw
        return []

    return ForkDouble(effect=effect, tokens={OURS: 777}, native_wei=0)


async def tried(
    journal: Journal,
    fork: ForkDouble,
    out: ExitRehearsal[EvmCall],
    held: int = 0,
    observe: Observe | None = None,
    **changes: Any,
) -> NoWayOut | None:
    made = replace(work(), out=out, observe=observe or observed(out.state))
    return await rehearse_exit(account_of(fork, journal, **changes), node_of(fork), made, held, FEES)


async def test_what_comes_out_again_is_let_by_and_the_fork_is_put_back(journal: Journal) -> None:
    fork, seen = forked(RAW), list[BlockRef]()
    assert await tried(journal, fork, out_of(), observe=observed(STATE, seen=seen)) is None
    assert fork.waited == [3600] and fork.tokens == {OURS: 777}
    assert fork.does == [
        "evm_snapshot",
        "anvil_setBalance",
        "evm_increaseTime",
        "evm_mine",
        "evm_revert",
    ]
    assert [block.height for block in seen] == [101], "what is asked for is read on the fork, later"
    assert fork.native_wei == 10**20, "a market is not judged by our gas"
    (sent,) = [params[0] for method, params in fork.asked if method == "eth_sendTransaction"]
    assert sent == {
        "from": OWNER,
        "to": POOL,
        "data": "0x" + "00" * 32,
        "value": "0x7",
        "gas": hex(60_000 * 5 // 4),
    }
    (priced,) = [params[0] for method, params in fork.asked if method == "eth_estimateGas"]
    assert priced == {name: value for name, value in sent.items() if name != "gas"}


async def test_no_more_gas_is_given_than_may_be_used(journal: Journal) -> None:
    fork = forked(RAW)
    assert await tried(journal, fork, out_of(), max_gas=70_000) is None
    assert [params[0]["gas"] for method, params in fork.asked if method == "eth_sendTransaction"] == [hex(70_000)]


async def test_less_than_went_in_is_refused_and_the_fork_put_back_too(journal: Journal) -> None:
    fork = forked(RAW - 5)
    found = await tried(journal, fork, out_of())
    assert (
        found is not None and found.lasting and "11,999.999995 USDC come out where 12,000 USDC should" in found.reason
    )
    assert fork.tokens == {OURS: 777} and await tried(journal, forked(RAW - 4), out_of()) is None
    held = await tried(journal, forked(RAW), out_of(), held=5)
    assert held is not None and "where 12,000.000005 USDC should" in held.reason
    assert await tried(journal, forked(RAW + 1), out_of(), held=5) is None


async def test_where_the_cash_pays_the_deposit_alone_that_is_asked_for(journal: Journal) -> None:
    fork = forked(RAW)
    thin = state(exit=Exit(cash=PUT))
    assert await tried(journal, fork, out_of(), held=50, observe=observed(thin)) is None
    (sent,) = [params[0] for method, params in fork.asked if method == "eth_sendTransaction"]
    assert int(sent["data"], 16) == RAW - 4


async def test_what_is_asked_for_first_is_tried_again_when_its_time_has_come(journal: Journal) -> None:
    cools = Exit(kind=ExitKind.COOLDOWN, seconds=DAY)
    fork = forked(0, RAW)
    assert await tried(journal, fork, out_of(exit=cools)) is None and fork.waited == [3600, DAY + 1]
    fork = forked(100, RAW - 100)
    assert await tried(journal, fork, out_of(exit=cools)) is None, "what came of both tries counts"
    fork = forked(RAW)
    assert await tried(journal, fork, out_of(exit=cools)) is None and fork.waited == [3600], "at once, if it pays"
    never = await tried(journal, forked(0), out_of(exit=cools))
    assert never is not None and "0 USDC come out where 12,000 USDC should" in never.reason


async def test_a_market_that_cannot_be_read_with_the_deposit_in_it_is_refused(journal: Journal) -> None:
    fork = forked(RAW)
    found = await tried(journal, fork, out_of(), observe=observed(MarketError("no answer")))
    assert found is not None and "cannot be read any more once 12,000 USDC are in" in found.reason
    assert fork.does[-1] == "evm_revert" and not [m for m, _ in fork.asked if m == "eth_sendTransaction"]


async def test_calls_that_fail_are_told_and_whose_fault_it_is(journal: Journal) -> None:
    found = await tried(journal, forked(None), out_of())
    assert found is not None and found.lasting
    assert found.reason.startswith("Aave v3: 12,000 USDC go in, and nothing comes out: take it out: ")
    none = replace(out_of(), withdraw=lambda state_, part: ())
    found = await tried(journal, forked(RAW), none)
    assert found is not None and found.lasting and found.reason.endswith("there is no call that takes it out")
    fork = forked(RAW)
    fork.refuses["eth_estimateGas"] = "the fork is out of breath"
    found = await tried(journal, fork, out_of())
    assert found is not None and not found.lasting, "a fork that could not go on says nothing of the market"
    assert found.reason.endswith("take it out: the fork is out of breath")


@pytest.mark.parametrize(
    ("error", "lasting"),
    [
        ({"code": 3, "message": "execution reverted"}, True),
        ({"code": -32000, "message": "execution reverted", "data": "0x11223344"}, True),
        ({"code": -32000, "message": "too busy", "data": "0x"}, False),
    ],
)
async def test_a_revert_is_the_markets_own(journal: Journal, error: dict[str, Any], lasting: bool) -> None:
    class Refusing(ForkDouble):
        async def make_request(self, method: str, params: list[Any]) -> Any:
            if method == "eth_estimateGas":
                return {"jsonrpc": "2.0", "id": 1, "error": error}
            return await super().make_request(method, params)

    found = await tried(journal, Refusing(), out_of(), explain=lambda data: f"known {data.hex()}")
    assert found is not None and found.lasting is lasting
    assert found.reason.endswith("known 11223344" if error.get("data") == "0x11223344" else error["message"])


async def test_a_fork_that_cannot_be_put_back_ends_it(journal: Journal) -> None:
    fork = forked(RAW)
    fork.puts_back = False
    with pytest.raises(TransientError, match="cannot be put back"):
        await tried(journal, fork, out_of())


async def test_nothing_is_tried_where_nothing_says_how(journal: Journal) -> None:
    fork = forked(None)
    account, node = account_of(fork, journal), node_of(fork)
    for made in (
        work(),
        replace(work(), out=out_of()),
        replace(work(), observe=observed(STATE)),
        replace(work(), provides=pool(), out=None),
        replace(work(), provides=pool(), out=out_of()),
    ):
        assert await rehearse_exit(account, node, made, 0, FEES) is None
    assert not fork.asked


# A pool's liquidity.


ORDER = LiquidityOrder(id="o", manager=POOL, tokens=(USDC, USDC), fee_pips=0, token_id=1, expires_at=BLOCK.timestamp)


def pool(back: Any = None, entry_cost_bps: float = 0.0) -> Provides:
    return Provides(
        steps=steps(),
        tally=Tally({}),
        manager=POOL,
        router=STRANGER,
        pair=(USDC, USDC),
        tokens=(USDC,),
        token_ids=frozenset(),
        description="",
        entry_cost_bps=entry_cost_bps,
        slippage_bps=0.0,
        shift_ticks=0,
        back=back,
    )


def steps(*raws: int | Exception) -> Any:
    async def made(_: Node) -> AsyncIterator[OrderCall]:
        for raw in raws:
            if isinstance(raw, Exception):
                raise raw
            yield OrderCall(call=call(Amount(USDC, raw)), order=ORDER)

    return made


async def left(
    journal: Journal, fork: ForkDouble, *raws: int | Exception, held: int = 0, entry: float = 0.0, unread: bool = False
) -> NoWayOut | None:
    async def back(_: Node) -> Provides:
        if unread:
            raise MarketError("no answer")
        return replace(pool(), steps=steps(*raws))

    made: LegWork = replace(work(), provides=pool(back, entry))
    return await rehearse_exit(account_of(fork, journal), node_of(fork), made, held, FEES)


async def test_liquidity_comes_out_again_less_what_its_swaps_take_and_a_moved_price_may(journal: Journal) -> None:
    tolerated = RAW // 10_000  # account.tolerance_bps is 1
    for came, entry, held, passes in (
        (RAW, 0.0, 0, True),
        (RAW - tolerated - ROUNDING_RAW, 0.0, 0, True),
        (RAW - tolerated - ROUNDING_RAW - 1, 0.0, 0, False),
        (RAW - 11 * tolerated - ROUNDING_RAW, 10.0, 0, True),
        (RAW - 11 * tolerated - ROUNDING_RAW - 1, 10.0, 0, False),
        (2 * RAW - 2 * tolerated - ROUNDING_RAW, 0.0, RAW, True),
        (2 * RAW - 2 * tolerated - ROUNDING_RAW - 1, 0.0, RAW, False),
    ):
        fork = forked(came)
        assert (await left(journal, fork, 1, held=held, entry=entry) is None) is passes, (came, entry)
        assert fork.waited == [3600] and fork.height == 101 and fork.tokens == {OURS: 777}
    found = await left(journal, forked(5), 1)
    assert found == NoWayOut(
        "NO_WAY_OUT",
        "Aave v3: 12,000 USDC go in, 0.000005 USDC come out where 11,998.8 USDC should, swaps of both ways taken off",
        MARKET.id,
    )


@pytest.mark.parametrize("came", [0, -5])
async def test_nothing_that_comes_is_told_as_nothing(journal: Journal, came: int) -> None:
    found = await left(journal, forked(came), 1)
    assert found is not None and "12,000 USDC go in, 0 USDC come out where" in found.reason
    found = await tried(journal, forked(came), out_of())
    assert found is not None and "12,000 USDC go in, 0 USDC come out where" in found.reason


async def test_liquidity_that_fails_to_leave_is_told_and_whose_fault_it_is(journal: Journal) -> None:
    found = await left(journal, forked(None), 1)
    assert found is not None and found.lasting
    assert found.reason.startswith("Aave v3: 12,000 USDC go in, and nothing comes out: take it out: ")
    found = await left(journal, forked(RAW), MarketError("no answer"))
    assert found is not None and not found.lasting
    found = await left(journal, forked(RAW), 1, unread=True)
    assert found is not None and found.lasting and "cannot be read any more once 12,000 USDC are in" in found.reason
