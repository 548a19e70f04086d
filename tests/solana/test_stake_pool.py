"""The stake pool adapter against the double of its program and the real stake program, in LiteSVM."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.stake_bench import EPOCH, SOL, USUAL, lamports, next_epoch, start
from tests.kit.solana_bench import CHAIN, Ledger
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.math.stake_pool import StakePool
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import MarketState, Status
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, Clock, ata
from yieldbot.protocols.solana.spl_stake_pool import ADAPTER, NUMBERS, decode
from yieldbot.protocols.solana.spl_stake_pool_rate import PRICE_ORACLE
from yieldbot.sandbox.solana.images import named, token_account
from yieldbot.sandbox.solana.protocols.spl_stake_pool import StakePoolTerms, update

MONTH_SECONDS = 30 * 86_400
MONTH_EPOCHS = 15
"""At 0.4 s a slot an epoch takes two days."""


def put(ledger: Ledger, state: MarketState, raw: int) -> int:
    """What a deposit takes of our lamports, our account for the pool's tokens being there."""
    before = lamports(ledger)
    ledger.send(ADAPTER.deposit(state, Amount(SOL, raw), ledger.me))
    return before - lamports(ledger)


def test_deposit_and_withdraw_move_exactly_what_is_said() -> None:
    ledger, place, market = start()
    state = ledger.observe(ADAPTER, market)
    assert (state.held.raw, state.supplied.raw, state.liquidity.raw) == (0, 920_000 * 10**9, 20_000 * 10**9 - 1)
    assert state.status is Status.ACTIVE and state.rent_deposit == 2_039_280 and state.flags == ()
    assert state.entry_cost_bps == pytest.approx(10.0)
    ledger.open(place.pool_mint)
    fee = put(ledger, state, 0 + 50 * 10**9) - 50 * 10**9
    assert 0 <= fee <= 10_000, "a signature's fee"
    state = ledger.observe(ADAPTER, market)
    assert state.shares == ledger.balance(place.pool_mint)
    assert state.held.raw == pytest.approx(50 * 10**9 * 0.999, abs=3), "what withdrawing pays, its fee taken"
    before = lamports(ledger)
    (part,) = ADAPTER.withdraw(state, SOL.parse("20"), ledger.me)
    assert part.description == "withdraw 20 SOL from Stake (double)"
    ledger.send((part,))
    assert -10_000 <= lamports(ledger) - before - 20 * 10**9 <= 2
    state = ledger.observe(ADAPTER, market)
    before = lamports(ledger)
    ledger.send(ADAPTER.withdraw(state, None, ledger.me))
    assert -10_000 <= lamports(ledger) - before - state.held.raw <= 0, "held is what withdrawing everything pays"
    assert ledger.balance(place.pool_mint) == 0


def random_terms(draw: random.Random) -> StakePoolTerms:
    size = 10 ** draw.randint(12, 17)
    fees = ((0, 0), (1000, 0), (1000, 1), (10_000, 3), (100, 1))
    return StakePoolTerms(
        staked=size,
        reserve=int(size * draw.uniform(0.0, 0.3)) + 10**9,
        growth_ppb=draw.randint(0, 1_000_000),
        price_ppb=draw.randint(1_000_000_000, 3_000_000_000),
        epoch_fee=draw.choice(((0, 0), (100, 5), (100, 4), (1000, 75))),
        deposit_fee=draw.choice(fees),
        withdrawal_fee=draw.choice(fees),
        referral_percent=draw.choice((0, 0, 50)),
    )


