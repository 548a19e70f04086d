"""Fees of single chains (Mantle, Scroll, Linea, Sonic), by their nodes' own formulas and numbers. On a double."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit import op_fees
from tests.kit.chain_double import ChainDouble, account_of, node_of, open_journal, settings
from tests.kit.evm.rollup_fees import ORACLE, asked_of, word
from tests.kit.wiring import supply_tx
from yieldbot.chains.evm.execution.build import gas_limit
from yieldbot.chains.evm.execution.rollup import fetch_rollup_fee
from yieldbot.chains.evm.linea import ENVELOPE_BYTES, LineaPricing, pricing
from yieldbot.chains.evm.rollups import (
    SCROLL_ORACLE,
    SIGNATURE,
    UNUSED_SHARE,
    TypicalFee,
    checked_fee,
    l1_fee_call,
    mantle_l1_fee,
    mantle_operator_fee,
)
from yieldbot.chains.evm.signing.sign import payload
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.errors import MarketError, TransientError
from yieldbot.journal.store import Journal
from yieldbot.model.ids import ChainId
from yieldbot.model.settings import FeeKind
from yieldbot.model.tx import RollupFee
from yieldbot.sandbox.evm.rollup import Era, L1Fees

MANTLE = L1Fees(base_fee_wei=55_573_742, blob_base_fee_scalar=0, base_fee_scalar=169_019, operator_scalar=10**8)
"""What its oracle and L1Block stated on 7 September 2026; one ether was 3,789 MNT."""
RATIO = 3_789


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


async def test_mantles_data_is_priced_in_ether_and_paid_in_mnt(journal: Journal) -> None:
    tx = supply_tx()
    ether_wei = op_fees.l1_fee(Era.JOVIAN, MANTLE, payload(tx))
    stated = {"49948e0e": ether_wei, "06f837d3": RATIO, "4d5d9a2a": MANTLE.operator_scalar, "16d3bc7f": 0}
    chain = ChainDouble(answers={(ORACLE, name): word(value) for name, value in stated.items()})
    account = account_of(chain, journal, settings=settings(fee_kind=FeeKind.MANTLE))
    fee = await fetch_rollup_fee(account, account.node, tx)
    assert fee == RollupFee(RATIO * ether_wei, op_fees.operator_fee(Era.JOVIAN, MANTLE, tx.gas))
    assert fee.operator_wei == tx.gas * 10 * 10**9, "ten gwei for each gas"
    assert "0x" + l1_fee_call(payload(tx)).hex() in asked_of(chain, ORACLE)
    del chain.answers[(ORACLE, "06f837d3")]
    with pytest.raises(TransientError, match=r"fee_kind of chains/base.toml is mantle"):
        await fetch_rollup_fee(account, account.node, tx)
    with pytest.raises(MarketError, match="cannot be"):
        mantle_l1_fee(word(10**20), word(10**20))
    assert mantle_operator_fee(7, word(2), word(5)) == 1_405 and mantle_operator_fee(7, b"", b"") == 0


def galileo(size: int) -> int:
    """Scroll's fee since Galileo, with the parameters of its node's own test (scroll-revm@a1ac004, l1block.rs)."""
    by_byte = 2_394_981_796 * 10**9 + 1_019_097_245 * 10**9
    return (by_byte * size + by_byte * size * size // 10_000) // 10**9


async def test_scroll_is_asked_for_a_length_that_no_compression_exceeds(journal: Journal) -> None:
    published = {50: 171_557_471_810, 100: 344_821_983_141, 1_024: 3_854_009_072_433, 10_240: 70_759_382_824_796}
    assert {size: galileo(size) for size in published} == published
    tx = supply_tx()
    asked = payload(tx) + SIGNATURE
    chain = ChainDouble(answers={(SCROLL_ORACLE.lower(), "49948e0e"): word(galileo(len(asked)))})
    account = account_of(chain, journal, settings=settings(fee_kind=FeeKind.SCROLL))
    fee = await fetch_rollup_fee(account, account.node, tx)
    assert asked_of(chain, SCROLL_ORACLE) == ["0x" + l1_fee_call(asked).hex()]
    signed = len(payload(tx)) + 67  # v, r and s
    assert fee == RollupFee(galileo(len(asked))) and galileo(signed) <= fee.l1_wei < 1.03 * galileo(signed)
    chain.answers.clear()
    with pytest.raises(TransientError, match=r"fee_kind of chains/base.toml is scroll"):
        await fetch_rollup_fee(account, account.node, tx)


MAINNET = LineaPricing(30_000_000, 5_478_333_333, 52_025_000)
"""Averages of Linea's mainnet over 16 days (linea-monorepo, TransactionProfitabilityCalculatorTest)."""


