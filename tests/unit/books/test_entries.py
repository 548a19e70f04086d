"""From journalled transactions to entries: each once, with what it changed and what it cost."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.books.samples import AAVE, ACCOUNT, BORN, CHAIN, ETH, OWNER, SHARES, USDC, WETH, quotes
from yieldbot.books.entries import SVM_NATIVE, Entry, EntryKind, from_journal, receipts
from yieldbot.books.ledger import RowKind, post
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import JournalEntry, PlanWritten, SvmTerms, TxSettled, TxSigned
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.families import native_of
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Delta, Expired, Outcome, Replaced, Reverted

IDLE = MarketId("idle/31337/0x01")
BLOCK = BlockRef(CHAIN, 7, "0xb", BORN)
LATER = replace(BLOCK, height=9, timestamp=BORN + 60)


def plan(*legs: Leg, targets: dict[MarketId, int] | None = None, asset: Token = USDC) -> Plan:
    amounts = {market_id: Amount(asset, raw) for market_id, raw in (targets or {}).items()}
    allocation = Allocation(amounts, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
    return Plan("p", BLOCK, OWNER, (), legs, allocation, 1.0, 0.0, 1, BORN + 600)


def signed(tx_hash: str, leg: int = 0, market_id: MarketId = AAVE, native: Token = ETH, **more: object) -> TxSigned:
    fields: dict[str, object] = {
        "chain": native.chain,
        "owner": OWNER,
        "plan_id": "p",
        "leg": leg,
        "market_id": market_id,
        "hash": tx_hash,
        "raw": b"",
        "nonce": 0,
        "gas": 1,
        "max_fee_wei": 1,
        "priority_fee_wei": 1,
        "words": f"do {tx_hash}",
        "expires_at": BORN,
        "simulated_at": BLOCK,
        "predicted": (Delta(native, 0),),
    }
    return TxSigned(**(fields | more))  # type: ignore[arg-type]


def posted(plans: tuple[Plan, ...], *pairs: tuple[TxSigned, Outcome | None]) -> tuple[Entry, ...]:
    events: list[JournalEntry] = [PlanWritten(one) for one in plans]
    for tx, outcome in pairs:
        events.append(tx)
        events += [TxSettled(tx.chain, tx.owner, outcome)] if outcome else []
    return from_journal(Record(seq, BORN, event) for seq, event in enumerate(events, 1))


def done(tx_hash: str, *changes: tuple[Token, int], fee_raw: int | None = 5, block: BlockRef = LATER) -> Confirmed:
    return Confirmed(tx_hash, block, 2, 3, tuple(Delta(token, raw) for token, raw in changes), fee_raw)


DEPOSIT = Leg(LegKind.DEPOSIT, AAVE, Amount(USDC, 100))


def test_a_leg_of_two_transactions_is_an_allowance_and_a_deposit() -> None:
    allowed = done("0xa", (USDC, 0), (SHARES, 0), (ETH, -5), block=BLOCK)
    put_in = done("0xb", (USDC, -100), (SHARES, 99), (ETH, -5))
    first, second = posted((plan(DEPOSIT),), (signed("0xa"), allowed), (signed("0xb"), put_in))
    assert (first.kind, first.changes, first.fee_raw, first.market_id) == (EntryKind.GAS, (), 5, AAVE)
    assert (second.kind, second.asset, second.shares, second.fee_raw) == (EntryKind.DEPOSIT, USDC, {SHARES}, 5)
    assert second.changes == (Delta(USDC, -100), Delta(SHARES, 99)) and second.description == "do 0xb"
    assert receipts((first, second)) == {SHARES: AAVE}


def test_what_never_happened_has_no_entry_and_a_revert_its_fee() -> None:
    found = posted(
        (plan(DEPOSIT),),
        (signed("0xa"), Expired("0xa", "too late")),
        (signed("0xb"), Replaced("0xb", "0xc")),
        (signed("0xc"), None),
        (signed("0xd"), Reverted("0xd", LATER, 9, "why", 7)),
        (signed("0xe"), Reverted("0xe", LATER, 9, "why")),
    )
    assert [(e.hash, e.kind, e.changes, e.fee_raw) for e in found] == [
        ("0xd", EntryKind.REVERTED, (), 7),
        ("0xe", EntryKind.REVERTED, (), None),
    ]


def test_rows_of_older_programs_tell_the_fee_by_gas_and_balance() -> None:
    (plain,) = posted((plan(DEPOSIT),), (signed("0xa"), done("0xa", (USDC, -100), (ETH, -6), fee_raw=None)))
    (rollup,) = posted((plan(DEPOSIT),), (signed("0xa"), done("0xa", (USDC, -100), (ETH, -8), fee_raw=None)))
    (further,) = posted((plan(DEPOSIT),), (signed("0xa"), done("0xa", (USDC, -100), (ETH, -8))))
    assert (further.fee_raw, further.changes) == (8, (Delta(USDC, -100),)), "a fee that no receipt names"
    (forgot,) = posted((plan(DEPOSIT),), (signed("0xa"), done("0xa", (USDC, -100), fee_raw=None)))
    assert (plain.fee_raw, rollup.fee_raw, forgot.fee_raw) == (6, 8, 6)
    assert plain.changes == rollup.changes == forgot.changes == (Delta(USDC, -100),)
    (given,) = posted((plan(DEPOSIT),), (signed("0xa"), done("0xa", (USDC, -100), (ETH, 10))))
    assert given.change(ETH) == 15 and given.fee_raw == 5, "what came beside it in the same block"


def test_legs_without_a_market_and_kinds_without_a_name() -> None:
    swap = Leg(LegKind.SWAP, MarketId("swap/31337/0x0"), Amount(USDC, 100), gets=Amount(WETH, 1))
    claim = Leg(LegKind.CLAIM, MarketId(f"claim/{AAVE}/{WETH.address.lower()}"), Amount(WETH, 1))
    found = posted(
        (plan(swap, claim),),
        (signed("0xa", 0, swap.market_id), done("0xa", (USDC, -100), (WETH, 2), (ETH, -5))),
        (signed("0xb", 1, claim.market_id), done("0xb", (WETH, 3), (ETH, -5))),
        (signed("0xc", 2), done("0xc", (WETH, 4), (ETH, -5))),
        (
            signed("0xd", plan_id="revoke-1", market_id=MarketId("allowance/31337/0x1")),
            done("0xd", (USDC, 0), (ETH, -5)),
        ),
    )
    assert [e.kind for e in found] == [EntryKind.SWAP, EntryKind.CLAIM, EntryKind.OTHER, EntryKind.GAS]
    unplanned = posted(
        (),
        (signed("0xa", 0, swap.market_id), done("0xa", (USDC, -100), (WETH, 2), (ETH, -5))),
        (signed("0xb", 1, claim.market_id), done("0xb", (WETH, 3), (ETH, -5))),
        (signed("0xc", 1, claim.market_id), done("0xc", (WETH, -3), (ETH, -5))),
    )
    assert [e.kind for e in unplanned] == [EntryKind.SWAP, EntryKind.CLAIM, EntryKind.OTHER]
    assert [e.market_id for e in unplanned] == [None, AAVE, AAVE], "rewards are a market's"
    assert not any(e.shares for e in found) and found[0].market_id is None


def test_liquidity_is_told_from_a_swap_on_its_way() -> None:
    pool = MarketId("uniswap_v3_lp/31337/0x06")
    position = Token(CHAIN, Address("0x" + "07" * 20), "UNI-V3-POS", 0)
    found = posted(
        (),
        (signed("0xa", market_id=pool), done("0xa", (USDC, -5), (WETH, -6), (position, 1), (ETH, -5))),
        (signed("0xb", market_id=pool), done("0xb", (USDC, -5), (WETH, 4), (position, 0), (ETH, -5))),
        (signed("0xc", market_id=pool), done("0xc", (USDC, 7), (WETH, 8), (position, 0), (ETH, -5))),
        (signed("0xd", market_id=pool), done("0xd", (USDC, 0), (WETH, 0), (position, 0), (ETH, -5))),
    )
    assert [e.kind for e in found] == [EntryKind.LIQUIDITY, EntryKind.SWAP, EntryKind.LIQUIDITY, EntryKind.GAS]
    assert found[0].shares == {position} and all(e.market_id == pool for e in found)
    rows = post(found, quotes({USDC: "1", WETH: "2"})).rows
    told = [(row.what, row.token.symbol, row.raw) for row in rows if row.what not in (RowKind.FEE, RowKind.SWAP)]
    assert told == [
        (RowKind.LIQUIDITY, "USDC", -5),
        (RowKind.LIQUIDITY, "WETH", -6),
        (RowKind.SHARES, "UNI-V3-POS", 1),
        (RowKind.LIQUIDITY, "USDC", 7),
        (RowKind.LIQUIDITY, "WETH", 8),
    ]


def test_a_pairs_own_token_is_a_receipt_and_pools_are_not_opened_with_an_asset() -> None:
    pair = Token(CHAIN, Address("0x" + "AB" * 20), "pair", 18)
    pool = MarketId("uniswap_v2_lp/31337/0x" + "ab" * 20)
    (added,) = posted((), (signed("0xa", market_id=pool), done("0xa", (USDC, -5), (WETH, -6), (pair, 7), (ETH, -5))))
    assert (added.kind, added.shares, added.plan) == (EntryKind.LIQUIDITY, {pair}, "p")
    assert [row.what for row in post([added], quotes({})).rows if row.token == pair] == [RowKind.SHARES]

    v3 = MarketId("uniswap_v3_lp/31337/0x06")
    more = Leg(LegKind.DEPOSIT, v3, Amount(USDC, 100))
    found = posted((plan(more, targets={v3: 150}),), (signed("0xa", market_id=v3), done("0xa", (USDC, -1), (WETH, -1))))
    assert [entry.kind for entry in found] == [EntryKind.LIQUIDITY], (
        "what was in it before was disposed of as it went in"
    )


def test_a_plan_tells_what_it_found() -> None:
    """Targets less the plan's own changes: in the wallet, and in a market before our first transaction there."""
    other = MarketId("aave_v3/31337/0x05")
    first = plan(DEPOSIT, targets={IDLE: 50, AAVE: 130, other: 40})
    opened = posted((first,), (signed("0xa"), done("0xa", (USDC, -100), (SHARES, 100), (ETH, -5))))[:-1]
    assert [(e.kind, e.market_id, e.change(USDC)) for e in opened] == [
        (EntryKind.OPENING, None, 150),
        (EntryKind.OPENING, AAVE, 30),
    ]
    assert posted((first,), (signed("0xa"), Expired("0xa", "never"))) == (), "a plan that was never carried out"


