"""What ``yieldbot lp`` says of an order: its rehearsal, how it ended, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app import documents as docs
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed

if TYPE_CHECKING:
    from yieldbot.app.documents import Doc
    from yieldbot.chains.evm.liquidity.judge import LpRehearsal
    from yieldbot.model.tx import Outcome


def rehearsal(rehearsed: LpRehearsal) -> Doc:
    """Of the document."""
    return {
        "block": docs.block(rehearsed.block),
        "gas_used": rehearsed.gas_used,
        **rehearsed.rollup.document,
        "calls": [{"words": tx.words, "to": tx.to, "gas_used": tx.gas_used} for tx in rehearsed.txs],
        "deltas": [docs.delta(change) for change in rehearsed.deltas],
    }


def outcomes(ended: list[Outcome | Declined]) -> Doc:
    """``declined`` and ``transactions`` of the document."""
    declined = next((one for one in ended if isinstance(one, Declined)), None)
    done = [docs.outcome(one) for one in ended if not isinstance(one, Declined)]
    return {"declined": docs.declined(declined), "transactions": done}


def exit_code(ended: list[Outcome | Declined]) -> int:
    """1 where a transaction did not succeed, 4 where one was refused."""
    if any(not isinstance(one, Confirmed | Declined) for one in ended):
        return 1
    return 4 if any(isinstance(one, Declined) for one in ended) else 0


def ending(row: Doc) -> str:
    """How it ended, in words."""
    done = sum(1 for one in row["transactions"] if one["result"] == "confirmed")
    bad = [f"{one['result']}: {one.get('reason') or one['hash']}" for one in row["transactions"]]
    bad = [line for line in bad if not line.startswith("confirmed")]
    refused = [f"REFUSED {row['declined']['code']}: {row['declined']['reason']}"] if row["declined"] else []
    said = f"{done} transaction{'' if done == 1 else 's'} confirmed" if row["transactions"] else ""
    return "\n".join(line for line in (said, *bad, *refused) if line)
