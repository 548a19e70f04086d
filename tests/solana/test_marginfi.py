"""marginfi's adapter against the double of its program, in LiteSVM."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.marginfi_bench import FIELDS, USUAL, limited, start
from tests.kit.solana_bench import CHAIN, NOW, Ledger
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.math.marginfi import BITS, MarginfiBank
from yieldbot.model.amounts import Amount
from yieldbot.model.deployment import Deployment
from yieldbot.model.known import TOKEN_2022_PROGRAM
from yieldbot.model.market import Market, Status
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, layout
from yieldbot.protocols.solana.marginfi import ADAPTER, account_of, bank_of
from yieldbot.sandbox.solana.images import named, token_account
from yieldbot.sandbox.solana.protocols.marginfi import MarginfiTerms, marginfi_bank, marginfi_group

MONTH_SECONDS = 30 * 86_400
RENT = 16_982_400


def stored(ledger: Ledger, market: Market) -> MarginfiBank:
    codec, images = layout("marginfi"), [ledger.get(a) for a in (market.address, market.params["group"])]
    bank, group = (image.data for image in images if image is not None)
    return bank_of(codec.decode("Bank", bank), codec.decode("MarginfiGroup", group))


def lamports(ledger: Ledger) -> int:
    image = ledger.get(ledger.me)
    assert image is not None
    return image.lamports


def test_deposit_and_withdraw_move_exactly_what_is_said() -> None:
    ledger, usdc, market = start()
    state = ledger.observe(ADAPTER, market)
    assert (state.held.raw, state.supplied.raw) == (0, 10**13 - 1), "a share's fraction is rounded down"
    assert 0 <= 2 * 10**12 - state.liquidity.raw < 10**6, "less what two minutes of fees take"
    assert state.status is Status.ACTIVE and state.rent_deposit == RENT and state.capacity is None
    before, had = ledger.balance(usdc.address), lamports(ledger)
    calls = ADAPTER.deposit(state, usdc.parse("50000"), ledger.me)
    assert [call.description for call in calls] == [
        "open an account of ours in marginfi (double)",
        "deposit 50,000 USDC into marginfi (double)",
    ]
    ledger.send(calls)
    assert before - ledger.balance(usdc.address) == 50_000 * 10**6
    assert had - lamports(ledger) in (RENT, RENT + 5000), "the account's rent, and a signature's fee"
    ledger.warp(1000)
    state = ledger.observe(ADAPTER, market)
    assert 0 <= state.held.raw - 50_000 * 10**6 < 2 * 10**6 and state.rent_deposit == 0
    assert len(ADAPTER.deposit(state, usdc.parse("1"), ledger.me)) == 1, "the account is there now"
    ledger.warp(3)
    before = ledger.balance(usdc.address)
    ledger.send(ADAPTER.withdraw(state, usdc.parse("20000"), ledger.me))
    assert ledger.balance(usdc.address) - before == 20_000 * 10**6
    state = ledger.observe(ADAPTER, market)
    before, had = ledger.balance(usdc.address), lamports(ledger)
    ledger.send(ADAPTER.withdraw(state, None, ledger.me))
    assert ledger.balance(usdc.address) - before == state.held.raw, "held is what withdrawing everything pays"
    assert lamports(ledger) - had in (RENT, RENT - 5000), "the rent comes back"
    state = ledger.observe(ADAPTER, market)
    assert state.held.raw == state.shares == 0 and state.rent_deposit == RENT
    ledger.send(ADAPTER.deposit(state, usdc.parse("7"), ledger.me))
    assert ledger.observe(ADAPTER, market).held.raw in (7 * 10**6, 7 * 10**6 - 1)


def random_terms(draw: random.Random) -> MarginfiTerms:
    legacy = draw.random() < 0.3
    inner = sorted(draw.sample(range(5, 99), 1 if legacy else draw.randint(0, 5)))
    rates = sorted(draw.uniform(0, 3) for _ in range(len(inner) + 2))
    if legacy:
        rates[0] = 0.0
    points = tuple(zip((0.0, *(used / 100 for used in inner), 1.0), rates, strict=True))
    size = 10 ** draw.randint(10, 16)
    low, high = draw.choice(list(zip((0, *inner), (*inner, 100), strict=True)))
    borrowed = int(size * draw.uniform(low, high) / 100)
    return MarginfiTerms(
        available_raw=size - borrowed + 10**6,
        borrowed_raw=borrowed,
        points=points,
        legacy=legacy,
        rate_fee=draw.choice([0.0, 0.1, 0.135]),
        fixed_fee=draw.choice([0.0, 0.01]),
    )


@pytest.mark.parametrize("seed", range(60))
def test_what_accrues_in_30_days_is_what_was_predicted(seed: int) -> None:
    draw = random.Random(seed)
    terms = random_terms(draw)
    amount = int((terms.available_raw + terms.borrowed_raw) * 10 ** draw.uniform(-3, 0.5))
    ledger, usdc, market = start(terms, mine=amount, fees=draw.random() < 0.5)
    before = ledger.observe(ADAPTER, market)
    predicted = before.curve.apr(amount / 10**6, MONTH_SECONDS)
    ledger.send(ADAPTER.deposit(before, Amount(usdc, amount), ledger.me))
    expected = stored(ledger, market).accrued(NOW + MONTH_SECONDS)
    ledger.warp(MONTH_SECONDS * 10 // 4)
    ledger.send((accrual(market),))
    assert stored(ledger, market) == expected, "our arithmetic is the program's, to the last of 48 bits"
    state = ledger.observe(ADAPTER, market)
    assert state.supplied.raw == expected.assets_fx >> BITS
    accrued = (state.held.raw / amount - 1) * SECONDS_PER_YEAR / MONTH_SECONDS
    assert abs(accrued - predicted) <= 1e-5, (terms, amount)  # 0.1 bp a year


@pytest.mark.parametrize("seconds", [1, 2, 59, 86_400, 10**7, 10**9])
def test_any_time_accrues_as_the_program_does(seconds: int) -> None:
    ledger, _, market = start(replace(USUAL, points=((0.0, 0.01), (0.5, 0.3), (0.8, 0.3), (1.0, 0.9))), fees=True)
    expected = stored(ledger, market).accrued(NOW + seconds)
    ledger.warp(1, seconds)
    ledger.send((accrual(market),))
    assert stored(ledger, market) == expected and expected.asset_value_fx > 0


def accrual(market: Market) -> SvmInstruction:
    """lending_pool_accrue_bank_interest, which anybody may send."""
    accounts = (SvmMeta(market.params["group"]), SvmMeta(market.address, writable=True))
    return SvmInstruction(market.params["program"], accounts, bytes.fromhex("6cc91e572f4161bc"), "")


def test_what_is_held_after_any_deposits_and_withdrawals_is_what_all_of_it_pays() -> None:
    draw = random.Random(4)
    ledger, usdc, market = start(mine=10**12)
    for _ in range(40):
        ledger.warp(draw.randint(1, 100_000))
        state = ledger.observe(ADAPTER, market)
        amount = draw.choice([1, 2, 3, draw.randint(4, 10**4), draw.randint(10**4, 10**9)])
        had = ledger.balance(usdc.address)
        if state.held.raw > amount and draw.random() < 0.4:
            ledger.send(ADAPTER.withdraw(state, Amount(usdc, amount), ledger.me))
            assert ledger.balance(usdc.address) - had == amount
        else:
            ledger.send(ADAPTER.deposit(state, Amount(usdc, amount), ledger.me))
            assert had - ledger.balance(usdc.address) == amount
        after = ledger.observe(ADAPTER, market)
        moved = had - ledger.balance(usdc.address)
        assert 0 <= state.held.raw + moved - after.held.raw <= 1, "a unit is lost to rounding at most"
    state = ledger.observe(ADAPTER, market)
    had = ledger.balance(usdc.address)
    ledger.send(ADAPTER.withdraw(state, None, ledger.me))
    assert ledger.balance(usdc.address) - had == state.held.raw


def swapped(call: SvmInstruction, at: int, meta: SvmMeta) -> SvmInstruction:
    return replace(call, accounts=(*call.accounts[:at], meta, *call.accounts[at + 1 :]))


def test_every_check_of_the_double_refuses() -> None:
    ledger, usdc, market = start()
    state = ledger.observe(ADAPTER, market)
    opened, deposit = ADAPTER.deposit(state, usdc.parse("1000"), ledger.me)

    def refused(*calls: Any) -> int | None:
        return ledger.attempt(calls)[0]

    assert refused(deposit) == 3012, "no account yet"
    theirs, stranger = named("a stranger's vault"), named("stranger")
    ledger.set({theirs: token_account(usdc.address, stranger, 10**9)})
    fake = named("a bank of another program")
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({fake: AccountImage(real.lamports, named("another program"), real.data)})
    assert refused(swapped(opened, 1, SvmMeta(theirs, writable=True))) == 2006, "not the derived account"
    other_index = replace(opened, data=opened.data[:8] + b"\xff\xff" + opened.data[10:])
    assert refused(other_index) == 2006
    ledger.send((opened,))
    assert refused(swapped(deposit, 2, SvmMeta(stranger))) == 3010, "the owner did not sign"
    assert refused(swapped(deposit, 3, SvmMeta(fake, writable=True))) == 3007, "another program's bank"
    assert refused(swapped(deposit, 0, SvmMeta(market.address))) == 3002, "a bank for a group"
    assert refused(swapped(deposit, 5, SvmMeta(theirs, writable=True))) == 6094, "another vault"
    assert refused(swapped(deposit, 6, SvmMeta(SYSTEM_PROGRAM))) == 3008, "another token program"
    account = ledger.get(account_of(market, ledger.me))
    assert account is not None
    where = account_of(market, ledger.me)
    handed = account.data[:40] + bytes(32) + account.data[72:]
    ledger.set({where: replace(account, data=handed)})
    assert refused(deposit) == 6042, "another's account"
    ledger.set({where: replace(account, data=account.data[:8] + bytes(32) + account.data[40:])})
    assert refused(deposit) == 6093, "an account of another group"
    ledger.set({where: replace(account, data=account.data[:1800] + b"\x40" + account.data[1801:])})
    assert refused(deposit) == 6103, "a frozen account"
    with_flag = ledger.observe(ADAPTER, market)
    assert with_flag.status is Status.PAUSED
    ledger.set({where: replace(account, data=account.data[:1800] + b"\x01" + account.data[1801:])})
    assert refused(deposit) == 6035, "a disabled account"
    ledger.set({where: account})
    assert refused(ADAPTER.withdraw(replace(state, rent_deposit=0), usdc.parse("1"), ledger.me)[0]) == 6018
    assert refused(deposit) is None
    state = ledger.observe(ADAPTER, market)
    (part,) = ADAPTER.withdraw(state, usdc.parse("10"), ledger.me)
    assert refused(replace(part, accounts=part.accounts[:8])) == 6008, "no bank for the health check"
    assert refused(replace(part, accounts=part.accounts[:9])) == 6051, "no oracle"
    assert refused(swapped(part, 5, SvmMeta(theirs))) == 2006, "another authority of the vault"
    much = replace(part, data=part.data[:8] + struct.pack("<Q", 1_001 * 10**6) + part.data[16:])
    assert refused(much) == 6020, "more than is held"
    taken, closed = ADAPTER.withdraw(state, None, ledger.me)
    assert refused(closed) == 6043, "an account that holds something"
    assert refused(taken, closed) is None
    assert ADAPTER.explain_error(market.params["program"], 6003) == "the bank's deposit limit is reached"


def test_deposit_limit_is_the_capacity() -> None:
    ledger, usdc, market = start(replace(USUAL, deposit_limit_raw=10**13 + 500 * 10**6))
    state = ledger.observe(ADAPTER, market)
    assert state.capacity is not None and 0 <= 500 * 10**6 - state.capacity.raw <= 2
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("500.1"), ledger.me))[0] == 6003
    assert ledger.attempt(ADAPTER.deposit(state, state.capacity, ledger.me))[0] is None


def test_what_is_lent_bounds_the_liquidity() -> None:
    ledger, usdc, market = start(replace(USUAL, available_raw=10**6), mine=10**12)
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("1000"), ledger.me))
    ledger.warp(MONTH_SECONDS)
    state = ledger.observe(ADAPTER, market)
    # Borrowers' fees are not the suppliers': debt grows faster than what suppliers own, and may not pass it.
    assert state.liquidity.raw < 1_001 * 10**6
    if state.liquidity.raw:
        assert ledger.attempt(ADAPTER.withdraw(state, state.liquidity, ledger.me))[0] is None
    assert ledger.attempt(ADAPTER.withdraw(state, None, ledger.me))[0] == 6026


def test_closed_banks_are_said_to_be_closed() -> None:
    cases = (
        (replace(USUAL, state=0), Status.PAUSED, 6016),
        (replace(USUAL, state=2), Status.FROZEN, 6017),
        (replace(USUAL, state=3), Status.PAUSED, 6084),
        (replace(USUAL, flags=1 << 5), Status.FROZEN, 6017),
    )
    for terms, status, code in cases:
        ledger, usdc, market = start(terms)
        state = ledger.observe(ADAPTER, market)
        assert state.status is status
        assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] == code
    ledger, usdc, market = start(paused_at=NOW - 60)
    state = ledger.observe(ADAPTER, market)
    assert state.status is Status.PAUSED
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] == 6080
    ledger.warp(1, 1800)
    state = ledger.observe(ADAPTER, market)
    assert state.status is Status.ACTIVE, "a pause ends by itself"
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] is None


def test_a_fixed_price_needs_no_oracle_and_rewards_keep_the_account_open() -> None:
    ledger, usdc, market = start(replace(USUAL, oracle_setup=8, flags=2))
    state = ledger.observe(ADAPTER, market)
    assert state.flags == ("rewards-not-collected",)
    ledger.send(ADAPTER.deposit(state, usdc.parse("1000"), ledger.me))
    ledger.warp(100)
    state = ledger.observe(ADAPTER, market)
    (taken,) = ADAPTER.withdraw(state, None, ledger.me)
    assert len(taken.accounts) == 9
    before = ledger.balance(usdc.address)
    ledger.send((taken,))
    assert ledger.balance(usdc.address) - before == state.held.raw
    assert ledger.observe(ADAPTER, market).held.raw == 0


def test_accounts_that_are_not_what_they_claim_are_refused() -> None:
    ledger, usdc, market = start()
    real = ledger.get(market.address)
    assert real is not None
    ledger.set({market.address: replace(real, program=named("another program"))})
    with pytest.raises(MarketError, match="belongs to"):
        ledger.observe(ADAPTER, market)
    ledger.set({market.address: replace(real, data=b"\0" * 8 + real.data[8:])})
    with pytest.raises(MarketError, match="no Bank"):
        ledger.observe(ADAPTER, market)
    negative = real.data[:80] + b"\xff" * 16 + real.data[96:]
    ledger.set({market.address: replace(real, data=negative)})
    with pytest.raises(MarketError, match="negative"):
        ledger.observe(ADAPTER, market)
    ledger.set({market.address: real})
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse("5"), ledger.me))
    where = account_of(market, ledger.me)
    account = ledger.get(where)
    assert account is not None
    ledger.set({where: replace(account, data=account.data[:73] + bytes(32) + account.data[105:])})
    with pytest.raises(MarketError, match="more than this bank"):
        ledger.observe(ADAPTER, market)


@pytest.mark.parametrize("tag", [2, 3, 4, 5])
def test_banks_of_other_kinds_are_no_markets(tag: int) -> None:
    with pytest.raises(MarketError, match="is of kind"):
        start(replace(USUAL, asset_tag=tag))


def test_a_token_2022_mint_is_no_market() -> None:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, 0)
    image = ledger.get(usdc.address)
    assert image is not None
    ledger.set({usdc.address: replace(image, program=TOKEN_2022_PROGRAM)})
    group, images = marginfi_group()
    bank, more = marginfi_bank(group, usdc.address, 6, NOW, USUAL)
    ledger.set(images | more)
    params = {"program": group.program, "banks": [bank]}
    with pytest.raises(MarketError, match="belongs to"):
        ledger.run(ADAPTER.discover(Deployment("marginfi", CHAIN, "marginfi (double)", params, (usdc,))))


def test_a_bank_that_only_takes_money_out_but_still_counts_as_collateral_pays() -> None:
    ledger, usdc, market = limited()
    image = ledger.get(market.address)
    assert image is not None
    data = bytearray(image.data)
    data[FIELDS["operational_state"][0]] = 5
    ledger.set({market.address: replace(image, data=bytes(data))})
    state = ledger.observe(ADAPTER, market)
    assert state.status is Status.FROZEN and state.withdrawable == state.held
    assert ledger.attempt(ADAPTER.deposit(state, usdc.parse("1"), ledger.me))[0] == 6017
    ledger.send(ADAPTER.withdraw(state, None, ledger.me))
    assert ledger.observe(ADAPTER, market).held.raw == 0


def test_a_bank_with_the_older_curve_takes_no_new_money_and_its_refusal_is_told() -> None:
    """The double serves it as 0.1.7 did; 0.1.9 refuses whatever accrues (InvalidConfig)."""
    terms = replace(USUAL, points=((0.0, 0.0), (0.8, 0.1), (1.0, 3.0)), legacy=True)
    ledger, usdc, market = start(terms)
    state = ledger.observe(ADAPTER, market)
    assert state.status is Status.FROZEN and state.flags == ("legacy-curve",)
    ledger.send(ADAPTER.deposit(state, usdc.parse("10"), ledger.me))
    state = ledger.observe(ADAPTER, market)
    assert state.withdrawable == state.held and "older" in str(ADAPTER.explain_error(market.params["program"], 6015))
    ledger.send(ADAPTER.withdraw(state, None, ledger.me))
