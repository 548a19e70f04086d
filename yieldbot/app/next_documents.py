"""The document of ``yieldbot`` without a command."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class NextStep(Part):
    """One thing to do."""

    command: str = Field(description="the command to type, or the file to edit")
    why: str = Field(description="what it does, or why it is due")


class NextDocument(Document):
    """What to do next in this folder."""

    SCHEMA: ClassVar[str] = "next"

    config: str = Field(description="the configuration's file, whether it is there or not")
    state: str = Field(description="how far this folder is, in one line")
    steps: tuple[NextStep, ...] = Field(description="what to do next, the first thing first")