def demanded(size: int, gas: int) -> int:
    """What Linea's sequencer demands for a transaction of so many compressed bytes that uses so much gas."""
    return MAINNET.variable_wei * size // gas + MAINNET.fixed_wei


def test_lineas_prices_are_in_the_blocks_extra_data() -> None:
    assert pricing(bytes.fromhex("0100000064000000c80000012c")) == LineaPricing(100_000, 200_000, 300_000)
    assert pricing(bytes.fromhex("0100000064000000c80000012c") + bytes(19)) == LineaPricing(100_000, 200_000, 300_000)
    for unreadable in (b"", bytes(32), bytes.fromhex("0200000064000000c80000012c"), b"\1" + bytes(11)):
        with pytest.raises(TransientError, match="Linea's prices cannot be read"):
            pricing(unreadable)


def test_linea_is_offered_more_than_it_demands_and_no_less_than_its_least_price() -> None:
    for data, needed in ((0, 21_000), (68, 27_000), (132, 180_000), (1_000, 300_000)):
        for used in (needed, needed * 4 // 5):
            least = max(demanded(data + ENVELOPE_BYTES, used), MAINNET.least_price_wei)
            offered = MAINNET.priority_fee_wei(data, gas_limit(needed))
            assert least <= offered
            assert offered <= MAINNET.priority_fee_wei() or data == 0, "plans count no less"
    assert MAINNET.priority_fee_wei(68, 80_695 * 2) < 1.2 * MAINNET.least_price_wei  # a contract call of its test
    assert LineaPricing(1, 0, 0).priority_fee_wei() == 2 and LineaPricing(0, 0, 0).priority_fee_wei(0, 0) == 0


async def test_a_tip_is_lineas_or_what_the_node_suggests_below_the_setting() -> None:
    linea, chain = settings(fee_kind=FeeKind.LINEA, priority_fee_gwei=0.001), ChainDouble(tip_wei=5)
    real = chain._eth_getBlockByNumber

    def with_prices(tag: str, whole: bool) -> Any:
        return real(tag, whole) | {"extraData": "0x0100000064000000c80000012c"}

    chain._eth_getBlockByNumber = with_prices  # type: ignore[method-assign]
    node = node_of(chain)
    assert await fetch_tip(node, linea, 68, 40_000) == LineaPricing(100_000, 200_000, 300_000).priority_fee_wei()
    assert await fetch_tip(node, settings(priority_fee_gwei=0.001)) == 5
    chain.tip_wei = 0
    assert await fetch_tip(node, settings(priority_fee_gwei=0.001)) == 10**6
    chain._eth_getBlockByNumber = real  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        await fetch_tip(node, linea)


def test_sonics_estimates_count_more_than_unused_gas_costs() -> None:
    """The charge by its node's own test: 21,000 used of 50,000 are 23,900 (sonic@021825c, gas_cost_test.go)."""
    assert 21_000 + (50_000 - 21_000) // 10 == 23_900
    sonic = settings(fee_kind=FeeKind.SONIC, chain=ChainId("eip155:146"))
    counted = checked_fee(sonic, "host", TypicalFee())
    assert (
        counted == TypicalFee(unit_share=UNUSED_SHARE) and checked_fee(settings(), "host", TypicalFee()).of_unit(9) == 0
    )
    for needed in (21_000, 60_000, 700_000):
        for used in (needed, needed * 4 // 5, needed * 7 // 10):
            charged = used + (gas_limit(needed) - used) // 10
            assert charged <= used * (1 + UNUSED_SHARE)
            assert charged * 50 <= used * (50 + counted.of_unit(50))