@pytest.mark.parametrize("seed", range(40))
def test_what_accrues_in_30_days_is_what_was_predicted(seed: int) -> None:
    draw = random.Random(seed)
    terms = random_terms(draw)
    amount = int((terms.staked + terms.reserve) * 10 ** draw.uniform(-5, 0.0)) + 10**6
    ledger, place, market = start(terms, mine=amount + 10**10)
    ledger.open(place.pool_mint)
    before = ledger.observe(ADAPTER, market)
    assert before.curve.epoch_seconds * MONTH_EPOCHS == pytest.approx(MONTH_SECONDS)  # type: ignore[attr-defined]
    predicted = before.curve.apr(amount / SOL.one, MONTH_SECONDS)
    put(ledger, before, amount)
    settled = ledger.observe(ADAPTER, market)
    again = settled.curve.apr(settled.held.raw / SOL.one, MONTH_SECONDS)
    for _ in range(MONTH_EPOCHS):
        next_epoch(ledger, place)
    after = ledger.observe(ADAPTER, market)
    years = MONTH_SECONDS / SECONDS_PER_YEAR
    accrued = (after.held.raw / amount - 1) / years
    assert abs(accrued - predicted) <= 1e-5, (terms, amount)  # 0.1 bp a year
    grown = (after.held.raw / settled.held.raw - 1) / years
    assert abs(grown - again) <= 1e-5, (terms, amount)


def test_the_marginal_yield_is_the_slope_of_the_income() -> None:
    ledger, place, market = start(replace(USUAL, deposit_fee=(1000, 1)))
    ledger.open(place.pool_mint)
    put(ledger, ledger.observe(ADAPTER, market), 500 * 10**9)
    curve = ledger.observe(ADAPTER, market).curve
    (held,) = curve.breakpoints()
    assert held == pytest.approx(499, abs=0.1)
    for x in (1.0, 100.0, held + 1e-3, 900.0, 1e6, 1e8):
        step = x * 1e-6
        slope = ((x + step) * curve.apr(x + step, 864e3) - x * curve.apr(x, 864e3)) / step
        assert curve.marginal(x, 864e3) == pytest.approx(slope, rel=1e-3, abs=1e-6), x


def test_tokens_minted_and_lamports_paid_are_the_programs() -> None:
    draw = random.Random(7)
    ledger, place, market = start(replace(USUAL, deposit_fee=(10_000, 3), referral_percent=40))
    ledger.open(place.pool_mint)
    for _ in range(40):
        state = ledger.observe(ADAPTER, market)
        numbers = state.market.params[NUMBERS]
        assert isinstance(numbers, StakePool)
        amount = draw.choice([5, 6, draw.randint(7, 10**4), draw.randint(10**4, 10**10)])
        if state.held.raw > 2 * amount and draw.random() < 0.4:
            had = lamports(ledger)
            ledger.send(ADAPTER.withdraw(state, Amount(SOL, amount), ledger.me))
            tokens = state.shares - ledger.balance(place.pool_mint)
            assert tokens == numbers.tokens_paying(amount)
            assert -10_000 <= lamports(ledger) - had - numbers.lamports_for(tokens) <= 0
            assert numbers.lamports_for(tokens) >= amount > numbers.lamports_for(tokens - 2)
        else:
            ledger.send(ADAPTER.deposit(state, Amount(SOL, amount), ledger.me))
            assert ledger.balance(place.pool_mint) - state.shares == numbers.tokens_for(amount)
        if draw.random() < 0.2:
            next_epoch(ledger, place)


def swapped(call: SvmInstruction, at: int, meta: SvmMeta) -> SvmInstruction:
    return replace(call, accounts=(*call.accounts[:at], meta, *call.accounts[at + 1 :]))


