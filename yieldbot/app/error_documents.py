"""What stands in place of a use case's own document when it ends with an error."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document


class ErrorDocument(Document):
    """An error. It stands in place of the command's own document."""

    SCHEMA: ClassVar[str] = "error"

    command: str = Field(description="what was asked for, as `run` or `wallet-new`; empty: nothing that is known")
    kind: str = Field(description="as `ConfigError`, `TransientError`, `SafetyError` or `PendingError`")
    code: str | None = Field(description="of a safety rule, as `PLAN_CLOSED`; null: of other kinds")
    message: str = Field(description="what is wrong and what to do, in one line")
    exit_code: int = Field(description="the program's")
