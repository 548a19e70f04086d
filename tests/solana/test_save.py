"""Save's adapter against the double of its program, in LiteSVM."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.save_bench import FEES, USUAL, start
from tests.kit.solana_bench import SLOT, Ledger
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.math.save import SaveReserve
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Market
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.model.units import SECONDS_PER_YEAR, WAD
from yieldbot.protocols.solana.layout import ata, layout
from yieldbot.protocols.solana.save import ADAPTER, reserve_of
from yieldbot.sandbox.solana.images import named, token_account
from yieldbot.sandbox.solana.protocols.save import MarketLimit, SaveTerms

MONTH_SLOTS = 30 * 86_400 * 10 // 4


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
        fees_raw=int(borrowed * draw.choice([0.0, 0.001, 0.02, 0.2])),
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
    ledger.send((refreshed(ledger, market),))
    assert stored(ledger, market) == expected, "our arithmetic is the program's, to the last of 18 decimals"
    grown = state.held.raw / amount - 1
    accrued = grown * SECONDS_PER_YEAR / horizon
    assert abs(accrued - predicted) <= 1e-5, (terms, amount)  # 0.1 bp a year


def refreshed(ledger: Ledger, market: Market, *, extra: bool = True) -> SvmInstruction:
    """A refresh as others send it: with the extra oracle, of prices that can be read."""
    image = ledger.get(market.address)
    assert image is not None
    fields = layout("save").decode("Reserve", image.data)
    oracle = fields["pyth_oracle"]
    ledger.set({oracle: AccountImage(10**9, named("pyth"), b"price")})
    accounts = {"reserve": market.address, **{o: fields[o] for o in ("pyth_oracle", "switchboard_oracle")}}
    more = (SvmMeta(fields["extra_oracle"]),) if extra else ()
    return layout("save").build("refresh_reserve", market.params["program"], accounts, more=more)


def swapped(call: SvmInstruction, at: int, meta: SvmMeta) -> SvmInstruction:
    return replace(call, accounts=(*call.accounts[:at], meta, *call.accounts[at + 1 :]))


def test_the_double_refuses_what_the_program_refuses() -> None:
    ledger, usdc, market = start()
    ledger.open(market.params["collateral_mint"])
    state = ledger.observe(ADAPTER, market)
    (deposit,) = ADAPTER.deposit(state, usdc.parse("1000"), ledger.me)

    def refused(*calls: Any) -> int | None:
        return ledger.attempt(calls)[0]

    theirs = named("a stranger's vault")
    ledger.set({theirs: token_account(usdc.address, named("stranger"), 0)})
    fake = named("a reserve of another program")
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({fake: AccountImage(real.lamports, named("another program"), real.data)})
    ledger.warp(1)
    assert refused(swapped(deposit, 3, SvmMeta(theirs, writable=True))) == 13, "another vault"
    assert refused(swapped(deposit, 4, SvmMeta(usdc.address, writable=True))) == 13, "another mint"
    assert refused(swapped(deposit, 2, SvmMeta(fake, writable=True))) == 5, "another owner"
    assert refused(swapped(deposit, 6, SvmMeta(theirs))) == 3, "another authority"
    refresh = refreshed(ledger, market)
    assert refused(swapped(refresh, 1, SvmMeta(theirs))) == 13, "another oracle"
    assert refused(swapped(refresh, 2, SvmMeta(theirs))) == 42, "another second oracle"
    assert refused(refreshed(ledger, market, extra=False)) == 13, "no extra oracle"
    ledger.set({refresh.accounts[1].address: AccountImage(10**9, named("pyth"), b"")})
    assert refused(refresh) == 42, "no price can be read"
    zero = replace(deposit, data=b"\x04" + struct.pack("<Q", 0))
    assert refused(zero) == 10
    assert refused(deposit) is None
    state = ledger.observe(ADAPTER, market)
    too_much = replace(ADAPTER.withdraw(state, None, ledger.me)[0], data=b"\x05" + struct.pack("<Q", 2**62))
    assert refused(too_much) in (14, 20)


def test_an_oracle_that_cannot_be_read_stops_neither_deposit_nor_exit() -> None:
    ledger, usdc, market = start()  # its oracles are accounts that are not there, and it has an extra one
    ledger.open(market.params["collateral_mint"])
    before = ledger.balance(usdc.address)
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("1000"), ledger.me))
    ledger.warp(50)
    ledger.send(ADAPTER.withdraw(ledger.observe(ADAPTER, market), None, ledger.me))
    assert ledger.balance(usdc.address) - before >= -1


def test_fees_that_wait_for_their_owner_do_not_raise_utilisation() -> None:
    reserve = SaveReserve(
        slot=0,
        available_raw=150,
        borrowed_wads=850 * 10**18,
        fees_wads=40 * 10**18,
        collateral_raw=900,
        optimal_utilisation=80,
        max_utilisation=90,
        min_rate=0,
        optimal_rate=6,
        max_rate=30,
        super_max_rate=150,
        take_rate=10,
    )
    assert reserve.utilisation_wad() == 85 * 10**16
    assert reserve.borrow_rate_wad() == 18 * 10**16


@pytest.mark.parametrize("slots", [0, 1, 7, 30])
def test_a_thin_market_pays_what_it_has_and_the_rest_later(slots: int) -> None:
    held, cash = 42_000 * 10**6, 20_000 * 10**6
    terms = SaveTerms(available_raw=10**6, borrowed_raw=900_000 * 10**6 + FEES, fees_raw=FEES)
    ledger, usdc, market = start(terms)
    ledger.open(market.params["collateral_mint"])
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), Amount(usdc, held), ledger.me))
    drain(ledger, market, cash)
    state = ledger.observe(ADAPTER, market)
    assert state.held.raw >= held - 2 and state.withdrawable.raw == cash
    calls, before = ADAPTER.withdraw(state, state.withdrawable, ledger.me), ledger.balance(usdc.address)
    ledger.warp(slots)
    ledger.send(calls)
    paid = ledger.balance(usdc.address) - before
    assert cash * (1 - 1e-5) <= paid <= cash
    rest = ledger.observe(ADAPTER, market)
    assert rest.held.raw >= held - paid - 2 and rest.liquidity.raw == cash - paid


def drain(ledger: Ledger, market: Market, cash: int) -> None:
    """As if somebody borrowed all but ``cash``."""
    image, vault = ledger.get(market.address), ledger.get(market.params["liquidity_supply"])
    assert image is not None and vault is not None
    data, tokens = bytearray(image.data), bytearray(vault.data)
    fields = layout("save").decode("Reserve", image.data)
    lent = fields["available_amount"] - cash
    struct.pack_into("<Q", data, 171, cash)
    data[179:195] = (fields["borrowed_amount_wads"] + lent * 10**18).to_bytes(16, "little")
    struct.pack_into("<Q", tokens, 64, cash)
    ledger.set({market.address: replace(image, data=bytes(data))})
    ledger.set({market.params["liquidity_supply"]: replace(vault, data=bytes(tokens))})


def test_the_reserves_limiter_bounds_what_can_be_taken_out() -> None:
    terms = replace(USUAL, outflow_raw=5_000 * 10**6, outflow_window=10_000, outflow_now_raw=2_000 * 10**6)
    ledger, usdc, market = start(terms)
    ledger.open(market.params["collateral_mint"])
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("50000"), ledger.me))
    state = ledger.observe(ADAPTER, market)
    assert state.liquidity == usdc.parse("3000") == state.withdrawable
    beyond = replace(state, liquidity=usdc.parse("4000"))
    assert ledger.attempt(ADAPTER.withdraw(beyond, usdc.parse("3001"), ledger.me))[0] == 54
    ledger.send(ADAPTER.withdraw(state, state.withdrawable, ledger.me))
    assert ledger.observe(ADAPTER, market).liquidity.raw < 10**6


def test_the_markets_limiter_counts_dollars_at_the_highest_price_that_the_reserve_has() -> None:
    window = 10_000
    limit = MarketLimit(most=6_000, window=window, start=SLOT // window * window, now=1_000)
    for terms, left in (
        (USUAL, 5_000),
        (replace(USUAL, price_wads=2 * WAD), 2_500),
        (replace(USUAL, smoothed_wads=4 * WAD), 1_250),
        (replace(USUAL, extra_wads=5 * WAD), 1_000),
        (replace(USUAL, outflow_raw=700 * 10**6, outflow_window=window), 700),
    ):
        ledger, usdc, market = start(terms, limit=limit)
        ledger.open(market.params["collateral_mint"])
        ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("50000"), ledger.me))
        state = ledger.observe(ADAPTER, market)
        assert 0 <= left * 10**6 - state.liquidity.raw <= 1 and state.withdrawable == state.liquidity
        beyond = replace(state, liquidity=state.held)
        assert ledger.attempt(ADAPTER.withdraw(beyond, usdc.parse(f"{left}.01"), ledger.me))[0] == 54
        assert ledger.attempt(ADAPTER.withdraw(beyond, None, ledger.me))[0] == 54
        ledger.send(ADAPTER.withdraw(state, state.withdrawable, ledger.me))
        assert ledger.observe(ADAPTER, market).liquidity.raw < 10**6, "it is counted"


@pytest.mark.parametrize("seed", range(40))
def test_what_any_limiters_leave_is_what_the_program_lets_out(seed: int) -> None:
    draw = random.Random(seed)

    def window() -> tuple[int, int]:
        length = draw.choice((1, 50, 1_000, 10_000, 432_000))
        return length, (SLOT - draw.randint(0, 3 * length)) // length * length

    length, began = window()
    limit = MarketLimit(
        most=draw.randint(1, 100_000),
        window=length,
        start=began,
        before=draw.randint(0, 90_000),
        now=draw.randint(0, 90_000),
    )
    terms = replace(
        USUAL,
        price_wads=draw.randint(1, 3 * WAD),
        smoothed_wads=draw.randint(1, 3 * WAD),
        outflow_raw=draw.randint(1, 60_000) * 10**6,
        outflow_window=draw.choice((0, length)),
        outflow_now_raw=draw.randint(0, 40_000) * 10**6,
    )
    ledger, usdc, market = start(terms, limit=draw.choice((None, limit)))
    ledger.open(market.params["collateral_mint"])
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("50000"), ledger.me))
    ledger.warp(draw.randint(0, 500))
    state = ledger.observe(ADAPTER, market)
    calls = ADAPTER.withdraw(state, state.withdrawable, ledger.me)
    ledger.warp(draw.choice((0, 1, 30, 150)))
    if state.withdrawable.raw > 2:
        ledger.send(calls)
    else:
        assert ledger.attempt(ADAPTER.withdraw(replace(state, liquidity=state.held), None, ledger.me))[0] in (None, 54)


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
