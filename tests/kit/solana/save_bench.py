"""Save's double in LiteSVM, with one reserve."""

from __future__ import annotations

from tests.kit.solana_bench import CHAIN, SLOT, Ledger
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.market import Market
from yieldbot.protocols.solana.save import ADAPTER
from yieldbot.sandbox.solana.protocols.save import MarketLimit, SaveTerms, save_market, save_reserve

FEES = 1_000 * 10**6
USUAL = SaveTerms(available_raw=2_000_000 * 10**6, borrowed_raw=8_000_000 * 10**6 + FEES, fees_raw=FEES)


def start(
    terms: SaveTerms = USUAL, mine: int = 5_000_000 * 10**6, limit: MarketLimit | None = None
) -> tuple[Ledger, Token, Market]:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, mine)
    lending, images = save_market(limit=limit)
    ledger.set(images)
    reserve, more = save_reserve(lending, usdc.address, 6, SLOT, terms)
    ledger.set(more)
    params = {"program": lending.program, "reserves": [reserve]}
    (market,) = ledger.run(ADAPTER.discover(Deployment("save", CHAIN, "Save (double)", params, (usdc,))))
    return ledger, usdc, market
