"""Building: exact allowances, fees under the ceiling, words for the person who approves."""

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.wiring import MARKET, OWNER, POOL, RAW, STRANGER, USDC, supply_data, work
from yieldbot.chains.evm.execution.build import (
    Fees,
    TxContext,
    bumped,
    cancellation,
    gas_limit,
    price,
    spender_names,
    unsigned,
    with_allowances,
)
from yieldbot.chains.evm.execution.reverts import revert_words
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Allowance, EvmCall

CALL = EvmCall(POOL, supply_data(), 0, "supply", Allowance(USDC, POOL, RAW))


def lines(existing: int, *calls: EvmCall) -> list[str]:
    spread = with_allowances(calls or (CALL,), {(USDC, POOL): existing}, spender_names(work()))
    return [call.description for call in spread]


def test_allowances_are_exact_and_reset_first() -> None:
    exact = "allow Aave v3 to take exactly 12,000 USDC"
    assert lines(0) == [exact, "supply"]
    assert lines(RAW) == ["supply"]
    assert lines(5) == ["take back Aave v3's allowance of USDC", exact, "supply"]
    assert lines(2**256 - 1) == ["take back Aave v3's allowance of USDC", exact, "supply"]
    assert lines(0, CALL, CALL) == [exact, "supply", exact, "supply"]  # each call consumes its own
    assert lines(0, EvmCall(POOL, b"", 0, "withdraw")) == ["withdraw"]


def test_an_unnamed_spender_is_shown_by_its_address() -> None:
    call = EvmCall(POOL, b"", 0, "x", Allowance(USDC, STRANGER, 1))
    assert with_allowances((call,), {}, {})[0].description == f"allow {STRANGER} to take exactly 0.000001 USDC"


@given(st.integers(0, 10**12), st.integers(0, 10**11), st.integers(0, 10**12))
def test_fees_never_pass_the_ceiling_and_always_meet_the_base_fee(base: int, tip: int, ceiling: int) -> None:
    fees = price(base, tip, ceiling)
    if isinstance(fees, Declined):
        assert fees.code == "FEE_ABOVE_CEILING" and base + tip > ceiling
        return
    assert base + tip <= fees.max_fee_wei <= ceiling
    assert fees.max_fee_wei <= 2 * base + tip


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_replacement_pays_a_tenth_more_of_both(paid: int, tip: int, now: int) -> None:
    fees = bumped(Fees(now, tip), Fees(paid, tip))
    assert fees.max_fee_wei * 10 >= paid * 11 and fees.max_fee_wei > paid
    assert fees.priority_fee_wei * 10 >= tip * 11 and fees.priority_fee_wei > tip
    assert fees.max_fee_wei >= now


def test_transactions_carry_their_leg() -> None:
    context = TxContext(USDC.chain, OWNER, "p1", 3, MARKET.id)
    tx = unsigned(CALL, context, 9, gas_limit(100_000), Fees(10, 20))
    assert (tx.gas, tx.nonce, tx.leg, tx.plan_id, tx.description) == (125_000, 9, 3, "p1", "supply")
    assert tx.priority_fee_wei <= tx.max_fee_wei
    cancel = cancellation(context, 9, 21_000, Fees(30, 20), "supply")
    assert (cancel.to, cancel.data, cancel.value, cancel.nonce) == (OWNER, b"", 0, 9)
    assert cancel.description == "cancel: supply"


def test_reverts_are_put_into_words() -> None:
    said = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"oops".ljust(32, b"\0")
    assert revert_words(said, lambda _: None) == "oops"
    assert revert_words(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"), lambda _: None).startswith("arithmetic")
    assert revert_words(b"\x01\x02\x03\x04", lambda data: "supply cap exceeded") == "supply cap exceeded"
    assert revert_words(b"\x01\x02\x03\x04", lambda _: None) == "custom error 01020304 that no adapter knows"
    assert revert_words(b"", lambda _: None, "execution reverted") == "execution reverted"
    assert "08c379a0" in revert_words(bytes.fromhex("08c379a0ff"), lambda _: None)


def test_a_replacement_pays_an_eighth_and_a_wei_more_at_least() -> None:
    assert bumped(Fees(0, 0), Fees(8, 17)) == Fees(10, 20) and bumped(Fees(0, 0), Fees(0, 0)) == Fees(1, 1)
    assert bumped(Fees(11, 21), Fees(8, 17)) == Fees(11, 21)
