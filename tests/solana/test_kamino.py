"""Kamino Lend's adapter against the double of its program, in LiteSVM."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.kamino_bench import REFERRAL_BPS, USUAL, start
from tests.kit.solana_bench import SLOT, Ledger
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.math.kamino import ONE, KaminoReserve
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Market, Status
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.solana.kamino_lend import ADAPTER, reserve_of
from yieldbot.protocols.solana.layout import layout
from yieldbot.sandbox.solana.images import named, token_account
from yieldbot.sandbox.solana.protocols.kamino_lend import KaminoTerms

MONTH_SLOTS = 30 * 86_400 * 10 // 4


def stored(ledger: Ledger, market: Market) -> KaminoReserve:
    image = ledger.get(market.address)
    assert image is not None
    return reserve_of(layout("kamino_lend").decode("Reserve", image.data))


def test_deposit_and_withdraw_move_exactly_what_is_said() -> None:
    ledger, usdc, market = start()
    state = ledger.observe(ADAPTER, market)
    assert (state.held.raw, state.supplied.raw, state.liquidity.raw) == (0, 10**13, 2 * 10**12)
    assert state.status is Status.ACTIVE and state.rent_deposit == 2_039_280
    ledger.open(market.params["collateral_mint"])
    before = ledger.balance(usdc.address)
    ledger.send(ADAPTER.deposit(state, usdc.parse("50000"), ledger.me))
    assert 0 <= 50_000 * 10**6 - (before - ledger.balance(usdc.address)) <= 1, "never more, and a unit less at most"
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


def random_terms(draw: random.Random) -> KaminoTerms:
    inner = sorted(draw.sample(range(500, 9_900, 100), draw.randint(1, 9)))
    rates = sorted(draw.randint(0, 6_000) for _ in range(len(inner) + 2))
    points = tuple(zip((0, *inner, 10_000), rates, strict=True))
    size = 10 ** draw.randint(13, 16)
    low, high = draw.choice(list(zip((0, *inner), (*inner, 10_000), strict=True)))
    borrowed = int(size * draw.uniform(low, high) / 10_000)
    return KaminoTerms(
        available_raw=size - borrowed + 10**6,
        borrowed_raw=borrowed,
        points=points,
        take_rate_percent=draw.randint(0, 50),
        host_rate_bps=draw.choice([0, 0, 0, 50]),
        withdrawal_cap_raw=10**18,
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
    refresh = refreshed(ledger, market)
    expected = stored(ledger, market).accrued(SLOT + MONTH_SLOTS, REFERRAL_BPS)
    ledger.warp(MONTH_SLOTS)
    ledger.send((refresh,))
    assert stored(ledger, market) == expected, "our arithmetic is the program's, to the last of 60 bits"
    state = ledger.observe(ADAPTER, market)
    assert state.supplied.raw == expected.supply_sf // ONE
    accrued = (state.held.raw / amount - 1) * SECONDS_PER_YEAR / horizon
    assert abs(accrued - predicted) <= 1e-5, (terms, amount)  # 0.1 bp a year


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5, 1_000_000])
def test_any_number_of_slots_accrues_as_the_program_does(slots: int) -> None:
    terms = replace(USUAL, points=((0, 100), (5_000, 3_000), (10_000, 9_000)), host_rate_bps=50)
    ledger, _, market = start(terms)
    refresh = refreshed(ledger, market)
    expected = stored(ledger, market).accrued(SLOT + slots, REFERRAL_BPS)
    ledger.warp(slots)
    ledger.send((refresh,))
    assert stored(ledger, market) == expected and expected.pending_fees_sf > 0


def test_what_a_deposit_takes_and_mints_is_the_programs() -> None:
    draw = random.Random(4)
    ledger, usdc, market = start(mine=10**12)
    ledger.open(market.params["collateral_mint"])
    for _ in range(40):
        ledger.warp(draw.randint(1, 100_000))
        amount = draw.choice([1, 2, 3, draw.randint(4, 10**4), draw.randint(10**4, 10**9)])
        state = ledger.observe(ADAPTER, market)
        reserve = stored(ledger, market).accrued(ledger.slot, REFERRAL_BPS)
        had, shares = ledger.balance(usdc.address), state.shares
        failed, _ = ledger.attempt(ADAPTER.deposit(state, Amount(usdc, amount), ledger.me))
        assert failed is None
        assert had - ledger.balance(usdc.address) == reserve.taken_for(amount)
        assert ledger.balance(market.params["collateral_mint"]) - shares == reserve.collateral_for(amount)


def refreshed(ledger: Ledger, market: Market) -> SvmInstruction:
    accounts = {"reserve": market.address, **market.params}
    return layout("kamino_lend").build("refresh_reserve", market.params["program"], accounts)


def swapped(call: SvmInstruction, at: int, meta: SvmMeta) -> SvmInstruction:
    return replace(call, accounts=(*call.accounts[:at], meta, *call.accounts[at + 1 :]))


def test_the_double_refuses_what_the_program_refuses() -> None:
    ledger, usdc, market = start()
    ledger.open(market.params["collateral_mint"])
    state = ledger.observe(ADAPTER, market)
    (deposit,) = ADAPTER.deposit(state, usdc.parse("1000"), ledger.me)
    refresh = refreshed(ledger, market)

    def refused(*calls: Any) -> int | None:
        return ledger.attempt(calls)[0]

    theirs, other = named("a stranger's vault"), named("a mint of nothing")
    ledger.set({theirs: token_account(other, named("stranger"), 0)})
    fake = named("a reserve of another program")
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({fake: AccountImage(real.lamports, named("another program"), real.data)})
    assert refused(swapped(refresh, 5, SvmMeta(theirs))) == 6056, "another oracle"
    assert refused(swapped(refresh, 2, SvmMeta(theirs))) == 6054, "an oracle where there is none"
    assert refused(swapped(deposit, 0, SvmMeta(named("stranger")))) == 3010, "the owner did not sign"
    assert refused(swapped(deposit, 1, SvmMeta(fake, writable=True))) == 3007, "another program's reserve"
    assert refused(swapped(deposit, 2, SvmMeta(market.address))) == 3002, "a reserve for a market"
    assert refused(swapped(deposit, 3, SvmMeta(theirs))) == 2006, "another authority"
    assert refused(swapped(deposit, 5, SvmMeta(theirs, writable=True))) == 2012, "another vault"
    assert refused(swapped(deposit, 6, SvmMeta(usdc.address, writable=True))) == 2012, "another mint"
    assert refused(swapped(deposit, 8, SvmMeta(theirs, writable=True))) == 2014, "an account of another mint"
    zero = replace(deposit, data=deposit.data[:8] + struct.pack("<Q", 0))
    assert refused(refresh, zero) == 6003
    assert refused(refresh, deposit) is None
    state = ledger.observe(ADAPTER, market)
    most = replace(ADAPTER.withdraw(state, None, ledger.me)[0])
    too_much = replace(most, data=most.data[:8] + struct.pack("<Q", 2**40))
    assert refused(refresh, too_much) is not None
    assert ADAPTER.explain_error(market.params["program"], 6090) == "the reserve's deposit limit is reached"


def test_deposit_limit_is_the_capacity() -> None:
    ledger, usdc, market = start(replace(USUAL, deposit_limit_raw=10**13 + 500 * 10**6))
    ledger.open(market.params["collateral_mint"])
    state = ledger.observe(ADAPTER, market)
    assert state.capacity == Amount(usdc, 500 * 10**6 - 1)
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("500.1"), ledger.me))[0] == 6090
    assert ledger.attempt(ADAPTER.deposit(state, state.capacity, ledger.me))[0] is None


def test_the_cap_on_withdrawals_and_the_queue_bound_the_liquidity() -> None:
    ledger, usdc, market = start(replace(USUAL, withdrawal_cap_raw=300 * 10**6))
    ledger.open(market.params["collateral_mint"])
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("1000"), ledger.me))
    state = ledger.observe(ADAPTER, market)
    assert abs(state.liquidity.raw - 1_300 * 10**6) <= 1, "a deposit makes room"
    assert ledger.attempt(ADAPTER.withdraw(state, usdc.parse("1000"), ledger.me))[0] is None
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("5000"), ledger.me))
    ledger.warp(90_000_000)
    state = ledger.observe(ADAPTER, market)
    assert state.liquidity.raw == 300 * 10**6, "a new interval"
    assert (
        ledger.attempt(ADAPTER.withdraw(replace(state, liquidity=state.held), usdc.parse("301"), ledger.me))[0] == 6064
    )
    queue = replace(USUAL, queued_collateral=9_300_000 * 10**6 // 6)
    ledger, usdc, market = start(queue)
    state = ledger.observe(ADAPTER, market)
    assert state.liquidity.raw < 340_000 * 10**6 and state.flags == ("withdrawals-queued",)


def test_closed_reserves_are_said_to_be_closed() -> None:
    for terms, code in ((replace(USUAL, status=1), 6082), (replace(USUAL, blocked=1), 6132)):
        ledger, usdc, market = start(terms)
        ledger.open(market.params["collateral_mint"])
        state = ledger.observe(ADAPTER, market)
        assert state.status is Status.FROZEN
        assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] == code
    ledger, usdc, market = start(emergency=True)
    state = ledger.observe(ADAPTER, market)
    assert state.status is Status.PAUSED
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] == 6042


def test_accounts_that_are_not_what_they_claim_are_refused() -> None:
    ledger, _, market = start()
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({market.address: AccountImage(real.lamports, named("another program"), real.data)})
    with pytest.raises(MarketError, match="belongs to"):
        ledger.observe(ADAPTER, market)
    ledger.set({market.address: AccountImage(real.lamports, real.program, b"\0" * 8 + real.data[8:])})
    with pytest.raises(MarketError, match="no Reserve"):
        ledger.observe(ADAPTER, market)


def test_what_klend_1_22_added_takes_no_new_money() -> None:
    ledger, _, market = start()
    real = ledger.get(market.address)
    assert real is not None
    assert not ledger.observe(ADAPTER, market).flags
    lending = ledger.get(market.params["lending_market"])
    assert lending is not None
    # Each field to its last byte, and not a byte more (klend-sdk 8.0.2, klend.json 1.22.0).
    for address, image, flag, first, last in (
        (market.address, real, "reserve-rewards", 440, 447),
        (market.address, real, "reserve-rewards", 5792, 5799),
        (market.params["lending_market"], lending, "reserve-rewards", 3358, 3359),
        (market.params["lending_market"], lending, "permissioned-operations", 3432, 3439),
    ):
        for at in range(first - 1, last + 2):
            data = bytearray(image.data)
            data[at] = 1
            ledger.set({address: replace(image, data=bytes(data))})
            state = ledger.observe(ADAPTER, market)
            within = first <= at <= last
            assert state.flags == ((flag,) if within else ()), (at, state.flags)
            assert state.status is (Status.FROZEN if within else Status.ACTIVE)
        ledger.set({address: image})


@pytest.mark.parametrize("slots", [0, 1, 7, 30])
def test_a_thin_market_pays_what_it_has_and_the_rest_later(slots: int) -> None:
    held, cash = 42_000 * 10**6, 20_000 * 10**6
    ledger, usdc, market = start(KaminoTerms(available_raw=10**6, borrowed_raw=900_000 * 10**6))
    ledger.open(market.params["collateral_mint"])
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), Amount(usdc, held), ledger.me))
    image, vault = ledger.get(market.address), ledger.get(market.params["supply_vault"])
    assert image is not None and vault is not None
    data, tokens = bytearray(image.data), bytearray(vault.data)
    fields = layout("kamino_lend").decode("Reserve", image.data)
    struct.pack_into("<Q", data, 224, cash)
    lent = fields["borrowed_amount_sf"] + (fields["available_amount"] - cash) * ONE
    data[232:248] = lent.to_bytes(16, "little")
    struct.pack_into("<Q", tokens, 64, cash)
    ledger.set({market.address: replace(image, data=bytes(data))})
    ledger.set({market.params["supply_vault"]: replace(vault, data=bytes(tokens))})
    state = ledger.observe(ADAPTER, market)
    assert state.withdrawable.raw == cash
    calls, before = ADAPTER.withdraw(state, state.withdrawable, ledger.me), ledger.balance(usdc.address)
    ledger.warp(slots)
    ledger.send(calls)
    paid = ledger.balance(usdc.address) - before
    assert cash * (1 - 1e-5) <= paid <= cash
    assert ledger.observe(ADAPTER, market).held.raw >= held - paid - 2
