"""What ``export`` answers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money


class ExportTotals(Part):
    """Sums of the rows, as decimal text."""

    base: str = Field(description="what they are counted in")
    income: str = Field(description="what was earned")
    gains: str = Field(description="what was gained by giving one thing for another, first in, first out")
    fees: str = Field(description="what was paid for transactions")
    unknown: int = Field(description="parts that are in no sum, because a price or a cost is not known")


class BalanceCheck(Part):
    """A token's balance by the entries beside the chain's own."""

    token: str = Field(description="the token's address")
    symbol: str = Field(description="the token's symbol")
    books_raw: str = Field(description="what the entries make, in base units, as decimal text")
    chain_raw: str = Field(description="what the chain says, in base units, as decimal text")
    known: bool = Field(description="whether the balance before the first entry was read")
    explained: bool = Field(description="whether the entries explain the balance")
    difference: Money = Field(description="what the chain has beyond the entries")


class ExportedAccount(Part):
    """One account of the export."""

    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    skipped: str | None = Field(description="why its chain could not be asked; null: it was, or was not to be")
    block: int | None = Field(description="up to which block the chain was asked; null: it was not")
    since: int | None = Field(description="from which block on entries are complete; null: not known")
    checks: tuple[BalanceCheck, ...] = Field(description="each token's balance, compared")


class ExportDocument(Document):
    """All our transactions with their values."""

    SCHEMA: ClassVar[str] = "export"

    exit_code: int = Field(description="1: a chain could not be asked, and the journal alone speaks for it; else 0")
    format: str = Field(description="`csv`, `rotki`, `rotki-trades` or `beancount`")
    output: str | None = Field(description="the file that it was written to; null: none")
    content: str | None = Field(description="the export itself; null: it is in a file")
    rows: int = Field(description="how many rows it has")
    totals: ExportTotals = Field(description="their sums")
    accounts: tuple[ExportedAccount, ...] = Field(description="the accounts that it is of")
    notes: tuple[str, ...] = Field(description="what one should know of it, a line each")
