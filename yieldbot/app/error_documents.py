"""The document that replaces a command's own when it ends with an error."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document


class ErrorDocument(Document):
    """An error. It replaces the command's own document."""

    SCHEMA: ClassVar[str] = "error"

    command: str = Field(description="the command, as `run` or `wallet-new`; empty: none was recognised")
    kind: str = Field(
        description="the error's class, as `ConfigError`, `TransientError`, `SafetyError` or `PendingError`"
    )
    code: str | None = Field(description="the safety rule's code, as `PLAN_CLOSED`; null: it is no SafetyError")
    message: str = Field(description="what is wrong and what to do, in one line")
    exit_code: int = Field(description="the program's exit code")
