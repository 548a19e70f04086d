"""What ``halt`` and ``resume`` answer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class HaltDocument(Document):
    """The halt that stands now."""

    SCHEMA: ClassVar[str] = "halt"

    halted: bool = Field(description="always true: nothing is signed or sent until `yieldbot resume`")
    reason: str | None = Field(description="why, and since when, as whoever halted first has said it")
    file: str = Field(description="the file whose presence is the halt")


class StoppedAccount(Part):
    """An account that stopped itself."""

    chain_id: str = Field(description="the chain's identifier, as `eip155:8453`")
    owner: str = Field(description="the account's address")
    reason: str = Field(description="what it was stopped for")
    cleared: bool = Field(description="whether it may sign again from now on")


class ResumeDocument(Document):
    """What was lifted, and what still stands."""

    SCHEMA: ClassVar[str] = "resume"

    lifted: bool = Field(description="whether there was a halt")
    stopped: tuple[StoppedAccount, ...] = Field(description="accounts that had stopped themselves")
