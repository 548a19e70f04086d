"""How much of each reward token may be sold: what our claims brought, less what our swaps have sold since. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.journal.fold import Record, fold_transactions
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.tx import Confirmed


def unsold(records: Sequence[Record], chain: ChainId, owner: Address) -> dict[Token, int]:
    """Base units by token that one account may sell, by the journal. Tokens in the wallet that none of our claims
    brought are left out: the owner may hold them for other reasons."""
    found: dict[Token, int] = {}
    for tx in fold_transactions(records).values():
        kind = tx.signed.market_id.partition("/")[0]
        if (tx.signed.chain, tx.signed.owner) != (chain, owner) or not isinstance(tx.outcome, Confirmed):
            continue
        for delta in tx.outcome.deltas:
            brought, sold = kind == "claim" and delta.raw > 0, kind == "swap" and delta.token in found and delta.raw < 0
            if brought or sold:
                found[delta.token] = max(0, found.get(delta.token, 0) + delta.raw)
    return {token: raw for token, raw in found.items() if raw}
