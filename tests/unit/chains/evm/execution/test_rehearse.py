"""A plan on its fork, on the double of a chain: what each call needs, what it may cost, and what its effect must be."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import GWEI, ChainDouble, account_of, node_of, open_journal, receipt, topic, transfer
from tests.kit.evm.leg import ITS, OURS, SET, living
from tests.kit.wiring import BLOCK, MARKET, OWNER, POOL, RAW, SHARES, STRANGER, USDC, supply_tx, work
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.balances import APPROVAL_TOPIC
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.fees import fetch_priority_fee
from yieldbot.chains.evm.execution.on_fork import mined
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import leg_calls, rehearse
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.errors import MarketError, TransientError
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.plan import Declined, Leg, LegFails, LegKind
from yieldbot.model.reads import Read
from yieldbot.model.tx import Delta, SimulatedTx

LIMIT = 60_000 * 125 // 100
PRICE = 2 * GWEI + GWEI // 10


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


async def code(journal: Journal, chain: ChainDouble, *works: LegWork, **changes: Any) -> str | None:
    found = await rehearse(account_of(chain, journal, **changes), works or (work(),), BLOCK)
    return found.code if isinstance(found, Declined) else None


async def test_a_plan_is_told_call_by_call_and_as_a_whole(journal: Journal) -> None:
    chain = living(journal)
    found = await rehearse(account_of(chain, journal), (work(),), BLOCK)
    assert isinstance(found, Rehearsal) and (found.block, found.fees) == (BLOCK, Fees(PRICE, GWEI // 10))
    assert found.lines == ("allow Aave v3 to take exactly 12,000 USDC", "supply 12,000 USDC to Aave v3")
    (leg,) = found.legs
    assert [(tx.to, tx.gas_used, tx.gas_limit) for tx in leg.txs] == [
        (USDC.address, 50_000, LIMIT),
        (POOL, 50_000, LIMIT),
    ]
    assert leg.index == 0 and leg.gas_used == found.gas_used == 100_000
    assert {d.token: d.raw for d in found.deltas} == {USDC: -RAW, SHARES: RAW, account_of(chain, journal).native: 0}
    assert not chain.sent and chain.tokens[(OURS, ITS)] == 20_000 * 10**6, "the chain itself is as it was"


async def test_the_block_that_the_plan_was_decided_on_is_the_one_that_fees_are_read_of(journal: Journal) -> None:
    chain = living(journal)
    await rehearse(account_of(chain, journal), (work(),), replace(BLOCK, height=77))
    assert ("eth_getBlockByNumber", [hex(77), False]) in chain.asked


async def test_what_a_call_may_use_and_cost_is_bounded(journal: Journal) -> None:
    assert await code(journal, living(journal), max_gas=LIMIT) is None
    assert await code(journal, living(journal), max_gas=LIMIT - 1) == "GAS_ABOVE_LIMIT"
    for changes, wei, wanted in (
        ({}, LIMIT * PRICE, None),
        ({}, LIMIT * PRICE - 1, "INSUFFICIENT_NATIVE"),
        ({"pays_gas": False}, 0, None),
    ):
        chain = living(journal)
        chain.native_wei = wei
        assert await code(journal, chain, **changes) == wanted
    chain = living(journal)
    chain.base_fee_wei = 10 * GWEI
    assert await code(journal, chain) == "FEE_ABOVE_CEILING"
    sends = replace(work(), calls=(replace(work().calls[0], value=5),))
    chain = living(journal)
    chain.native_wei = LIMIT * PRICE + 4
    assert await code(journal, chain, sends) == "INSUFFICIENT_NATIVE"
    chain.native_wei = LIMIT * PRICE + 5
    assert await code(journal, chain, sends) is None


async def test_a_call_that_would_revert_is_said_with_its_leg(journal: Journal) -> None:
    chain = living(journal)
    chain.refuses = {"eth_estimateGas": "execution reverted: too much"}
    found = await rehearse(account_of(chain, journal), (work(),), BLOCK)
    assert isinstance(found, Declined) and found.code == "WOULD_REVERT"
    assert found.reason.startswith("leg 1: allow Aave v3 to take") and "too much" in found.reason
    assert isinstance(found, LegFails) and found.leg == work().leg, "of one market: the others need not wait for it"
    chain = living(journal)
    chain.tokens[(OURS, ITS)] = 0
    chain.effect = lambda fork, fields: None
    found = await rehearse(account_of(chain, journal), (replace(work(), index=2),), BLOCK)
    assert isinstance(found, Declined) and found.code == "WOULD_REVERT" and found.reason.startswith("leg 3: ")
    chain = living(journal)
    chain.refuses = {"eth_sendTransaction": "execution reverted: late"}
    assert await code(journal, chain) == "WOULD_REVERT"


async def test_legs_go_on_from_each_other_and_the_first_that_fails_ends_it(journal: Journal) -> None:
    chain, half = living(journal), work()
    chain.tokens[(OURS, ITS)] = 40_000 * 10**6
    found = await rehearse(account_of(chain, journal), (half, replace(half, index=1)), BLOCK)
    assert isinstance(found, Rehearsal) and len(found.legs) == 2
    assert {d.token: d.raw for d in found.deltas}[USDC] == -2 * RAW
    short = replace(half, leg=replace(half.leg, amount=Amount(USDC, 5 * RAW)))
    found = await rehearse(account_of(chain, journal), (short, half), BLOCK)
    assert isinstance(found, Declined) and found.code == "DELTA_NOT_PLANNED" and found.reason.startswith("leg 1: ")


async def test_allowances_that_exist_are_seen_and_those_that_are_left_are_told(journal: Journal) -> None:
    chain = living(journal)
    chain.allowed = {SET: RAW}
    account = account_of(chain, journal)
    assert await leg_calls(account, account.node, work()) == work().calls
    chain.allowed = {SET: 5}
    words = [call.description.split()[0] for call in await leg_calls(account, account.node, work())]
    assert words == ["take", "allow", "supply"]

    def leaves(event: dict[str, Any]) -> ChainDouble:
        made = living(journal)
        effect = made.effect

        def more(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
            done = effect(fork, fields)
            return done if done is None else [*done, event]

        made.effect = more
        return made

    event = {"address": USDC.address, "topics": [APPROVAL_TOPIC, topic(OWNER), topic(STRANGER)], "data": hex(3)}
    chain = leaves(event)
    assert await code(journal, chain) is None, "an event of an allowance that is not there any more"
    chain.allowed[(OURS, ITS, STRANGER.lower())] = 3
    found = await rehearse(account_of(chain, journal), (work(),), BLOCK)
    assert isinstance(found, Declined) and found.code == "ALLOWANCE_LEFT"
    assert found.reason == f"leg 1: Aave v3: 3 units of {USDC.address} stay allowed to {STRANGER}"
    assert not isinstance(found, LegFails), "that is for a person to see"
    chain = leaves(event | {"topics": [APPROVAL_TOPIC, topic(STRANGER), topic(OWNER)]})
    chain.allowed[(OURS, ITS, STRANGER.lower())] = 3
    assert await code(journal, chain) is None, "what somebody allows us is none of ours"
    thief = leaves(transfer(STRANGER, OWNER, POOL))
    assert await code(journal, thief) == "UNKNOWN_TOKEN_MOVED"


# What a deposit is worth afterwards.

State = Callable[[BlockRef], Generator[Sequence[Read], Sequence[bytes], Any]]


def observed(*worths: int | Exception) -> State:
    """What the adapter would read of our position, time after time."""
    left = list(worths)

    def observe(_: BlockRef) -> Generator[Sequence[Read], Sequence[bytes], Any]:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, Exception):
            raise now
        return type("State", (), {"held": Amount(USDC, now)})()
        yield ()

    return observe


@pytest.mark.parametrize(
    ("worths", "entry", "wanted"),
    [
        ((0, RAW), 0.0, None),
        ((500, RAW + 500), 0.0, None),
        ((500, RAW - 1_200_001 + 500), 0.0, "WORTH_LESS"),
        ((500, RAW - 1_200_000 + 500), 0.0, None),
        ((0, RAW - 12_000_000), 10.0, None),
        ((0, RAW - 12_000_000), 0.0, "WORTH_LESS"),
        ((MarketError("it cannot be read"), RAW), 0.0, None),
        ((0, MarketError("it cannot be read")), 0.0, "WORTH_LESS"),
    ],
)
async def test_a_deposit_must_be_worth_what_it_took(
    journal: Journal, worths: tuple[Any, ...], entry: float, wanted: str | None
) -> None:
    its = replace(work(), observe=observed(*worths), entry_cost_bps=entry)
    assert await code(journal, living(journal), its) == wanted


async def test_nobody_asks_what_a_withdrawal_is_worth(journal: Journal) -> None:
    leg = Leg(LegKind.WITHDRAW, MARKET.id, Amount(USDC, RAW))
    its = replace(work(), leg=leg, observe=observed(0, 0))
    chain = living(journal)
    chain.allowed = {SET: RAW}

    def pays(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]]:
        fork.tokens[(OURS, ITS)] += RAW
        return []

    chain.effect = pays
    assert await code(journal, chain, its) is None


async def test_the_tip_is_what_the_node_suggests_up_to_the_setting(journal: Journal) -> None:
    chain = living(journal)
    for suggested, paid in ((0, GWEI // 10), (GWEI // 10 - 1, GWEI // 10 - 1), (GWEI, GWEI // 10)):
        chain.tip_wei = suggested
        assert await fetch_priority_fee(account_of(chain, journal)) == paid


async def test_a_fork_that_mines_nothing_is_not_waited_for_for_ever(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yieldbot.chains.evm.execution.on_fork.RECEIPT_SECONDS", 0.05)
    account = account_of(living(journal), journal)
    silent = ChainDouble(effect=lambda chain, fields: [])
    silent._eth_getTransactionReceipt = lambda name: None  # type: ignore[method-assign]

    with pytest.raises(TransientError, match=r"mined nothing in 0\.05 s"):
        await mined(account, node_of(silent), {"from": OWNER, "to": POOL}, "x")
    monkeypatch.setattr(
        "yieldbot.chains.evm.execution.on_fork.RECEIPT_SECONDS", 20.0
    )  # a busy machine is no silent fork
    late, asked = ChainDouble(), 0

    def slow(name: str) -> Any:
        nonlocal asked
        asked += 1
        return receipt(name, 1) if asked == 3 else None

    late._eth_getTransactionReceipt = slow  # type: ignore[method-assign]
    found = await mined(account, node_of(late), {"from": OWNER, "to": POOL}, "x")
    assert not isinstance(found, Declined) and asked == 3


async def test_a_failed_call_is_made_again_before_its_block_to_learn_why(journal: Journal) -> None:

    chain = ChainDouble(height=50, effect=lambda chain, fields: None)
    account = account_of(chain, journal)
    fields = {"from": OWNER, "to": POOL, "data": "0x01", "value": "0x0", "gas": "0x5", "nonce": "0x1"}
    found = await mined(account, node_of(chain), fields, "try it")
    assert isinstance(found, Declined) and found.code == "WOULD_REVERT" and found.reason.startswith("try it: no reason")
    call = {name: fields[name] for name in ("from", "to", "data", "value", "gas")}
    assert ("eth_call", [call, hex(49)]) in chain.asked
    chain.refuses = {"eth_call": "execution reverted: because"}
    found = await mined(account, node_of(chain), fields, "try it")
    assert isinstance(found, Declined) and found.reason.startswith("try it: ") and "because" in found.reason


async def test_a_transaction_is_simulated_as_it_will_be_signed(journal: Journal) -> None:
    chain = living(journal)
    chain.allowed[SET] = RAW
    seen: list[dict[str, Any]] = []
    effect = chain.effect

    def watch(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        seen.append(fields)
        return effect(fork, fields)

    chain.effect = watch
    found = await simulate_tx(account_of(chain, journal), supply_tx(), work())
    assert isinstance(found, SimulatedTx) and found.tx == supply_tx() and found.gas_used == 50_000
    assert found.block.height == 100 and found.deltas[:2] == (Delta(USDC, -RAW), Delta(SHARES, RAW))
    assert found.given == frozenset({f"transfer {OURS}"})
    assert seen == [
        {
            "from": OWNER,
            "to": POOL,
            "data": "0x" + supply_tx().data.hex(),
            "value": "0x0",
            "nonce": "0x7",
            "gas": hex(300_000),
            "maxFeePerGas": hex(2 * GWEI),
            "maxPriorityFeePerGas": hex(GWEI // 10),
            "chainId": hex(8453),
        }
    ]
    chain.effect = lambda fork, fields: None
    found_ = await simulate_tx(account_of(chain, journal), supply_tx(), work())
    assert isinstance(found_, Declined) and found_.code == "WOULD_REVERT"


async def test_only_a_cancellations_nonce_is_set_on_the_fork(journal: Journal) -> None:
    """It may lie beyond what the chain has reached; every other transaction must be the next."""
    forks: list[ChainDouble] = []

    def account_with_forks(chain: ChainDouble) -> Any:
        from contextlib import asynccontextmanager
        from copy import deepcopy

        @asynccontextmanager
        async def forked(_: BlockRef) -> Any:
            forks.append(deepcopy(chain))
            yield node_of(forks[-1])

        return replace(account_of(chain, journal), fork=forked)

    chain = living(journal)
    chain.effect = lambda fork, fields: []
    account = account_with_forks(chain)
    empty = supply_tx(to=OWNER, data=b"", nonce=9)
    for tx, its, sets in (
        (empty, None, [[OWNER, "0x9"]]),
        (empty, work(), []),
        (replace(empty, to=POOL), None, []),
        (replace(empty, data=b"\1"), None, []),
    ):
        await simulate_tx(account, tx, its)
        assert [params for name, params in forks[-1].asked if name == "anvil_setNonce"] == sets
