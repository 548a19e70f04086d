"""Two readings of one thing of a Solana program that contradict each other: named with both numbers, no new money."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.policies import loose
from tests.kit.solana import kamino_bench, marginfi_bench, save_bench, stake_bench
from tests.kit.solana_bench import Ledger
from yieldbot.allocator.assess import assess
from yieldbot.model.fees import SvmFees
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState, Snapshot
from yieldbot.protocols.solana import kamino_lend, marginfi, save, spl_stake_pool

PLACES: dict[str, tuple[Any, Any, str, str]] = {
    "save": (save.ADAPTER, save_bench.start, "liquidity_supply", "collateral_mint"),
    "kamino_lend": (kamino_lend.ADAPTER, kamino_bench.start, "supply_vault", "collateral_mint"),
    "marginfi": (marginfi.ADAPTER, marginfi_bench.start, "liquidity_vault", ""),
    "spl_stake_pool": (spl_stake_pool.ADAPTER, stake_bench.start, "", "pool_mint"),
}
AMOUNT_AT, SUPPLY_AT = 64, 36
"""spl-token state.rs: of an account, of a mint."""


def changed(ledger: Ledger, address: Address, at: int, times: float) -> tuple[int, int]:
    """A number in an account, times something; (before, now)."""
    image = ledger.get(address)
    assert image is not None
    (before,) = struct.unpack_from("<Q", image.data, at)
    now = int(before * times)
    data = bytearray(image.data)
    struct.pack_into("<Q", data, at, now)
    ledger.set({address: replace(image, data=bytes(data))})
    return before, now


def said(state: MarketState) -> tuple[str, ...]:
    """The doubts, which are flags and stop new money too."""
    assert set(state.doubts) <= set(state.flags)
    snapshot = Snapshot(
        block=state.block,
        owner=Address("me"),
        states={state.market.id: state},
        quarantined=(),
        fees=SvmFees(0, 5_000, 150.0),
        native_balance_raw=0,
    )
    (judged,) = assess(snapshot, loose(horizon_days=30.0), wealth=state.supplied)
    assert judged.vetoes == state.doubts
    return state.doubts


@pytest.mark.parametrize("name", ["save", "kamino_lend", "marginfi"])
def test_cash_that_is_counted_and_not_there(name: str) -> None:
    adapter, start, vault, _ = PLACES[name]
    ledger: Ledger
    market: Market
    ledger, token, market = start()
    assert said(ledger.observe(adapter, market)) == ()
    for times, fires in ((1.5, False), (0.9995, False), (0.998, True), (0.0, True)):
        fresh, _, market = start()
        before, now = changed(fresh, market.params[vault], AMOUNT_AT, times)
        state = fresh.observe(adapter, market)
        assert len(said(state)) == fires, (times, state.doubts)
        if fires:
            assert f"its account holds {replace(token.parse('0'), raw=now)}" in state.doubts[0]
            assert state.liquidity.raw <= now < before, "what is not there is no cash"
            assert "it counts " in state.doubts[0] and state.withdrawable.raw == 0


@pytest.mark.parametrize("name", ["save", "kamino_lend", "spl_stake_pool"])
def test_shares_that_are_out_and_not_counted(name: str) -> None:
    adapter, start, _, mint = PLACES[name]
    for times, fires in ((0.5, False), (1.0, False), (1.0005, False), (1.002, True), (3.0, True)):
        ledger, _, market = start()
        before, now = changed(ledger, market.params[mint], SUPPLY_AT, times)
        state = ledger.observe(adapter, market)
        assert len(said(state)) == fires, (times, state.doubts)
        if fires:
            assert state.doubts == (f"it counts {before} shares, its mint says that {now} are out",)


def test_what_somebody_gives_to_a_stake_pool_is_no_rate() -> None:
    ledger, place, market = stake_bench.start()
    usual = ledger.observe(spl_stake_pool.ADAPTER, market)
    assert said(usual) == () and 0.02 < usual.quoted.value < 0.12
    reserve = ledger.get(place.reserve_stake)
    assert reserve is not None
    ledger.set({place.reserve_stake: replace(reserve, lamports=reserve.lamports + 9_200 * 10**9)})  # a hundredth
    stake_bench.next_epoch(ledger, place)
    state = ledger.observe(spl_stake_pool.ADAPTER, market)
    (doubt,) = said(state)
    assert doubt.startswith("a token of it is worth 1.19") and "SOL and was 1.18" in doubt, doubt
    assert "where stake earns 25% at most" in doubt and state.quoted.value < 0.3
    stake_bench.next_epoch(ledger, place)
    after = ledger.observe(spl_stake_pool.ADAPTER, market)
    assert said(after) == () and after.quoted.value == pytest.approx(usual.quoted.value, rel=0.02)
