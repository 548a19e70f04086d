"""Save's adapter against the double of its program, in LiteSVM."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.svm.bench import CHAIN, SLOT, Ledger
from yieldbot.errors import MarketError
from yieldbot.math.save import SaveReserve
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Token
from yieldbot.model.market import Deployment, Market
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols._svm import ata, layout
from yieldbot.protocols.save import ADAPTER, reserve_of
from yieldbot.rpc.svm import AccountImage
from yieldbot.sandbox.svm.images import token_account
from yieldbot.sandbox.svm.save import SaveTerms, named, save_market, save_reserve

USUAL = SaveTerms(available_raw=2_000_000 * 10**6, borrowed_raw=8_000_000 * 10**6)
MONTH_SLOTS = 30 * 86_400 * 10 // 4


def start(terms: SaveTerms = USUAL, mine: int = 5_000_000 * 10**6) -> tuple[Ledger, Token, Market]:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, mine)
    lending, images = save_market()
    ledger.set(images)
    reserve, more = save_reserve(lending, usdc.address, 6, SLOT, terms)
    ledger.set(more)
    params = {"program": lending.program, "reserves": [reserve]}
    (market,) = ledger.run(ADAPTER.discover(Deployment("save", CHAIN, "Save (double)", params, (usdc,))))
    return ledger, usdc, market


def stored(ledger: Ledger, market: Market) -> SaveReserve:
    image = ledger.get(market.address)
    assert image is not None
    return reserve_of(layout("save").decode("Reserve", image.data))


def test_deposit_and_withdraw_move_exactly_what_is_said() -> None:
    ledger, usdc, market = start()
    state = ledger.observe(ADAPTER, market)
    assert (state.held.raw, state.supplied.raw, state.liquidity.raw) == (0, 10**13, 2 * 10**12)
    assert state.rent_deposit == 2_039_280
    ledger.open(market.params["collateral_mint"])
    before = ledger.balance(usdc.address)
    ledger.send(ADAPTER.deposit(state, usdc.parse("50000"), ledger.me))
    assert before - ledger.balance(usdc.address) == 50_000 * 10**6
    ledger.warp(1000)
    state = ledger.observe(ADAPTER, market)
    assert state.shares == ledger.balance(market.params["collateral_mint"])
    assert 0 <= state.held.raw - 50_000 * 10**6 < 2 * 10**6
    before = ledger.balance(usdc.address)
    ledger.warp(3)
    ledger.send(ADAPTER.withdraw(state, usdc.parse("20000"), ledger.me))
    assert 0 <= ledger.balance(usdc.address) - before - 20_000 * 10**6 <= 2000
    state = ledger.observe(ADAPTER, market)
    before = ledger.balance(usdc.address)
    ledger.send(ADAPTER.withdraw(state, None, ledger.me))
    assert ledger.balance(usdc.address) - before == state.held.raw, "held is what withdrawing everything pays"
    assert ledger.balance(market.params["collateral_mint"]) == 0


def random_terms(draw: random.Random) -> SaveTerms:
    optimal = draw.choice([0, draw.randint(1, 99)])
    top = draw.randint(max(optimal, 1), 99)
    low, high = draw.randint(0, 5), draw.randint(5, 40)
    size = 10 ** draw.randint(13, 16)
    utilisation = draw.choice([draw.uniform(0, 1), optimal / 100, top / 100, draw.uniform(top / 100, 1)])
    borrowed = int(size * utilisation)
    return SaveTerms(
        available_raw=size - borrowed + 10**6,
        borrowed_raw=borrowed,
        optimal_utilisation=optimal,
        max_utilisation=top,
        min_rate=low,
        optimal_rate=high,
        max_rate=draw.randint(high, 120),
        super_max_rate=draw.randint(120, 250),
        take_rate=draw.randint(0, 50),
    )


@pytest.mark.parametrize("seed", range(60))
def test_what_accrues_in_30_days_is_what_was_predicted(seed: int) -> None:
    draw = random.Random(seed)
    terms = random_terms(draw)
    amount = int((terms.available_raw + terms.borrowed_raw) * 10 ** draw.uniform(-4, 0.5))
    ledger, usdc, market = start(terms, mine=amount)
    ledger.open(market.params["collateral_mint"])
    before = ledger.observe(ADAPTER, market)
    horizon = MONTH_SLOTS * before.curve.slot_seconds  # type: ignore[attr-defined]
    predicted = before.curve.apr(amount / 10**6, horizon)
    ledger.send(ADAPTER.deposit(before, Amount(usdc, amount), ledger.me))
    expected = stored(ledger, market).accrued(SLOT + MONTH_SLOTS)
    ledger.warp(MONTH_SLOTS)
    state = ledger.observe(ADAPTER, market)
    assert state.supplied.raw == expected.supply_wads // 10**18
    ledger.send((ADAPTER.deposit(state, Amount(usdc, 1), ledger.me)[0],))  # a refresh alone
    assert stored(ledger, market) == expected, "our arithmetic is the program's, to the last of 18 decimals"
    grown = state.held.raw / amount - 1
    accrued = grown * SECONDS_PER_YEAR / horizon
    assert abs(accrued - predicted) <= 1e-5, (terms, amount)  # 0.1 bp a year


def swapped(call: SvmInstruction, at: int, meta: SvmMeta) -> SvmInstruction:
    return replace(call, accounts=(*call.accounts[:at], meta, *call.accounts[at + 1 :]))


def test_the_double_refuses_what_the_program_refuses() -> None:
    ledger, usdc, market = start()
    ledger.open(market.params["collateral_mint"])
    state = ledger.observe(ADAPTER, market)
    refresh, deposit = ADAPTER.deposit(state, usdc.parse("1000"), ledger.me)

    def refused(*calls: Any) -> int | None:
        return ledger.attempt(calls)[0]

    theirs = named("a stranger's vault")
    ledger.set({theirs: token_account(usdc.address, named("stranger"), 0)})
    fake = named("a reserve of another program")
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({fake: AccountImage(real.lamports, named("another program"), real.data)})
    ledger.warp(1)
    assert refused(deposit) == 22, "stale: no refresh in this slot"
    assert refused(refresh, swapped(deposit, 3, SvmMeta(theirs, writable=True))) == 7, "another vault"
    assert refused(refresh, swapped(deposit, 4, SvmMeta(usdc.address, writable=True))) == 8, "another mint"
    assert refused(refresh, swapped(deposit, 2, SvmMeta(fake, writable=True))) == 5, "another owner"
    assert refused(refresh, swapped(deposit, 6, SvmMeta(theirs))) == 3, "another authority"
    unsigned = swapped(deposit, 7, SvmMeta(named("stranger")))
    assert refused(refresh, unsigned) == 12, "the owner did not sign"
    assert refused(swapped(refresh, 1, SvmMeta(theirs)), deposit) == 13, "another oracle"
    zero = replace(deposit, data=b"\x04" + struct.pack("<Q", 0))
    assert refused(refresh, zero) == 10
    assert refused(refresh, deposit) is None
    state = ledger.observe(ADAPTER, market)
    too_much = replace(ADAPTER.withdraw(state, None, ledger.me)[1], data=b"\x05" + struct.pack("<Q", 2**62))
    assert refused(refresh, too_much) in (14, 20)


def test_deposit_limit_is_the_capacity() -> None:
    ledger, usdc, market = start(replace(USUAL, deposit_limit_raw=10**13 + 500 * 10**6))
    ledger.open(market.params["collateral_mint"])
    state = ledger.observe(ADAPTER, market)
    assert state.capacity == usdc.parse("500")
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("500.000001"), ledger.me))[0] == 10
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("500"), ledger.me))[0] is None


def test_accounts_that_are_not_what_they_claim_are_refused() -> None:
    ledger, usdc, market = start()
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({market.address: AccountImage(real.lamports, named("another program"), real.data)})
    with pytest.raises(MarketError, match="belongs to"):
        ledger.observe(ADAPTER, market)
    ledger.set({market.address: AccountImage(real.lamports, real.program, real.data[:-1])})
    with pytest.raises(MarketError, match="no Reserve"):
        ledger.observe(ADAPTER, market)
    assert ata(ledger.me, usdc.address) != ata(named("stranger"), usdc.address)
