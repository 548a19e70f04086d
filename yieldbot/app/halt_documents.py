"""The documents of ``halt`` and ``resume``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class HaltDocument(Document):
    """The halt in force."""

    SCHEMA: ClassVar[str] = "halt"

    halted: bool = Field(description="always true: nothing is signed or sent until `yieldbot resume`")
    reason: str | None = Field(description="why and since when, as given by whoever halted first")
    file: str = Field(description="the halt is in force while this file exists")


class StoppedAccount(Part):
    """A stopped account."""

    chain_id: str = Field(description="the chain's identifier, as `eip155:8453`")
    owner: str = Field(description="the account's address")
    reason: str = Field(description="why it was stopped")
    cleared: bool = Field(description="whether it may sign again from now on")


class ResumeDocument(Document):
    """What was lifted, and what is still in force."""

    SCHEMA: ClassVar[str] = "resume"

    lifted: bool = Field(description="whether a halt was in force")
    stopped: tuple[StoppedAccount, ...] = Field(description="accounts that were stopped")
