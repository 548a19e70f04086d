"""Money that the journal knows of and no job looks after any more: the wallet, chain or asset was taken out of the
configuration while a market still held something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.formatting import when
from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.findings import Finding
from yieldbot.errors import YieldbotError
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import Settings

REMEDY = "put the job back into yieldbot.toml to look after it again, or take it out by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedHolding:
    """A holding in a market as the last run recorded it, which no job looks after now."""

    chain: ChainId
    """Its chain."""
    chain_name: str
    """The chain's name; its id where it is not configured any more."""
    owner: Address
    """The account that holds it."""
    market_id: MarketId
    """The market."""
    name: str
    """The market's name when it was recorded."""
    held: Amount | None
    """What it held; None: its token is not configured any more."""
    at: int
    """Unix seconds of the chain at which it was recorded."""

    @property
    def line(self) -> str:
        """It in one line."""
        held = "some of an unknown token" if self.held is None else str(self.held)
        where = f"in {self.name} of {self.owner} on {self.chain_name}"
        return one_line(f"no job looks after {held} {where}, last observed {when(self.at)}")


def removed(context: Context) -> tuple[RemovedHolding, ...]:
    """Each such holding, by account and market; none where there is no journal. Raises InvariantError and
    TransientError as the journal does."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return ()
    with Journal.read(file) as journal:
        newest = [record.entry for record in journal.newest_looks()]
    return tuple(
        found
        for entry in newest
        if isinstance(entry, Observed) and entry.paper is None
        for found in _of(entry, context.settings)
    )


def check_removed(context: Context) -> list[Finding]:
    """A warning for each of them."""
    try:
        found = removed(context)
    except YieldbotError:  # reported with the journal
        return []
    return [Finding(f"account {one.owner} on {one.chain_name}", one.line, REMEDY, warns=True) for one in found]


def _of(entry: Observed, settings: Settings) -> list[RemovedHolding]:
    """What an observation says of holdings that no job looks after."""
    jobs = (job for job in settings.jobs if (job.chain.chain, job.wallet.address) == (entry.chain, entry.owner))
    ours = {token.address for job in jobs for token in job.assets}
    if not entry.holdings or entry.asset in ours or (entry.asset is None and ours):
        return []
    chain = next((one for one in settings.chains.values() if one.chain == entry.chain), None)
    tokens = {} if chain is None else {token.address: token for token in chain.tokens.values()}
    token = None if entry.asset is None else tokens.get(entry.asset)
    return [
        RemovedHolding(
            chain=entry.chain,
            chain_name=str(entry.chain) if chain is None else chain.name,
            owner=entry.owner,
            market_id=market_id,
            name=holding.name or market_id,
            held=None if token is None else Amount(token, holding.held_raw),
            at=entry.block.timestamp,
        )
        for market_id, holding in entry.holdings.items()
        if holding.held_raw > 0
    ]
