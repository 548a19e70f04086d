"""What goes into a market and straight out again loses no more than the adapter says that rounding takes."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana import kamino_bench, marginfi_bench, save_bench, stake_bench
from tests.kit.solana_bench import Ledger
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Market
from yieldbot.protocols.solana import kamino_lend, marginfi, save, spl_stake_pool
from yieldbot.protocols.solana.layout import rounding
from yieldbot.sandbox.solana.protocols.kamino_lend import KaminoTerms
from yieldbot.sandbox.solana.protocols.marginfi import MarginfiTerms
from yieldbot.sandbox.solana.protocols.save import SaveTerms

MILLION = 10**12
SHARE_WORTH = (1, 3, 40, 1_000)
SUPPLY_AT = {"save": 259, "kamino_lend": 2592}
"""collateral_mint_total_supply of a reserve."""


def dearer(ledger: Ledger, market: Market, kind: str, times: int) -> None:
    """Each share of a reserve is worth so many times more: there are fewer of them."""
    for address, at in (
        (market.address, SUPPLY_AT[kind]),
        (market.params["collateral_mint"], 36),
    ):
        image = ledger.get(address)
        assert image is not None
        data = bytearray(image.data)
        struct.pack_into("<Q", data, at, struct.unpack_from("<Q", data, at)[0] // times)
        ledger.set({address: replace(image, data=bytes(data))})


def place(name: str, times: int) -> tuple[Any, Ledger, Market]:
    ledger: Ledger
    market: Market
    if name == "save":
        ledger, _, market = save_bench.start(SaveTerms(available_raw=MILLION, borrowed_raw=3 * MILLION))
        dearer(ledger, market, name, times)
        ledger.open(market.params["collateral_mint"])
        return save.ADAPTER, ledger, market
    if name == "kamino_lend":
        ledger, _, market = kamino_bench.start(KaminoTerms(available_raw=MILLION, borrowed_raw=3 * MILLION))
        dearer(ledger, market, name, times)
        ledger.open(market.params["collateral_mint"])
        return kamino_lend.ADAPTER, ledger, market
    if name == "marginfi":
        ledger, _, market = marginfi_bench.start(MarginfiTerms(available_raw=MILLION, borrowed_raw=3 * MILLION))
        return marginfi.ADAPTER, ledger, market
    terms = replace(stake_bench.USUAL, price_ppb=10**9 * times)
    ledger, pool, market = stake_bench.start(terms)
    ledger.open(pool.pool_mint)
    return spl_stake_pool.ADAPTER, ledger, market


def money(ledger: Ledger, market: Market) -> int:
    return stake_bench.lamports(ledger) if market.params.get("native") else ledger.balance(market.asset.address)


def test_a_share_that_is_worth_a_fortune_does_not_make_a_loss_rounding() -> None:
    assert rounding(10**15, 3) == 4 + 3 * 10_000 and rounding(10**15, 0) == 7


@pytest.mark.parametrize("times", SHARE_WORTH)
@pytest.mark.parametrize("name", ["save", "kamino_lend", "marginfi", "spl_stake_pool"])
def test_rounding_takes_no_more_than_is_said(name: str, times: int) -> None:
    draw = random.Random(times)
    adapter, ledger, market = place(name, times)
    fee = 10_000 if market.params.get("native") else 0
    for _ in range(12):
        state = ledger.observe(adapter, market)
        amount = Amount(market.asset, draw.randint(50_000, 10**10))
        before = money(ledger, market)
        ledger.send(adapter.deposit(state, amount, ledger.me))
        now = ledger.observe(adapter, market)
        ledger.send(adapter.withdraw(now, None, ledger.me))
        lost = before - money(ledger, market) - int(amount.raw * state.entry_cost_bps / 10_000)
        assert lost <= state.rounding_raw + fee, (amount.raw, lost, state.rounding_raw)
        assert state.rounding_raw <= 4 + 6 * times, "a few units of what a share is worth"
