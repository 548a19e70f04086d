"""Kamino Lend's double in LiteSVM, with one reserve."""

from __future__ import annotations

from tests.kit.solana_bench import CHAIN, SLOT, Ledger
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.market import Market
from yieldbot.protocols.solana.kamino_lend import ADAPTER
from yieldbot.sandbox.solana.protocols.kamino_lend import KaminoTerms, kamino_market, kamino_reserve

USUAL = KaminoTerms(available_raw=2_000_000 * 10**6, borrowed_raw=8_000_000 * 10**6)

REFERRAL_BPS = 2_000


def start(
    terms: KaminoTerms = USUAL, mine: int = 5_000_000 * 10**6, *, emergency: bool = False
) -> tuple[Ledger, Token, Market]:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, mine)
    lending, images = kamino_market(emergency=emergency, referral_bps=REFERRAL_BPS)
    ledger.set(images)
    reserve, more = kamino_reserve(lending, usdc.address, 6, SLOT, terms)
    ledger.set(more)
    params = {"program": lending.program, "reserves": [reserve]}
    (market,) = ledger.run(ADAPTER.discover(Deployment("kamino_lend", CHAIN, "Kamino (double)", params, (usdc,))))
    return ledger, usdc, market
