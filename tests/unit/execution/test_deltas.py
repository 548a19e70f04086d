"""Whether balances changed as they should have."""

from dataclasses import replace

import pytest
from wiring import OWNER, RAW, SHARES, STRANGER, USDC, work

from yieldbot.execution.account import NATIVE
from yieldbot.execution.deltas import (
    APPROVAL_TOPIC,
    TRANSFER_TOPIC,
    allowances_touched,
    leg_fault,
    log_changes,
    real_fault,
    still_least,
    tokens_sent,
    total,
    word,
)
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.tx import Delta

DAI = Token(USDC.chain, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "DAI", 18)
ETH = Token(USDC.chain, NATIVE, "ETH", 18)
WITHDRAWAL = replace(work(), leg=replace(work().leg, kind=LegKind.WITHDRAW))
ALL = replace(WITHDRAWAL, leg=replace(WITHDRAWAL.leg, all=True))


@pytest.mark.parametrize(
    ("leg", "asset", "shares", "code"),
    [
        (work(), -RAW, RAW - 1, None),
        (work(), -RAW - 1, RAW, "DELTA_NOT_PLANNED"),  # never a unit more than approved
        (work(), -RAW + 2_000_000, RAW, "DELTA_NOT_PLANNED"),
        (work(), -RAW, 0, "NO_SHARES"),
        (WITHDRAWAL, RAW, -RAW, None),
        (WITHDRAWAL, RAW - 2, -RAW, None),  # the protocol rounds down
        (WITHDRAWAL, RAW - 2_000_000, -RAW, "DELTA_NOT_PLANNED"),
        (WITHDRAWAL, RAW + 2_000_000, -RAW, "DELTA_NOT_PLANNED"),
        (WITHDRAWAL, RAW, 1, "DELTA_NOT_PLANNED"),
        (ALL, RAW + 2_000_000, -RAW, None),  # what accrued since comes too
        (ALL, RAW - 2_000_000, -RAW, "DELTA_NOT_PLANNED"),
    ],
)
def test_a_leg_does_what_it_says(leg: object, asset: int, shares: int, code: str | None) -> None:
    found = leg_fault(leg, (Delta(USDC, asset), Delta(SHARES, shares)), 1.0)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("given", "brought", "code"),
    [
        (-RAW, 11_990_000_000, None),
        (-RAW, 12_100_000_000, None),  # a better price is no fault
        (-RAW, 11_989_999_999, "BELOW_LEAST"),
        (-RAW - 1, 11_990_000_000, "DELTA_NOT_PLANNED"),
        (-RAW + 1, 11_990_000_000, "DELTA_NOT_PLANNED"),
        (0, 0, "DELTA_NOT_PLANNED"),
    ],
)
def test_a_swap_takes_its_amount_and_brings_its_least(given: int, brought: int, code: str | None) -> None:
    leg = Leg(LegKind.SWAP, MarketId("swap/8453/a/b"), Amount(USDC, RAW), gets=Amount(DAI, 11_990_000_000))
    found = leg_fault(replace(work(), leg=leg, share_token=None), (Delta(USDC, given), Delta(DAI, brought)), 1.0)
    assert (found.code if found else None) == code


def test_a_swap_for_nothing_or_for_the_same_token_is_none() -> None:
    for gets in (None, Amount(USDC, 1)):
        leg = Leg(LegKind.SWAP, MarketId("swap/8453/a/b"), Amount(USDC, RAW), gets=gets)
        found = leg_fault(replace(work(), leg=leg, share_token=None), (Delta(USDC, -RAW),), 1.0)
        assert found is not None and found.code == "DELTA_NOT_PLANNED"


def test_what_a_swap_brought_is_held_to_its_least_and_not_to_the_simulation() -> None:
    predicted = (Delta(USDC, -RAW), Delta(DAI, 12_000, least=11_940), Delta(ETH, -5))
    for brought, fault in ((11_940, None), (12_500, None), (11_939, "+0.00000001194 DAI")):
        real = (Delta(USDC, -RAW), Delta(DAI, brought), Delta(ETH, -9))
        found = real_fault(predicted, real, {USDC: RAW, DAI: 0}, 1)
        assert (found is None) == (fault is None), found
    found = real_fault(predicted, (Delta(USDC, -RAW - 10**7), Delta(DAI, 12_000), Delta(ETH, -9)), {}, 1)
    assert found is not None and "USDC" in found


def test_the_asset_is_judged_by_its_change_and_growing_shares_by_what_was_held() -> None:
    predicted = (Delta(USDC, -RAW), Delta(SHARES, RAW), Delta(ETH, -5))
    before = {USDC: 10**12, SHARES: 10**12, ETH: 10**18}
    assert (
        real_fault(predicted, (Delta(USDC, -RAW), Delta(SHARES, RAW + 10**8), Delta(ETH, -(10**15))), before, 1) is None
    )
    found = real_fault(predicted, (Delta(USDC, -RAW - 10**8), Delta(SHARES, RAW), Delta(ETH, -5)), before, 1)
    assert found == "-12,100 USDC, simulated was -12,000 USDC"
    found = real_fault(predicted, (Delta(USDC, -RAW), Delta(SHARES, RAW - 10**9), Delta(ETH, -5)), before, 1)
    assert found == "+11,000 aUSDC, simulated was +12,000 aUSDC"


def topic(address: str) -> str:
    return "0x" + word(address).hex()


def test_receipts_are_read() -> None:
    logs = [
        {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(OWNER), topic(STRANGER)], "data": hex(RAW)},
        {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(STRANGER), topic(OWNER)], "data": hex(5)},
        {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(OWNER), topic(OWNER)], "data": hex(7)},
        {"address": SHARES.address, "topics": [TRANSFER_TOPIC, topic(STRANGER), topic(OWNER)], "data": hex(9)},
        {"address": USDC.address, "topics": [APPROVAL_TOPIC, topic(OWNER), topic(STRANGER)], "data": hex(1)},
        {"address": USDC.address, "topics": [APPROVAL_TOPIC, topic(STRANGER), topic(OWNER)], "data": hex(1)},
        {"address": STRANGER, "topics": ["0x00"], "data": "0x"},
    ]
    receipt = {"logs": logs}
    assert tokens_sent(receipt, OWNER) == {USDC.address.lower()}
    assert allowances_touched(receipt, OWNER) == {(USDC.address, STRANGER)}
    assert log_changes(receipt, OWNER, (USDC, SHARES)) == (Delta(USDC, 5 - RAW), Delta(SHARES, 9))
    assert total([(Delta(USDC, 1),), (Delta(USDC, 2), Delta(SHARES, 3))]) == (Delta(USDC, 3), Delta(SHARES, 3))


def test_a_replacement_is_held_to_the_same_least() -> None:
    """Else a swap that is mined at another price, its fee raised meanwhile, would stop the account."""
    signed = (Delta(USDC, -100), Delta(DAI, 90, 88), Delta(ETH, -5))
    again = still_least((Delta(USDC, -100), Delta(DAI, 91), Delta(ETH, -7)), signed)
    assert again == (Delta(USDC, -100), Delta(DAI, 91, 88), Delta(ETH, -7))
    assert real_fault(again, (Delta(USDC, -100), Delta(DAI, 88)), {}, 1.0) is None
    assert "the least was" in str(real_fault(again, (Delta(USDC, -100), Delta(DAI, 87)), {}, 1.0))