def test_every_check_of_the_double_refuses() -> None:
    ledger, place, market = start()
    ledger.open(place.pool_mint)
    state = ledger.observe(ADAPTER, market)
    (deposit,) = ADAPTER.deposit(state, SOL.parse("10"), ledger.me)

    def refused(*calls: Any) -> int | None:
        return ledger.attempt(calls)[0]

    theirs, stranger = named("theirs"), named("stranger")
    ledger.set({theirs: token_account(place.pool_mint, stranger, 0)})
    real = ledger.get(place.pool)
    assert real is not None
    fake = named("a pool of another program")
    ledger.set({fake: AccountImage(real.lamports, named("another program"), real.data)})
    assert refused(swapped(deposit, 0, SvmMeta(fake, writable=True))) == -1, "another program's pool"
    assert refused(swapped(deposit, 1, SvmMeta(theirs))) == 1, "another authority"
    assert refused(swapped(deposit, 2, SvmMeta(theirs, writable=True))) == 1, "another reserve"
    assert refused(swapped(deposit, 5, SvmMeta(theirs, writable=True))) == 9, "another account for fees"
    assert refused(swapped(deposit, 7, SvmMeta(theirs, writable=True))) == 10, "another mint"
    assert refused(swapped(deposit, 9, SvmMeta(stranger))) == -1, "another token program"
    ledger.set({place.pool: replace(real, data=b"\x02" + real.data[1:])})
    assert refused(deposit) == 2, "no pool"
    ledger.set({place.pool: real})
    more = struct.unpack_from("<Q", deposit.data, 9)[0] * 1000 // 999 + 2
    assert refused(replace(deposit, data=deposit.data[:9] + struct.pack("<Q", more))) == 39, "less than was asked for"
    assert refused(replace(deposit, data=b"\x19" + struct.pack("<QQ", 1, 0))) == 29, "too little"
    assert refused(deposit) is None
    state = ledger.observe(ADAPTER, market)
    (taken,) = ADAPTER.withdraw(state, None, ledger.me)
    assert refused(swapped(taken, 10, SvmMeta(TOKEN_PROGRAM))) == -1, "another stake program"
    assert refused(replace(taken, data=taken.data[:9] + struct.pack("<Q", state.held.raw + 1))) == 39
    assert refused(replace(taken, data=b"\x1a" + struct.pack("<QQ", 0, 0))) == 28
    ledger.warp(SLOTS_PER_EPOCH)
    assert refused(deposit) == 17 and refused(taken) == 17, "a new epoch"
    assert refused(update(place)) == 16, "its validators first"
    assert ADAPTER.explain_error(place.program, 17) == "the pool was not brought up to this epoch yet"


def test_the_reserve_is_all_that_can_be_taken_at_once() -> None:
    ledger, place, market = start(replace(USUAL, reserve=3 * 10**9))
    ledger.set({ata(ledger.me, place.pool_mint): token_account(place.pool_mint, ledger.me, 10 * 10**9)})
    state = ledger.observe(ADAPTER, market)
    assert state.liquidity.raw == state.withdrawable.raw == 3 * 10**9 - 1 < state.held.raw
    assert (
        ledger.attempt(ADAPTER.withdraw(replace(state, liquidity=state.held), SOL.parse("3.0001"), ledger.me))[0] == 35
    )
    assert ledger.attempt(ADAPTER.withdraw(state, SOL.parse("3") - Amount(SOL, 5), ledger.me))[0] is None


@pytest.mark.parametrize("slots", [0, 1, 7, 30])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("fee", [(0, 0), (1000, 1), (10_000, 7)])
def test_a_thin_pool_pays_what_it_has_and_the_rest_later(slots: int, whole: bool, fee: tuple[int, int]) -> None:
    held, cash = 42_000 * 10**9, 20_000 * 10**9
    ledger, place, market = start(replace(USUAL, reserve=cash, withdrawal_fee=fee), mine=held)
    tokens = ledger.observe(ADAPTER, market).market.params[NUMBERS].tokens_paying(held)
    ledger.set({ata(ledger.me, place.pool_mint): token_account(place.pool_mint, ledger.me, tokens)})
    state = ledger.observe(ADAPTER, market)
    assert abs(state.held.raw - held) <= 2 and 0 <= cash - state.withdrawable.raw <= 2
    calls = ADAPTER.withdraw(state, None if whole else state.withdrawable, ledger.me)
    ledger.warp(slots)
    assert ledger.slot // SLOTS_PER_EPOCH == EPOCH
    before = lamports(ledger)
    ledger.send(calls)
    paid = lamports(ledger) - before
    assert -10_000 - 5 <= paid - cash <= 0
    rest = ledger.observe(ADAPTER, market)
    assert rest.held.raw >= held - cash - 5 and rest.liquidity.raw <= 5
    reserve = ledger.get(place.reserve_stake)
    assert reserve is not None
    ledger.set({place.reserve_stake: replace(reserve, lamports=reserve.lamports + held)})  # stake that came back
    ledger.send(ADAPTER.withdraw(ledger.observe(ADAPTER, market), None, ledger.me))
    assert ledger.balance(place.pool_mint) == 0


