"""Documents of proposals: what an assistant proposes beside plans, and a person accepts or rejects."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from yieldbot.app.document import Document, Part


class AlertWish(Part):
    """An alert, in the words of ``yieldbot alert add``."""

    measure: str = Field(description="what is measured")
    subject: str = Field(description="a market's id, a token's symbol or a wallet's name")
    above: str | None = Field(description="the alert begins above this value; null: `below` is given")
    below: str | None = Field(description="the alert begins below this value; null: `above` is given")
    chain: str | None = Field(description="the only chain; null: every chain")


class SettingWish(Part):
    """A change of one setting of [policy]."""

    key: str = Field(description="the setting, as max_share_market")
    value: float | int | str | tuple[str, ...] = Field(description="its new value")


class ProposalRow(Part):
    """A proposal."""

    id: str = Field(description="its identifier")
    kind: Literal["exit", "alert", "setting"] = Field(description="what is proposed")
    status: Literal["waiting", "accepted", "rejected", "expired"] = Field(description="what became of it")
    by: str = Field(description="who asked the assistant, as an API key's name")
    at: int = Field(description="when it was made, in unix seconds")
    expires_at: int = Field(description="until when it can be accepted, in unix seconds")
    lines: tuple[str, ...] = Field(description="the proposal in words, made by yieldbot and not by a model")
    market_id: str | None = Field(default=None, description="of an exit: the market; null: another kind")
    wallet: str | None = Field(default=None, description="of an exit: the wallet whose money leaves; null: every one")
    chain: str | None = Field(default=None, description="of an exit: the chain's name; null: every one")
    alert: AlertWish | None = Field(default=None, description="of an alert: the alert; null: another kind")
    setting: SettingWish | None = Field(default=None, description="of a setting: the change; null: another kind")
    accounts: tuple[str, ...] | None = Field(
        default=None, description="the only accounts that whoever asked may see; null: all"
    )


class ProposalsDocument(Document):
    """All proposals, the newest first."""

    SCHEMA: ClassVar[str] = "proposals"

    proposals: tuple[ProposalRow, ...] = Field(description="the proposals")


class ProposalDocument(Document):
    """One proposal, with what a person has decided."""

    SCHEMA: ClassVar[str] = "proposal"

    proposal: ProposalRow = Field(description="the proposal")
    done: str | None = Field(description="what was done, or the command that does it; null: nothing was done")
