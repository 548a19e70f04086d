"""The Jupiter Lend adapter against the double of its programs, in LiteSVM."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana_bench import CHAIN, Ledger
from yieldbot.errors import MarketError
from yieldbot.math.jupiter_lend import PRICE_ONE
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.market import Market, Status
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.solana.jupiter_lend import ADAPTER
from yieldbot.protocols.solana.layout import ata
from yieldbot.sandbox.solana.images import named, token_account
from yieldbot.sandbox.solana.protocols.jupiter_lend import JupiterPlace, JupiterTerms, RewardTerms, jupiter_market

ONE = 10**6
MILLION = 10**6 * ONE
MONTH_SECONDS = 30 * 86_400
USUAL = JupiterTerms(deposited_raw=10 * MILLION, others_raw=5 * MILLION, borrowed_raw=12 * MILLION)


def start(terms: JupiterTerms = USUAL, mine: int = 5 * MILLION) -> tuple[Ledger, Token, Market, JupiterPlace]:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, mine)
    place, images = jupiter_market(usdc.address, 6, ledger.now, terms)
    ledger.set(images)
    params = {"program": place.program, "liquidity_program": place.program, "rewards_program": place.program}
    table = Deployment("jupiter_lend", CHAIN, "Jupiter (double)", {**params, "reserves": [place.lending]}, (usdc,))
    (market,) = ledger.run(ADAPTER.discover(table))
    ledger.open(place.share_mint)
    return ledger, usdc, market, place


def random_terms(draw: random.Random) -> JupiterTerms:
    size = 10 ** draw.randint(9, 15)
    free, idle = (draw.choice([0, 0, int(size * draw.uniform(0.0, 1.5))]) for _ in range(2))
    others = int(size * draw.uniform(0, 2))
    kinks = sorted(draw.sample(range(1_000, 9_900), draw.choice([1, 2])))
    rates = sorted(draw.randint(0, 3_000) for _ in range(len(kinks) + 2))
    lent = int((size + others + free) * draw.uniform(0.05, 0.97))
    return JupiterTerms(
        deposited_raw=size,
        others_raw=others,
        free_raw=free,
        borrowed_raw=lent - min(idle, lent // 2),
        borrowed_free_raw=min(idle, lent // 2),
        points=tuple(zip((0, *kinks, 10_000), rates, strict=True)),
        fee_bps=draw.choice([0, 1_000, 2_500]),
        price=draw.randint(PRICE_ONE, 2 * PRICE_ONE),
        share_price=draw.randint(PRICE_ONE, 2 * PRICE_ONE),
        rewards=draw.choice(
            [RewardTerms(), RewardTerms(yearly_raw=size // 30, left_seconds=draw.randint(1, 60) * 86_400)]
        ),
    )


@pytest.mark.parametrize("seed", range(30))
def test_what_accrues_in_30_days_is_what_was_predicted(seed: int) -> None:
    draw = random.Random(seed)
    terms = random_terms(draw)
    amount = int(terms.deposited_raw * 10 ** draw.uniform(-3, 0.5)) + 10**6
    ledger, _, market, _ = start(terms, mine=2 * amount)
    ledger.warp(draw.randint(0, 500_000))
    before = ledger.observe(ADAPTER, market)
    predicted = before.curve.apr(amount / ONE, MONTH_SECONDS)
    ledger.send(ADAPTER.deposit(before, Amount(market.asset, amount), ledger.me))
    settled = ledger.observe(ADAPTER, market)
    again = settled.curve.apr(settled.held.raw / ONE, MONTH_SECONDS)
    assert settled.quoted.value == pytest.approx(settled.curve.apr(settled.held.raw / ONE, 86_400.0))
    ledger.warp(int(MONTH_SECONDS / 0.4))
    grown = (ledger.observe(ADAPTER, market).held.raw / settled.held.raw - 1) * SECONDS_PER_YEAR / MONTH_SECONDS
    rounds = 3 * SECONDS_PER_YEAR / MONTH_SECONDS / settled.held.raw
    assert abs(grown - again) <= 1e-6 + rounds, (terms, amount)  # 0.01 bp a year
    assert abs(grown - predicted) <= 1e-6 + rounds, (terms, amount)


def test_shares_prices_and_limits_are_the_programs() -> None:
    draw = random.Random(3)
    rewards = RewardTerms(yearly_raw=MILLION, left_seconds=20_000, next_raw=MILLION // 100, next_seconds=30_000)
    ledger, usdc, market, place = start(replace(USUAL, rewards=rewards, expand_bps=1_000))
    for _ in range(60):
        ledger.warp(draw.choice([0, 1, 400, 9_000]))
        state = ledger.observe(ADAPTER, market)
        price, had = int(state.market.params["price"]), ledger.balance(usdc.address)
        match draw.randrange(4):
            case 0 if state.held.raw > 100:
                ledger.send(ADAPTER.withdraw(state, None, ledger.me))
                assert ledger.balance(usdc.address) - had == state.held.raw and ledger.balance(place.share_mint) == 0
            case 1 if state.held.raw > 100:
                amount = draw.randint(10, state.held.raw)
                ledger.send(ADAPTER.withdraw(state, Amount(usdc, amount), ledger.me))
                assert ledger.balance(usdc.address) - had == amount
                assert state.shares - ledger.balance(place.share_mint) == -(-amount * PRICE_ONE // price)
            case _:
                amount = min(had, draw.choice([draw.randint(10_000, 10**6), draw.randint(10**6, 10**11)]))
                ledger.send(ADAPTER.deposit(state, Amount(usdc, amount), ledger.me))
                assert had - ledger.balance(usdc.address) == amount
                gained = ledger.observe(ADAPTER, market).held.raw - state.held.raw
                assert amount - 4 <= gained <= amount


def test_the_limit_on_withdrawals_binds_to_the_unit_and_grows_with_time() -> None:
    terms = JupiterTerms(deposited_raw=MILLION, others_raw=9 * MILLION, borrowed_raw=MILLION, expand_bps=2_000)
    ledger, usdc, market, place = start(terms)
    all_shares = ledger.get(place.share_mint)
    assert all_shares is not None
    issued = int.from_bytes(all_shares.data[36:44], "little")
    ledger.set({ata(ledger.me, place.share_mint): token_account(place.share_mint, ledger.me, issued)})
    seen = []
    for _ in range(3):
        state = ledger.observe(ADAPTER, market)
        seen.append(state.liquidity.raw)
        assert state.exit.cash is not None and state.liquidity < state.exit.cash
        assert state.exit.limit == "20% of all deposits in 6 h" and state.status is Status.ACTIVE
        more = replace(state, liquidity=state.held)
        assert ledger.attempt(ADAPTER.withdraw(more, state.liquidity + Amount(usdc, 2), ledger.me))[0] == 6028
        had = ledger.balance(usdc.address)
        ledger.send(ADAPTER.withdraw(state, None, ledger.me))
        assert ledger.balance(usdc.address) - had == state.liquidity.raw, "the rest follows later"
        ledger.warp(9_000)  # an hour, a sixth of the time in which it grows
    assert seen[0] == pytest.approx(0.2 * MILLION, rel=1e-3)
    assert seen[1] == pytest.approx(0.8 * MILLION * 0.2 / 6, rel=1e-2), "a sixth of a fifth of what is left"


def swapped(call: SvmInstruction, at: int, address: Any) -> SvmInstruction:
    meta = replace(call.accounts[at], address=address)
    return replace(call, accounts=(*call.accounts[:at], meta, *call.accounts[at + 1 :]))


def test_every_check_of_the_double_refuses() -> None:
    ledger, usdc, market, place = start()
    state = ledger.observe(ADAPTER, market)
    (deposit,) = ADAPTER.deposit(state, usdc.parse("10"), ledger.me)
    theirs, other = named("theirs"), named("another mint's")
    ledger.set({theirs: token_account(usdc.address, named("stranger"), 0)})
    ledger.set({other: token_account(named("another mint"), ledger.me, 0)})

    def refused(call: SvmInstruction) -> int | None:
        return ledger.attempt((call,))[0]

    assert refused(swapped(deposit, 1, other)) == 2014 and refused(swapped(deposit, 2, theirs)) == 2014
    assert refused(swapped(deposit, 1, theirs)) == 2015
    assert refused(swapped(deposit, 7, place.position)) == 3002 and refused(swapped(deposit, 8, place.reserve)) == 3002
    assert refused(swapped(deposit, 10, theirs)) == 2001, "another vault"
    assert refused(swapped(deposit, 12, place.vault)) == 2001, "another liquidity program"
    assert refused(replace(deposit, accounts=deposit.accounts[:16])) == 3005
    assert refused(replace(deposit, data=deposit.data[:8] + (9).to_bytes(8, "little") + deposit.data[16:])) == 6030
    assert refused(replace(deposit, data=deposit.data[:16] + (10**9).to_bytes(8, "little"))) == 6001
    ledger.send((deposit,))
    state = ledger.observe(ADAPTER, market)
    (taken,) = ADAPTER.withdraw(state, usdc.parse("5"), ledger.me)
    assert refused(replace(taken, data=taken.data[:16] + (1).to_bytes(8, "little"))) == 6002
    assert ADAPTER.explain_error(place.program, 6028) == "the market's withdrawal limit is reached: it grows with time"


@pytest.mark.parametrize(("terms", "code"), [({"status": 1}, 6027), ({"locked": True}, 6042)])
def test_a_paused_market_neither_takes_nor_gives(terms: dict[str, Any], code: int) -> None:
    ledger, usdc, market, _ = start(replace(USUAL, **terms))
    state = ledger.observe(ADAPTER, market)
    assert state.status is Status.PAUSED and state.withdrawable.raw == 0
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] == code


def test_shares_that_are_worth_less_than_is_ever_paid_count_nothing() -> None:
    ledger, _, market, place = start()
    for shares, held, code in ((8, 0, 6030), (10, 10, None)):
        ledger.set({ata(ledger.me, place.share_mint): token_account(place.share_mint, ledger.me, shares)})
        state = ledger.observe(ADAPTER, market)
        assert (state.held.raw, state.shares) == (held, shares)
        assert ledger.attempt(ADAPTER.withdraw(state, None, ledger.me))[0] == code


def test_doubts_say_both_numbers() -> None:
    ledger, usdc, market, place = start()
    assert ledger.observe(ADAPTER, market).doubts == ()
    vault, position = ledger.get(place.vault), ledger.get(place.position)
    assert vault is not None and position is not None
    ledger.set({place.vault: token_account(usdc.address, named("x"), MILLION)})
    (doubt,) = ledger.observe(ADAPTER, market).doubts
    assert "suppliers are owed 14,999,999" in doubt and "cash and debts are 13,000,000" in doubt
    ledger.set({place.vault: vault})
    less = position.data[:73] + (8 * MILLION).to_bytes(8, "little") + position.data[81:]
    ledger.set({place.position: replace(position, data=less)})
    (doubt,) = ledger.observe(ADAPTER, market).doubts
    assert doubt.startswith("its shares are worth 9,999,999") and "has supplied 8,400,000" in doubt


def test_accounts_that_contradict_each_other_are_refused() -> None:
    ledger, _, market, place = start()
    lending, position = ledger.get(place.lending), ledger.get(place.position)
    assert lending is not None and position is not None
    never = position.data[:107] + bytes(4) + position.data[111:]
    ledger.set({place.position: replace(position, data=never)})
    with pytest.raises(MarketError, match="settings are impossible"):
        ledger.observe(ADAPTER, market)
    ledger.set({place.position: position})
    ledger.set({place.lending: replace(lending, data=lending.data[:40] + bytes(32) + lending.data[72:])})
    with pytest.raises(MarketError, match="no longer the one"):
        ledger.observe(ADAPTER, market)
