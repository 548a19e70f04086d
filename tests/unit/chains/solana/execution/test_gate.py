"""Solana's gate in pure pieces: budgets, balance changes, what a landed transaction did, lookup tables. No cluster."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from tests.kit.solana.gate import (
    ACCOUNT,
    CHAIN,
    KEY,
    KEYS,
    NATIVE,
    OTHER,
    OWNER,
    RAW,
    RULES,
    SOL,
    STRANGER,
    TABLE,
    USDC,
    NodesDouble,
    account_with,
    held,
    message,
    told,
    wallet,
)
from tests.kit.solana.gate import journal as journal
from yieldbot.chains.solana.execution.account import SYSTEM
from yieldbot.chains.solana.execution.balances import sol_change
from yieldbot.chains.solana.execution.build import COMPUTE_BUDGET, Bid, bid_for, budget
from yieldbot.chains.solana.execution.clear import KnownNames, read
from yieldbot.chains.solana.execution.clear_call import SOLANAS
from yieldbot.chains.solana.execution.confirm import _settled, changes_in_meta
from yieldbot.chains.solana.execution.judge import Rules, budget_fault
from yieldbot.errors import InvariantError, TransientError
from yieldbot.journal.store import Journal
from yieldbot.math.stake_pool import StakePool, fee_of, rate
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import MarketId
from yieldbot.model.solana_tx import SvmUnsigned
from yieldbot.model.tx import Confirmed, Delta, Reverted, SvmInstruction


def unsigned(fee: int) -> SvmUnsigned:
    return SvmUnsigned(CHAIN, OWNER, b"", 1, (), b"", fee, "w", "p1", 0, MarketId("m/1/x"))


def over_budget(units: int, price: int, fee: int | None = None, rules: Rules = RULES) -> str | None:
    found = budget_fault(
        rules, unsigned(Bid(units, price).fee_lamports if fee is None else fee), budget(Bid(units, price))
    )
    return found.code if found else None


def test_a_budget_is_below_its_ceilings_and_as_it_was_priced() -> None:
    assert Bid(200_000, 500_000).fee_lamports == 105_000 and Bid(1, 1).fee_lamports == 5_001, "rounded up"
    assert over_budget(200_000, 500_000) is None
    assert over_budget(200_000, 500_001) == "FEE_ABOVE_CEILING"
    assert over_budget(200_003, 500_000) == "FEE_ABOVE_CEILING", "a lamport more than a transaction may pay"
    assert over_budget(1_400_000, 70_000) is None and over_budget(1_400_001, 1) == "GAS_ABOVE_LIMIT"
    assert over_budget(0, 1) == "GAS_ABOVE_LIMIT" and over_budget(1, 0) is None
    assert (
        over_budget(200_000, 10_000, fee=7_001) == "FEE_ABOVE_CEILING"
        and over_budget(200_000, 10_000, fee=7_000) is None
    )
    assert over_budget(200_000, 10_000, fee=6_999) == "FEE_ABOVE_CEILING"


def test_a_budget_asks_for_units_and_for_their_price_once_each() -> None:
    """Units are 4 bytes behind a 2, their price 8 bytes behind a 3: neither stands for the other."""
    limit, price = budget(Bid(200_000, 10_000))
    assert limit.data == b"\x02" + struct.pack("<I", 200_000) and price.data == b"\x03" + struct.pack("<Q", 10_000)

    def code(*instructions: SvmInstruction) -> str | None:
        found = budget_fault(RULES, unsigned(7_000), instructions)
        return found.code if found else None

    other = SvmInstruction(SYSTEM, (), b"\x02\0\0\0", "")
    assert code(limit, price) is code(price, other, limit) is None
    assert code(limit) == code(price) == code() == "GAS_ABOVE_LIMIT"
    for bad in (
        (limit, price, price),
        (limit, limit, price),
        (replace(limit, data=b"\x03" + limit.data[1:]), price),
        (limit, replace(price, data=b"\x02" + price.data[1:])),
        (limit, price, SvmInstruction(COMPUTE_BUDGET, (), b"\x01\0\0\0\0", "")),
        (limit, price, SvmInstruction(COMPUTE_BUDGET, (), b"\x04" + bytes(4), "")),
        (limit, price, SvmInstruction(COMPUTE_BUDGET, (), b"", "")),
    ):
        assert code(*bad) == "TAG_NOT_ALLOWED"


def test_a_bid_is_what_three_of_four_paid_below_the_ceiling() -> None:
    assert bid_for(100_000, [], 9) == Bid(100_000 + 15_000 + 120_000, 0)
    assert bid_for(1_400_000, [], 9).units == 1_400_000, "what a transaction may have at most"
    assert bid_for(1_000, [4, 1, 3, 2, 5], 9).micro_lamports == 4
    assert bid_for(1_000, [5], 9).micro_lamports == 5
    assert bid_for(1_000, [1, 2, 3, 4], 9).micro_lamports == 3
    assert bid_for(1_000, [50, 50, 50], 9).micro_lamports == 9
    assert bid_for(199, [], 0).units == 199 + 29 + 120_000


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({OWNER: wallet(100)}, {OWNER: wallet(60)}, -35),  # the fee of 5 is no change
        ({OWNER: wallet(100), ACCOUNT: held(OWNER, 5, 30)}, {OWNER: wallet(60), ACCOUNT: held(OWNER, 9, 70)}, 5),
        ({OWNER: wallet(100), ACCOUNT: None}, {OWNER: wallet(60), ACCOUNT: held(OWNER, 0, 35)}, 0),  # rent is ours
        ({OWNER: wallet(100), ACCOUNT: held(OWNER, 0, 30)}, {OWNER: wallet(125), ACCOUNT: None}, 0),
        ({OWNER: wallet(100), ACCOUNT: None}, {OWNER: wallet(60), ACCOUNT: wallet(35)}, 0),  # made by it: its rent
        ({OWNER: wallet(100), OTHER: wallet(7)}, {OWNER: wallet(60), OTHER: wallet(47)}, -35),  # a stranger's stays his
        (
            {OWNER: wallet(100), ACCOUNT: held(STRANGER, 5, 30)},
            {OWNER: wallet(60), ACCOUNT: held(STRANGER, 5, 70)},
            -35,
        ),
        ({OWNER: wallet(100), ACCOUNT: held(OWNER, 5, 30)}, {OWNER: wallet(95), ACCOUNT: held(STRANGER, 5, 10)}, -20),
        ({OWNER: wallet(100), OTHER: None}, {OWNER: wallet(95), OTHER: None}, 0),
        ({OWNER: wallet(100)}, {}, -95),
    ],
)
def test_our_sol_is_the_wallets_and_our_accounts(before: Any, after: Any, change: int) -> None:
    assert sol_change(before, after, OWNER, 5) == change


def test_addresses_of_lookup_tables_are_told_as_such_and_the_tables_named() -> None:
    key = Pubkey.from_string
    table = AddressLookupTableAccount(key(TABLE), [key(ACCOUNT), key(OTHER)])
    raw = bytes(VersionedTransaction(message(table), [KEY]))
    reading = read(raw, KnownNames(SOLANAS, {}, {}, {}))
    assert reading is not None and (reading.payer, reading.signatures) == (OWNER, 1)
    assert reading.tables == (TABLE,)
    pay, also = reading.instructions
    assert pay.known and pay.description == f"send 0.7 SOL from {OWNER} to {STRANGER}"
    assert not also.known and also.fields == (("data", "0x01"), ("account 1", f"address 1 of lookup table {TABLE}"))
    alone = read(bytes(VersionedTransaction(message(), [KEY])), KnownNames(SOLANAS, {}, {}, {}))
    assert alone is not None and alone.tables == () and alone.instructions[1].fields[1] == ("account 1", OTHER)
    assert read(raw + b"\0", KnownNames(SOLANAS, {}, {}, {})) is None and read(b"", KnownNames({}, {}, {}, {})) is None


def test_accounts_that_may_be_written_come_first_of_a_table() -> None:
    key = Pubkey.from_string
    table = AddressLookupTableAccount(key(TABLE), [key(OTHER), key(ACCOUNT)])
    metas = [AccountMeta(key(OTHER), False, False), AccountMeta(key(ACCOUNT), False, True)]
    call = Instruction(key(STRANGER), b"\x02", metas)
    made = MessageV0.try_compile(KEY.pubkey(), [call], [table], Hash.default())
    reading = read(bytes(VersionedTransaction(made, [KEY])), KnownNames({}, {}, {}, {}))
    assert reading is not None
    assert [value for _, value in reading.instructions[0].fields[1:]] == [
        f"address 0 of lookup table {TABLE}",
        f"address 1 of lookup table {TABLE}",
    ]


# What a landed transaction did.


async def test_a_landed_transaction_is_settled_with_what_it_did(journal: Journal) -> None:
    nodes = NodesDouble(told())
    account, tx = account_with(journal, nodes)
    outcome = await _settled(account, tx)
    deltas = (Delta(USDC, -5_000), Delta(NATIVE, -5_000))
    assert outcome == Confirmed("signature", BlockRef(CHAIN, 55, "", 1_700_000_000), 1_234, 0, deltas, 5_000)
    settled = journal.transaction("signature")
    assert settled is not None and settled.outcome == outcome and not journal.stopped_accounts()
    assert nodes.asked == [("signature", "finalized")]


@pytest.mark.parametrize("left", [3_997, 4_003, 9_000, 0])
async def test_a_balance_change_that_was_not_planned_stops_the_account(journal: Journal, left: int) -> None:
    account, tx = account_with(journal, NodesDouble(told((9_000, left))))
    with pytest.raises(InvariantError, match=r"is stopped: deposit 5: .* USDC, simulated was -0\.005 USDC"):
        await _settled(account, tx)
    settled = journal.transaction("signature")
    assert settled is not None and isinstance(settled.outcome, Confirmed)
    ((key, why),) = journal.stopped_accounts().items()
    assert key == (CHAIN, OWNER) and why.startswith("deposit 5: ")


async def test_every_predicted_token_is_compared_and_not_the_first_alone(journal: Journal) -> None:
    account, tx = account_with(journal, NodesDouble(told()))
    shares = replace(USDC, address=STRANGER, symbol="shares")
    predicted = (Delta(USDC, -5_000), Delta(shares, 4_000), Delta(NATIVE, -5_000))
    with pytest.raises(InvariantError, match=r"is stopped: deposit 5: .* shares"):
        await _settled(account, replace(tx, signed=replace(tx.signed, predicted=predicted)))


async def test_what_failed_on_the_chain_is_told_in_its_programs_words(journal: Journal) -> None:
    words = {(ACCOUNT, 0x1771): "the reserve is stale"}
    account, tx = account_with(
        journal, NodesDouble(told((9_000, 0), err={"x": 1})), explain=lambda program, code: words.get((program, code))
    )
    outcome = await _settled(account, tx)
    assert isinstance(outcome, Reverted) and outcome.reason == "the reserve is stale" and outcome.fee_raw == 5_000
    assert not journal.stopped_accounts(), "what failed did nothing"


async def test_balances_that_cannot_be_read_yet_settle_nothing(journal: Journal) -> None:
    account, tx = account_with(journal, NodesDouble(None))
    with pytest.raises(TransientError, match="cannot be read yet"):
        await _settled(account, tx)
    settled = journal.transaction("signature")
    assert settled is not None and settled.outcome is None


def test_lamports_of_our_accounts_and_the_fee_count_as_sol() -> None:
    seen = told()
    at, ours = KEYS.index(OWNER), KEYS.index(STRANGER)  # the USDC account's rent grows by what the wallet loses
    seen["meta"]["postBalances"][at] -= 300
    seen["meta"]["postBalances"][ours] += 200
    deltas, before = changes_in_meta(seen, RAW, OWNER, (SOL, USDC, NATIVE))
    assert deltas == (Delta(SOL, -100), Delta(USDC, -5_000), Delta(NATIVE, -5_300))
    assert before == {SOL: 10**9, USDC: 9_000}


def test_rent_of_an_account_that_it_made_or_closed_is_ours_and_a_strangers_money_is_his() -> None:
    def change(place: str, pre: int, post: int) -> int:
        seen = told()
        at = KEYS.index(place)
        seen["meta"]["preBalances"][at], seen["meta"]["postBalances"][at] = pre, post
        return changes_in_meta(seen, RAW, OWNER, (SOL, NATIVE))[0][0].raw

    assert change(OTHER, 0, 2_000) == 2_000 and change(OTHER, 2_000, 0) == -2_000
    assert change(OTHER, 500, 9_500) == change(OTHER, 9_500, 500) == change(OTHER, 0, 0) == 0


POOL = StakePool(2_000, 1_000, 2_000, 1_000, (1_000, 10), (1_000, 30), 50, (100, 5))


def test_pool_tokens_are_what_the_program_mints() -> None:
    """process_deposit_sol: rounded down, its fee up, of which the referrer gets a part, rounded down."""
    assert POOL.tokens_for(2_000) == 1_000 - 10 + 5
    assert POOL.tokens_for(2_000, referred=False) == 990
    assert POOL.tokens_for(2_003, referred=False) == 1_001 - 11 and POOL.tokens_for(2_003) == 990 + 5
    assert POOL.tokens_for(1) == 0
    for empty in (replace(POOL, supply=0), replace(POOL, total_lamports=0)):
        assert empty.tokens_for(2_000, referred=False) == 1_980, "the first deposit is one for one"
    free = replace(POOL, deposit_fee=(0, 7))
    assert free.tokens_for(2_000) == 1_000
    assert POOL.lamports_for(1_000) == 970 * 2 and POOL.lamports_for(1) == 0
    tokens = POOL.tokens_paying(1_940)
    assert tokens == 1_000 and POOL.lamports_for(tokens) >= 1_940 > POOL.lamports_for(tokens - 1)


def test_a_pool_that_is_empty_or_takes_all_pays_nothing() -> None:
    assert POOL.lamports_for(0) == 0 and replace(POOL, supply=0).lamports_for(5) == 0
    for none in (
        replace(POOL, supply=0),
        replace(POOL, total_lamports=0),
        replace(POOL, withdrawal_fee=(10, 10)),
        replace(POOL, withdrawal_fee=(10, 11)),
    ):
        with pytest.raises(OverflowError, match="would pay nothing"):
            none.tokens_paying(10)
    for fee in ((0, 5), (5, 0), (0, 0)):
        free = replace(POOL, withdrawal_fee=fee)
        assert free.tokens_paying(10) == 5 and free.tokens_paying(11) == 6 and free.lamports_for(5) == 10


@pytest.mark.parametrize("fee", [(1_000, 30), (7, 1), (10, 9), (3, 2), (1_000, 1)])
def test_the_least_tokens_that_pay_so_much_are_the_least(fee: tuple[int, int]) -> None:
    odd = replace(POOL, total_lamports=2_003, supply=1_009, withdrawal_fee=fee)
    for lamports in (1, 2, 3, 10, 97, 970, 1_001):
        tokens = odd.tokens_paying(lamports)
        assert odd.lamports_for(tokens) >= lamports > max(odd.lamports_for(less) for less in range(tokens - 3, tokens))


def test_fees_are_rounded_up_and_none_without_a_denominator() -> None:
    assert [fee_of((1_000, 10), raw) for raw in (0, 1, 100, 101, 1_000)] == [0, 1, 1, 2, 10]
    assert fee_of((0, 10), 5) == 0 and fee_of((10, 0), 5) == 0
    assert rate((200, 5)) == 0.025 and rate((0, 5)) == 0.0


def test_an_epochs_growth_is_by_what_the_last_one_did_to_the_token() -> None:
    """From 1.9 to 2 lamports a token: of 1,900 then, 100 gained after a fee of a twentieth."""
    grew = replace(POOL, last_total_lamports=1_900)
    reward = 100 / 0.95
    of_now = reward / 1_000
    assert grew.stake_growth(1_000) == pytest.approx(of_now / (1 - of_now))
    more = replace(grew, supply=500, total_lamports=1_000)
    assert more.stake_growth(1_000) == pytest.approx(of_now / (1 - of_now)), "by the token, not by what went in"
    for nothing in (
        POOL,
        replace(grew, last_total_lamports=0),
        replace(grew, last_supply=0),
        replace(grew, supply=0),
        replace(grew, last_total_lamports=2_100),
        replace(grew, epoch_fee=(1, 1)),
        replace(grew, epoch_fee=(1, 2)),
    ):
        assert nothing.stake_growth(1_000) == 0.0
    assert grew.stake_growth(0) == grew.stake_growth(-1) == 0.0
    half = replace(grew, epoch_fee=(0, 0))
    assert half.stake_growth(201) == pytest.approx(100 / 101)
    for staked in (200, 199, 1):
        with pytest.raises(OverflowError, match="cannot have doubled"):
            half.stake_growth(staked)
