"""The document of ``check``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class Check(Part):
    """One thing that was checked."""

    what: str = Field(description="what was checked")
    ok: bool = Field(description="whether it is as it should be")
    warning: bool = Field(
        description="whether a run could begin, but would have nothing to do, or could not pay its fees"
    )
    said: str = Field(description="what was found")
    remedy: str | None = Field(description="what to do about it; null: nothing")


class CheckDocument(Document):
    """Whether a run has everything that it needs."""

    SCHEMA: ClassVar[str] = "check"

    ok: bool = Field(description="whether all is well")
    exit_code: int = Field(
        description="0: all is well; 1: something cannot be reached now; 2: something is configured wrongly (2 wins)"
    )
    verdict: str = Field(description="the whole in one line")
    checks: tuple[Check, ...] = Field(description="everything that was checked")
