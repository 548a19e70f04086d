"""How much of the proceeds of ordered exits is still to be swapped: what came out, less what our swaps have sold.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yieldbot.journal.exit_entries import ExitLifted, ExitOrdered
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import TxSettled, TxSigned
from yieldbot.model.amounts import Token
from yieldbot.model.ids import is_market
from yieldbot.model.tx import Confirmed


def to_swap(records: Sequence[Record], order: ExitOrdered, token: Token, covers: Callable[[str], bool]) -> int:
    """Base units of ``token`` that came out of an order's markets since the order was given and that no swap of ours
    has sold since. ``covers``: whether the order covers the market with this id. The wallet's earlier balance is left
    out."""
    raw, stands = 0, False
    signed: dict[str, str] = {}
    for record in records:
        match record.entry:
            case ExitOrdered() as entry if _same(order, entry):
                raw, stands = raw if stands else 0, True
            case ExitLifted() as entry if _same(order, entry):
                stands = False
            case TxSigned(chain=of, owner=whose) as tx if (of, whose) == (order.chain, order.owner):
                signed[tx.hash] = tx.market_id
            case TxSettled(outcome=Confirmed() as outcome) if stands and outcome.hash in signed:
                market_id = signed[outcome.hash]
                change = sum(delta.raw for delta in outcome.deltas if delta.token == token)
                came = change > 0 and is_market(market_id) and covers(market_id)
                if came or (change < 0 and market_id.startswith("swap/")):
                    raw = max(0, raw + change)
            case _:
                pass
    return raw if stands else 0


def _same(order: ExitOrdered, entry: ExitOrdered | ExitLifted) -> bool:
    return (order.chain, order.owner, order.market_id) == (entry.chain, entry.owner, entry.market_id)