def test_pools_that_take_or_give_nothing_now_are_said_to_be_closed() -> None:
    permission = named("somebody's permission")
    for terms, status, flags, code in (
        (replace(USUAL, last_update_epoch=EPOCH - 1), Status.PAUSED, ("awaits-this-epochs-update",), 17),
        (replace(USUAL, deposit_authority=permission), Status.FROZEN, (), -1),
        (replace(USUAL, withdraw_authority=permission), Status.FROZEN, ("cannot-be-left",), None),
        (replace(USUAL, lockup_epoch=EPOCH + 1), Status.FROZEN, ("cannot-be-left",), None),
    ):
        ledger, place, market = start(terms)
        ledger.open(place.pool_mint)
        state = ledger.observe(ADAPTER, market)
        assert (state.status, state.flags) == (status, flags)
        assert ledger.attempt(ADAPTER.deposit(state, SOL.parse("1"), ledger.me))[0] == code
        if "cannot-be-left" in flags:
            state = ledger.observe(ADAPTER, market)
            assert state.withdrawable.raw == 0 < state.held.raw
            assert ledger.attempt(ADAPTER.withdraw(state, None, ledger.me))[0] is not None


def test_an_announced_fee_counts_already() -> None:
    ledger, _, market = start(replace(USUAL, next_withdrawal_fee=(1000, 4)))
    assert ledger.observe(ADAPTER, market).entry_cost_bps == pytest.approx(40.0)


def test_accounts_that_are_not_what_they_claim_are_refused() -> None:
    ledger, place, market = start()
    real = ledger.get(place.pool)
    assert real is not None
    for data, said in ((b"\0" * len(real.data), "no stake pool"), (real.data[:300], "300 bytes"), (b"", "0 bytes")):
        with pytest.raises(MarketError, match=said):
            decode(place.pool, data)
    ledger.set({place.pool: replace(real, program=named("another program"))})
    with pytest.raises(MarketError, match="belongs to"):
        ledger.observe(ADAPTER, market)
    other = real.data[:130] + bytes(32) + real.data[162:]
    ledger.set({place.pool: replace(real, data=other)})
    with pytest.raises(MarketError, match="no longer"):
        ledger.observe(ADAPTER, market)


def test_the_pools_own_rate_is_a_price_while_somebody_keeps_it_up_to_date() -> None:
    ledger, place, market = start()
    staked = Token(CHAIN, place.pool_mint, "stSOL", 9)
    deployment = Deployment(
        "spl_stake_pool", CHAIN, "Stake (double)", {"program": place.program, "pools": [place.pool]}, ()
    )
    (pool,) = ledger.run(PRICE_ORACLE.pools(deployment, [(SOL, staked)]))
    assert (pool.token0, pool.token1) == (staked, SOL)
    assert ledger.run(PRICE_ORACLE.pools(deployment, [(SOL, Token(CHAIN, named("else"), "else", 9))])) == ()

    def rate() -> float:
        said, price = ledger.run(PRICE_ORACLE.price(pool, ledger.now))
        assert said.params["says"] == "own rate" and isinstance(price, float)
        return price

    assert rate() == pytest.approx(1.18, rel=1e-9), "never 1"
    paid = ledger.observe(ADAPTER, market).market.params[NUMBERS].lamports_for(10**9)
    assert rate() == pytest.approx(paid / 10**9 / (1 - 1 / 1000), rel=1e-8), "what giving it back pays, its fee apart"
    first = rate()
    next_epoch(ledger, place)
    second = rate()
    assert second > first * 1.0003
    epoch_seconds = SLOTS_PER_EPOCH * Clock.of(ledger.clock_image().data).slot_seconds
    worth, told = ledger.run(PRICE_ORACLE.growth(pool))
    assert worth == second and told == pytest.approx((second / first - 1) * SECONDS_PER_YEAR / epoch_seconds, rel=1e-9)
    ledger.warp(SLOTS_PER_EPOCH)
    assert rate() > first, "an epoch old at most"
    ledger.warp(SLOTS_PER_EPOCH)
    with pytest.raises(MarketError, match="not brought up to this epoch or the one before"):
        rate()
    with pytest.raises(MarketError, match="no growth of this epoch or the one before"):
        ledger.run(PRICE_ORACLE.growth(pool))
    assert StakePool(10, 10, 0, 0, (0, 0), (0, 0), 0, (0, 0)).token_growth() is None
