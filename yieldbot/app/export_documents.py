"""The document of ``export``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money


class ExportTotals(Part):
    """Sums of the rows, as decimal text."""

    base: str = Field(description="the currency of the sums")
    income: str = Field(description="income earned")
    gains: str = Field(description="realised gains of disposals, by first in, first out")
    fees: str = Field(description="transaction fees paid")
    unknown: int = Field(
        description="number of amounts that are missing from the sums because their price or cost is unknown"
    )


class BalanceCheck(Part):
    """A token's balance by the entries, compared with the chain's."""

    token: str = Field(description="the token's address")
    symbol: str = Field(description="the token's symbol")
    books_raw: str = Field(description="the balance by the entries, in base units, as decimal text")
    chain_raw: str = Field(description="the balance on chain, in base units, as decimal text")
    known: bool = Field(description="whether the balance before the first entry was read")
    explained: bool = Field(description="whether the entries explain the balance on chain")
    difference: Money = Field(description="the balance on chain less that by the entries")


class ExportedAccount(Part):
    """One exported account."""

    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    skipped: str | None = Field(description="why its chain could not be served; null: it was served, or not asked")
    block: int | None = Field(description="the block up to which the chain was read; null: it was not asked")
    since: int | None = Field(description="the block from which entries are complete; null: not known")
    checks: tuple[BalanceCheck, ...] = Field(description="each token's balance by the entries and on chain")


class ExportDocument(Document):
    """All transactions of our accounts with their values."""

    SCHEMA: ClassVar[str] = "export"

    exit_code: int = Field(
        description="1: a chain could not be served, and its entries come from the journal alone; else 0"
    )
    format: str = Field(description="`csv`, `rotki`, `rotki-trades` or `beancount`")
    output: str | None = Field(description="the file that was written; null: none")
    content: str | None = Field(description="the export itself; null: it is in `output`")
    rows: int = Field(description="how many rows the export has")
    totals: ExportTotals = Field(description="sums of the rows")
    accounts: tuple[ExportedAccount, ...] = Field(description="the exported accounts")
    notes: tuple[str, ...] = Field(description="what to know about the export, a line each")
