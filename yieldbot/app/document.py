"""One document, many doors: what a use case answers, as a typed value whose JSON is the same at every door."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

SCHEMAS: dict[str, type[Document]] = {}
"""Every document by its schema's name, once its module is imported."""


class Part(BaseModel):
    """A part of documents. Its fields are written in the order in which they are declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Document(Part):
    """A whole document. SCHEMA: its name, as ``markets``; its VERSION rises when a field changes meaning or
    goes, not when one is added."""

    SCHEMA: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "SCHEMA" in cls.__dict__:
            SCHEMAS[cls.schema_name()] = cls

    @classmethod
    def schema_name(cls) -> str:
        """As it stands in ``schema`` of the JSON: ``yieldbot/markets/v1``."""
        return f"yieldbot/{cls.SCHEMA}/v{cls.VERSION}"

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` writes: the schema's name, then the fields."""
        return {"schema": self.schema_name()} | self.model_dump(mode="json")
