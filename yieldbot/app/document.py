"""Documents: the typed results of use cases, whose JSON is the same at every door (docs/decisions, 0003)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

SCHEMAS: dict[str, type[Document]] = {}
"""Every document class by its schema name, once its module is imported."""


class Part(BaseModel):
    """A part of a document. The JSON has its fields in the order of declaration."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Document(Part):
    """A whole document."""

    SCHEMA: ClassVar[str]
    """Its name, as ``markets``."""
    VERSION: ClassVar[int] = 1
    """Increases when a field changes its meaning or is removed, not when one is added."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "SCHEMA" in cls.__dict__:
            SCHEMAS[cls.schema_name()] = cls

    @classmethod
    def schema_name(cls) -> str:
        """The value of ``schema`` in the JSON, as ``yieldbot/markets/v1``."""
        return f"yieldbot/{cls.SCHEMA}/v{cls.VERSION}"

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        """The JSON Schema, with the ``schema`` that ``as_json`` puts before the fields."""
        found: dict[str, Any] = handler.resolve_ref_schema(handler(core))
        name = {"type": "string", "const": cls.schema_name(), "description": "the document's schema"}
        found["properties"] = {"schema": name} | found.get("properties", {})
        found["required"] = ["schema", *found.get("required", [])]
        return found

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` writes: the schema's name, then the fields."""
        return {"schema": self.schema_name()} | self.model_dump(mode="json")
