"""marginfi's double in LiteSVM, with one bank."""

from __future__ import annotations

import json

from tests.kit.solana_bench import CHAIN, NOW, Ledger
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.market import Market
from yieldbot.protocols.solana.marginfi import ADAPTER
from yieldbot.resources import folder
from yieldbot.sandbox.solana.protocols.marginfi import MarginfiTerms, marginfi_bank, marginfi_group

USUAL = MarginfiTerms(available_raw=2_000_000 * 10**6, borrowed_raw=8_000_000 * 10**6)


def start(
    terms: MarginfiTerms = USUAL, mine: int = 5_000_000 * 10**6, *, fees: bool = False, paused_at: int | None = None
) -> tuple[Ledger, Token, Market]:
    ledger = Ledger()
    usdc = ledger.token("USDC", 6, mine)
    group, images = marginfi_group(program_fees=fees, paused_at=paused_at)
    ledger.set(images)
    bank, more = marginfi_bank(group, usdc.address, 6, NOW, terms)
    ledger.set(more)
    params = {"program": group.program, "banks": [bank]}
    (market,) = ledger.run(ADAPTER.discover(Deployment("marginfi", CHAIN, "marginfi (double)", params, (usdc,))))
    return ledger, usdc, market


FIELDS = json.loads((folder("abis") / "marginfi.json").read_text())["accounts"]["Bank"]["fields"]


def limited(held: str = "50000") -> tuple[Ledger, Token, Market]:
    ledger, usdc, market = start()
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), usdc.parse(held), ledger.me))
    return ledger, usdc, market
