"""The documents of ``secret``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from yieldbot.app.document import Document, Part


class StoredSecret(Part):
    """A secret of the encrypted file, without its value."""

    name: str = Field(description="the variable")
    changed_at: int = Field(description="when it was set, in unix seconds")
    hidden_by: Literal["environment", ".env", "[secrets]"] | None = Field(
        description="what gives the same variable and comes first, so that this value is not used; null: it is used"
    )


class SecretsDocument(Document):
    """The encrypted file of secrets."""

    SCHEMA: ClassVar[str] = "secrets"

    file: str = Field(description="the file")
    secrets: tuple[StoredSecret, ...] = Field(description="its secrets, without their values")
