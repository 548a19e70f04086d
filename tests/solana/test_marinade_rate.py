"""Marinade's mSOL by its state account, of which this test writes the bytes: its price in SOL, and when it is none.

docs/protocols.md says what the account's reading was held against."""

from __future__ import annotations

import pytest

from tests.kit.solana_bench import CHAIN, SLOT, Ledger
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH
from yieldbot.protocols.solana.marinade_rate import PRICE_ORACLE
from yieldbot.sandbox.solana.exchanges.marinade import marinade, state_account
from yieldbot.sandbox.solana.images import named

PROGRAM, WHERE, MINT = (marinade(name) for name in ("program", "state", "mint"))
SOL, MSOL = Token(CHAIN, WRAPPED_SOL, "SOL", 9), Token(CHAIN, MINT, "mSOL", 9)
EPOCH = SLOT // SLOTS_PER_EPOCH


def test_msol_is_worth_what_is_staked_for_it_and_its_growth_is_not_in_the_account() -> None:
    ledger = Ledger()
    ledger.set({WHERE: state_account()})
    row = Deployment("marinade", CHAIN, "Marinade", {"program": PROGRAM, "pools": [WHERE]}, ())
    (pool,) = ledger.run(PRICE_ORACLE.pools(row, [(SOL, MSOL)]))
    assert (pool.token0, pool.token1) == (MSOL, SOL)
    assert ledger.run(PRICE_ORACLE.pools(row, [(SOL, Token(CHAIN, named("else"), "else", 9))])) == ()
    said, price = ledger.run(PRICE_ORACLE.price(pool, ledger.now))
    assert said.params["says"] == "own rate" and price == pytest.approx(1.2, rel=1e-12)
    assert ledger.run(PRICE_ORACLE.growth(pool)) == (price, None)
    ledger.set({WHERE: state_account(last_stake_delta_epoch=EPOCH - 1)})
    assert ledger.run(PRICE_ORACLE.price(pool, ledger.now))[1] == price, "of the epoch before"
    for wrong, words in (
        ({"last_stake_delta_epoch": EPOCH - 2}, "not brought up to this epoch"),
        ({"msol_supply": 0}, "has no mSOL"),
        ({"circulating_ticket_balance": 10**17}, "nothing behind it"),
        ({"mint": WRAPPED_SOL}, "not brought up"),
        ({"tag": b"otheracc"}, "is no state of Marinade's"),
    ):
        ledger.set({WHERE: state_account(**wrong)})  # type: ignore[arg-type]
        with pytest.raises(MarketError, match=words):
            ledger.run(PRICE_ORACLE.price(pool, ledger.now))
