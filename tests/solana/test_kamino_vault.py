"""The Kamino vault adapter against the double of its program, which calls Kamino Lend's double, in LiteSVM."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana_bench import CHAIN, SLOT, Ledger
from yieldbot.chains.solana.execution.build import (
    LARGEST_TRANSACTION_BYTES,
    NO_BLOCKHASH,
    SIGNATURE_BYTES,
    Bid,
    budget,
    close_account,
    compiled,
    create_account,
    message_bytes,
)
from yieldbot.errors import MarketError
from yieldbot.math.kamino_vault import KaminoVault
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.look_through import HeldBy
from yieldbot.model.market import Market, Status
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.backing import TOKEN, backing_of, bare
from yieldbot.protocols.solana.backing import pools_of, root_of
from yieldbot.protocols.solana.kamino_vault import ADAPTER, VAULT
from yieldbot.protocols.solana.layout import ata
from yieldbot.sandbox.solana.images import named, token_account
from yieldbot.sandbox.solana.protocols.kamino_lend import KaminoTerms, kamino_market
from yieldbot.sandbox.solana.protocols.kamino_vault import VaultPlace, VaultTerms, kamino_vault, reserve_for

ONE = 10**6
MILLION = 10**6 * ONE
MONTH_SECONDS = 30 * 86_400
USUAL = VaultTerms(available_raw=MILLION // 10, ctokens=(MILLION // 2, MILLION // 3))
RESERVE = KaminoTerms(available_raw=3 * MILLION, borrowed_raw=9 * MILLION)


def start(
    terms: VaultTerms = USUAL,
    reserves: tuple[KaminoTerms, ...] = (RESERVE, RESERVE),
    mine: int = 5 * MILLION,
    in_tables: bool = False,
) -> tuple[Ledger, Token, Market, VaultPlace]:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, mine)
    lending, images = kamino_market("kamino", referral_bps=500)
    ledger.set(images)
    collaterals = {}
    for number, one in enumerate(reserves):
        reserve, collateral, more = reserve_for(lending, usdc.address, 6, SLOT, one, f"kamino {number}")
        ledger.set(more)
        collaterals[reserve] = collateral
    place, images = kamino_vault(usdc.address, 6, ledger.now, terms, collaterals)
    ledger.set(images)
    params = {
        "program": place.program,
        "klend_program": lending.program,
        "pools": [place.vault],
        "in_tables": in_tables,
    }
    (market,) = ledger.run(ADAPTER.discover(Deployment("kamino_vault", CHAIN, "Vault (double)", params, (usdc,))))
    ledger.open(place.share_mint)
    return ledger, usdc, market, place


def vault_of(state: Any) -> KaminoVault:
    found = state.market.params[VAULT]
    assert isinstance(found, KaminoVault)
    return found


def random_terms(draw: random.Random) -> VaultTerms:
    size = 10 ** draw.randint(9, 13)
    rewards = draw.choice([0, 0, size // 10**8])
    return VaultTerms(
        available_raw=int(size * draw.uniform(0, 0.3)),
        ctokens=(int(size * draw.uniform(0, 1)) + 10**6, draw.choice([0, int(size * draw.uniform(0, 1))])),
        share_ppb=draw.randint(10**9, 2 * 10**9),
        performance_bps=draw.choice([0, 1_000, 2_500]),
        management_bps=draw.choice([0, 0, 100]),
        rewards_per_second=rewards,
        rewards_raw=rewards * draw.randint(1, 60) * 86_400,
    )


def random_reserve(draw: random.Random) -> KaminoTerms:
    size = 10 ** draw.randint(13, 14)
    used = draw.uniform(0.1, 0.97)
    return KaminoTerms(available_raw=int(size * (1 - used)), borrowed_raw=int(size * used))


@pytest.mark.parametrize("seed", range(20))
def test_what_accrues_in_30_days_is_what_was_predicted(seed: int) -> None:
    """Nobody invests what we deposit: it stays idle in the vault, as the curve says."""
    draw = random.Random(seed)
    terms = random_terms(draw)
    amount = int((terms.available_raw + sum(terms.ctokens)) * 10 ** draw.uniform(-3, 0)) + 10**6
    ledger, usdc, market, _ = start(terms, (random_reserve(draw), random_reserve(draw)), 2 * amount)
    ledger.warp(draw.randint(0, 200_000))
    before = ledger.observe(ADAPTER, market)
    predicted = before.curve.apr(amount / ONE, MONTH_SECONDS)
    ledger.send(ADAPTER.deposit(before, Amount(usdc, amount), ledger.me))
    settled = ledger.observe(ADAPTER, market)
    again = settled.curve.apr(settled.held.raw / ONE, MONTH_SECONDS)
    ledger.warp(int(MONTH_SECONDS / 0.4))
    grown = (ledger.observe(ADAPTER, market).held.raw / settled.held.raw - 1) * SECONDS_PER_YEAR / MONTH_SECONDS
    rounds = 3 * SECONDS_PER_YEAR / MONTH_SECONDS / settled.held.raw
    assert abs(grown - again) <= 1e-5 + rounds, (terms, amount, grown, again)  # 0.1 bp a year
    assert abs(grown - predicted) <= 1e-5 + rounds, (terms, amount, grown, predicted)


def test_shares_amounts_and_fees_are_the_programs() -> None:
    draw = random.Random(11)
    terms = replace(USUAL, penalty_raw=3, crank_fee=2, management_bps=50, rewards_per_second=50, rewards_raw=10**6)
    ledger, usdc, market, place = start(terms)
    for _ in range(60):
        ledger.warp(draw.choice([0, 1, 3, 400, 90_000]))
        state = ledger.observe(ADAPTER, market)
        vault, had = vault_of(state), ledger.balance(usdc.address)
        if state.held.raw > 1_000 and draw.random() < 0.5:
            whole = draw.random() < 0.3
            amount = None if whole else Amount(usdc, draw.randint(100, state.held.raw - 10))
            paid = burnt = 0
            left, after, calls = state.shares, vault, ADAPTER.withdraw(state, amount, ledger.me)
            for call in calls:
                asked = min(int.from_bytes(call.data[8:16], "little"), left)
                index = place.reserves.index(call.accounts[15].address)  # type: ignore[arg-type]
                step = after.withdrawn(asked, index)
                paid, burnt, left, after = paid + step.paid_raw, burnt + step.burnt, left - step.burnt, step.vault
            ledger.send(calls)
            assert ledger.balance(usdc.address) - had == paid
            assert state.shares - ledger.balance(place.share_mint) == burnt
            if amount is None:
                assert ledger.balance(place.share_mint) == 0 and paid >= state.held.raw - 3 * len(calls)
            else:
                assert amount.raw <= paid <= amount.raw + 3
        else:
            raw = draw.choice([draw.randint(1_000, 10**6), draw.randint(10**6, 10**11)])
            amount = Amount(usdc, min(raw, had))
            ledger.send(ADAPTER.deposit(state, amount, ledger.me))
            minted = ledger.balance(place.share_mint) - state.shares
            crank = 2 * terms.crank_fee
            assert minted == vault.shares_for(amount.raw - crank)
            assert had - ledger.balance(usdc.address) == vault.cost_of(minted) + crank <= amount.raw
        assert vault_of(ledger.observe(ADAPTER, market)).issued > 0


def test_a_whole_exit_takes_from_every_reserve_that_it_needs() -> None:
    ledger, usdc, market, place = start(replace(USUAL, available_raw=0))
    state = ledger.observe(ADAPTER, market)
    ledger.set(
        {ata(ledger.me, place.share_mint): token_account(place.share_mint, ledger.me, vault_of(state).issued // 2)}
    )
    state, had = ledger.observe(ADAPTER, market), ledger.balance(usdc.address)
    calls = ADAPTER.withdraw(state, None, ledger.me)
    assert len(calls) == 1, "the first reserve has enough"
    ledger.set({ata(ledger.me, place.share_mint): token_account(place.share_mint, ledger.me, vault_of(state).issued)})
    state = ledger.observe(ADAPTER, market)
    calls = ADAPTER.withdraw(state, None, ledger.me)
    assert [call.description for call in calls] == ["withdraw everything from Vault (double)", ""]
    ledger.send(calls)
    assert 0 <= state.held.raw - (ledger.balance(usdc.address) - had) <= 2
    assert ledger.balance(place.share_mint) <= 1


@pytest.mark.parametrize("slots", [0, 30])
def test_a_reserve_without_cash_pays_what_it_has_and_the_rest_later(slots: int) -> None:
    thin = KaminoTerms(available_raw=40_000 * ONE, borrowed_raw=9 * MILLION)
    ledger, usdc, market, place = start(VaultTerms(available_raw=10_000 * ONE, ctokens=(MILLION,)), (thin,))
    state = ledger.observe(ADAPTER, market)
    ledger.set(
        {ata(ledger.me, place.share_mint): token_account(place.share_mint, ledger.me, vault_of(state).issued // 2)}
    )
    state, had = ledger.observe(ADAPTER, market), ledger.balance(usdc.address)
    assert state.liquidity.raw == 50_000 * ONE < state.held.raw
    calls = ADAPTER.withdraw(state, None, ledger.me)
    ledger.warp(slots)
    ledger.send(calls)
    assert 0 <= 50_000 * ONE - (ledger.balance(usdc.address) - had) <= 500_000
    assert ledger.observe(ADAPTER, market).held.raw >= state.held.raw - 50_000 * ONE - 5


def test_a_vault_rests_on_what_its_reserves_markets_rest_on() -> None:
    ledger, _, market, _ = start()
    state = ledger.observe(ADAPTER, market)
    vault, pools = vault_of(state), pools_of(state)
    ((pool, share),) = pools.items()
    assert pool.protocol == "kamino_lend" and pool.program == market.params["klend_program"]
    lent = sum(one.worth_sf for one in vault.reserves) >> 60
    assert share == pytest.approx(lent / (lent + vault.available_raw))
    sol = TOKEN + "sol"
    nodes = {pool.key: HeldBy(children=((sol, 3.0), (TOKEN + market.asset.address, 1.0)))}
    nodes |= {token: HeldBy(symbol="x", supply=1.0) for token in (sol, TOKEN + market.asset.address)}
    backing = backing_of(root_of(state, pools), nodes, 1, 1)
    assert {one.backing: one.share for one in backing.parts} == pytest.approx({"sol": share}), "its own asset is none"
    assert backing.idle == pytest.approx(1.0 - share) and backing.unknown == 0.0
    assert all(bare(pool.key) in one.through for one in backing.parts)


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

    assert refused(swapped(deposit, 2, theirs)) == 2001 and refused(swapped(deposit, 6, other)) == 2014
    assert refused(swapped(deposit, 6, theirs)) == 2015
    assert refused(swapped(deposit, 13, deposit.accounts[14].address)) == 7010, "reserves in another order"
    assert refused(replace(deposit, accounts=deposit.accounts[:14])) == 7009
    assert refused(replace(deposit, data=deposit.data[:8] + bytes(8))) == 7000
    assert refused(replace(deposit, data=deposit.data[:8] + (1).to_bytes(8, "little"))) == 7038
    ledger.send((deposit,))
    state = ledger.observe(ADAPTER, market)
    (taken,) = ADAPTER.withdraw(state, usdc.parse("5"), ledger.me)
    assert refused(swapped(taken, 15, place.vault)) == 7007, "no reserve of the vault"
    assert refused(replace(taken, data=taken.data[:8] + bytes(8))) == 7040
    assert refused(replace(taken, data=taken.data[:8] + (1).to_bytes(8, "little"))) == 7004
    before = ledger.balance(usdc.address)
    ledger.send((replace(taken, data=taken.data[:8] + (state.shares + 1).to_bytes(8, "little")),))
    assert ledger.balance(place.share_mint) == 0, "one share more than we have is everything, not an error"
    assert ledger.balance(usdc.address) - before == state.held.raw
    assert ADAPTER.explain_error(place.program, 7010) == "a reserve is not the vault's"


def test_a_vault_of_more_reserves_than_fit_into_a_transaction_takes_no_money() -> None:
    for count, in_tables, status in ((10, False, Status.ACTIVE), (11, False, Status.FROZEN), (11, True, Status.ACTIVE)):
        terms = VaultTerms(available_raw=MILLION, ctokens=(MILLION // 20,) * count)
        ledger, usdc, market, place = start(terms, (RESERVE,) * count, in_tables=in_tables)
        state = ledger.observe(ADAPTER, market)
        assert state.status is status and ("too-many-reserves" in state.flags) == (status is Status.FROZEN)
        ledger.set({ata(ledger.me, place.share_mint): token_account(place.share_mint, ledger.me, 10**6)})
        calls = ADAPTER.withdraw(ledger.observe(ADAPTER, market), None, ledger.me)
        opened = create_account(ledger.me, usdc, ata(ledger.me, usdc.address), TOKEN_PROGRAM)
        closed = close_account(ledger.me, ata(ledger.me, place.share_mint), TOKEN_PROGRAM, "close")
        message = compiled((*budget(Bid(1, 1)), opened, *calls, closed), ledger.me, NO_BLOCKHASH)
        size = len(message_bytes(message)) + SIGNATURE_BYTES
        assert (size <= LARGEST_TRANSACTION_BYTES) == (count == 10), size
        if count == 10:  # the lending program's double takes twenty accounts
            ledger.send(calls)
            assert ledger.balance(place.share_mint) == 0


def test_what_a_vault_says_of_itself() -> None:
    for terms, status, flags in (
        (USUAL, Status.ACTIVE, ()),
        (replace(USUAL, penalty_bps=10), Status.FROZEN, ("exit-fee",)),
    ):
        ledger, _, market, place = start(terms)
        state = ledger.observe(ADAPTER, market)
        assert (state.status, state.flags) == (status, flags) and state.entry_cost_bps == terms.penalty_bps
        assert len(state.pools) == 3, "the vault itself, and each reserve whose borrowers it shares"
    cash = ledger.get(place.cash)
    assert cash is not None
    ledger.set({place.cash: token_account(market.asset.address, named("x"), 1)})
    (doubt,) = ledger.observe(ADAPTER, market).doubts
    assert "it counts 100,000 USDC of cash, its account holds 0.000001 USDC" in doubt
    ledger.set({place.cash: cash})
    vault = ledger.get(place.vault)
    assert vault is not None
    ledger.set({place.vault: replace(vault, data=vault.data[:312] + bytes(2160) + vault.data[2472:])})
    with pytest.raises(MarketError, match="other reserves than when it was listed"):
        ledger.observe(ADAPTER, market)
