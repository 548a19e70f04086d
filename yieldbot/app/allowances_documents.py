"""What ``allowances`` answers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Refusal, Transaction


class AllowanceGiven(Part):
    """An allowance as it stands."""

    token: str = Field(description="the token's address")
    symbol: str = Field(description="the token's symbol")
    listed: bool = Field(description="whether chains/*.toml names the token")
    spender: str = Field(description="who may take it")
    spender_name: str | None = Field(description="what the spender is called; null: not known")
    raw: str = Field(description="how much may be taken, in base units as decimal text")
    account: str | None = Field(description="the account of ours that it is taken from (Solana); null: of EVM chains")
    right: str | None = Field(description="what else than an amount may be taken, in words; null: an amount")
    unlimited: bool = Field(description="whether the amount is as good as without limit")
    last_event: int | None = Field(description="height of the last event that named the spender; null: none was seen")
    revoked: Transaction | Refusal | None = Field(
        description="what came of taking it back, or why that could not be; null: it was not asked for"
    )


class Unread(Part):
    """A token whose allowance could not be read."""

    token: str = Field(description="the token's address")
    spender: str = Field(description="who was asked about")
    reason: str = Field(description="why it could not be read")


class AccountAllowances(Part):
    """What one account has allowed."""

    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    skipped: str | None = Field(description="why the chain was not served; null: it was")
    block: int | None = Field(description="height at which the allowances were read; null: they were not")
    since: int | None = Field(description="height from which the list is complete; null: nothing was read")
    cut: str | None = Field(description="why no events before `since` were read; null: all that was asked for was")
    allowances: tuple[AllowanceGiven, ...] = Field(description="those that stand")
    unread: tuple[Unread, ...] = Field(description="tokens whose allowance could not be read")


class AllowancesDocument(Document):
    """What our accounts have allowed to whom."""

    SCHEMA: ClassVar[str] = "allowances"

    exit_code: int = Field(description="1: an account was skipped, or not all was read, or taken back")
    accounts: tuple[AccountAllowances, ...] = Field(description="of each wallet on each chain")
