"""What the last look at the contracts of one market found, as it is stored: no chain is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.app import looks
from yieldbot.app.document import Document
from yieldbot.app.watch import contract_part
from yieldbot.app.watch_documents import WatchedContract, WatchedHolders
from yieldbot.model.ids import MarketId

if TYPE_CHECKING:
    from yieldbot.app.context import Context


class StoredLookDocument(Document):
    """The last look at the contracts that one market depends on."""

    SCHEMA: ClassVar[str] = "watched-market"

    market_id: str = Field(description="the market's id")
    at: int = Field(description="when it was looked at, in unix seconds")
    contracts: tuple[WatchedContract, ...] = Field(
        description="the contracts that it depends on, the one with the money first"
    )
    holders: WatchedHolders | None = Field(description="the depositors; null: events have named none yet")


def watched(market_id: str, chain_id: str, context: Context) -> StoredLookDocument | None:
    """The last look of any job at a market; None: there was none. Raises ConfigError for a stored look that cannot be
    read."""
    for job in context.settings.jobs:
        if job.chain.chain != chain_id:
            continue
        memory = looks.load(looks.file_of(context.settings.data_dir, job))
        controls = memory.last.get(MarketId(market_id)) if memory is not None else None
        if memory is None or controls is None:
            continue
        return StoredLookDocument(
            market_id=market_id,
            at=controls.time,
            contracts=tuple(contract_part(one) for one in controls.contracts),
            holders=WatchedHolders.of(memory.holders.get(MarketId(market_id))),
        )
    return None