SOLANA = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
LAMPORTS = Token(SOLANA, SVM_NATIVE, "SOL", 9)
SOL = Token(SOLANA, WRAPPED_SOL, "SOL", 9)
SLOT = BlockRef(SOLANA, 9, "", BORN)


def on_solana(asset: Token, *changes: tuple[Token, int], fee_raw: int | None = 5_000) -> Entry:
    leg = Leg(LegKind.DEPOSIT, AAVE, Amount(asset, 100))
    tx = signed("a", native=LAMPORTS, svm=SvmTerms(1, "00", 5_000))
    (found,) = posted((plan(leg, asset=asset),), (tx, done("a", *changes, fee_raw=fee_raw, block=SLOT)))
    return found


def test_rent_on_solana_is_neither_fee_nor_change() -> None:
    usdc = Token(SOLANA, Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"), "USDC", 6)
    for fee_raw in (5_000, None):  # None: a row of before fees were kept
        found = on_solana(usdc, (usdc, -100), (LAMPORTS, -2_044_280), fee_raw=fee_raw)
        assert (found.changes, found.fee_raw, found.rent_raw) == ((Delta(usdc, -100),), 5_000, 2_039_280)
    wrapped = on_solana(SOL, (SOL, -10_000), (LAMPORTS, -2_054_280))
    assert wrapped.asset == LAMPORTS and wrapped.changes == (Delta(LAMPORTS, -10_000),)
    assert (wrapped.fee_raw, wrapped.rent_raw, wrapped.account) == (5_000, 2_039_280, (SOLANA, OWNER))
    assert wrapped.kind is EntryKind.DEPOSIT and ACCOUNT[1] == OWNER


def test_native_tokens_are_named_as_execution_names_them() -> None:
    from yieldbot.books.entries import EVM_NATIVE
    from yieldbot.chains.solana.execution import account as svm_account

    assert (native_of(CHAIN, "ETH").address, native_of(SOLANA, "SOL").address) == (EVM_NATIVE, SVM_NATIVE)
    assert svm_account.SYSTEM == SVM_NATIVE
