"""The document of ``allowances``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Refusal, Transaction


class AllowanceGiven(Part):
    """An allowance that is not zero."""

    token: str = Field(description="the token's address")
    symbol: str = Field(description="the token's symbol")
    listed: bool = Field(description="whether chains/*.toml lists the token")
    spender: str = Field(description="the contract or account that may take the token")
    spender_name: str | None = Field(description="the spender's name; null: not known")
    raw: str = Field(description="how much may be taken, in base units as decimal text")
    account: str | None = Field(description="our token account that it is taken from (Solana); null: on EVM chains")
    right: str | None = Field(description="a right other than to an amount, in words; null: the right is to an amount")
    unlimited: bool = Field(description="whether the amount is practically unlimited")
    last_event: int | None = Field(description="height of the last event that named the spender; null: none was found")
    revoked: Transaction | Refusal | None = Field(
        description="the outcome of revoking it, or why it could not be revoked; null: revoking was not requested"
    )


class Unread(Part):
    """A token whose allowance could not be read."""

    token: str = Field(description="the token's address")
    spender: str = Field(description="the spender")
    reason: str = Field(description="why it could not be read")


class AccountAllowances(Part):
    """The allowances that one account has given."""

    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    skipped: str | None = Field(description="why the chain could not be served; null: it was served")
    block: int | None = Field(description="height at which the allowances were read; null: they were not read")
    since: int | None = Field(description="height from which the list is complete; null: nothing was read")
    cut: str | None = Field(description="why no events before `since` were read; null: all requested events were read")
    allowances: tuple[AllowanceGiven, ...] = Field(description="allowances that are not zero")
    unread: tuple[Unread, ...] = Field(description="tokens whose allowance could not be read")


class AllowancesDocument(Document):
    """The allowances that our accounts have given."""

    SCHEMA: ClassVar[str] = "allowances"

    exit_code: int = Field(description="1: an account was skipped, or something could not be read or revoked; else 0")
    accounts: tuple[AccountAllowances, ...] = Field(description="one for each wallet and chain")
