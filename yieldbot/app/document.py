"""Documents: the typed results of use cases, whose JSON is the same in every interface (docs/decisions, 0003)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, computed_field, model_validator

SCHEMAS: dict[str, type[Document]] = {}
"""Every document class by its schema name, once its module is imported."""


class Part(BaseModel):
    """A part of a document. The JSON has its fields in the order of declaration. Its check is built at first use: most
    documents of a module are not made by the command that loads it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="null", serialize_by_alias=True, defer_build=True
    )


class Document(Part):
    """A whole document."""

    SCHEMA: ClassVar[str]
    """Its name, as ``markets``."""
    VERSION: ClassVar[int] = 1
    """Increases when a field changes its meaning, not when one is added. One that is to go is marked first
    (``app/deprecation.py``)."""

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
        """The JSON Schema, whose first field is ``schema``."""
        found: dict[str, Any] = handler.resolve_ref_schema(handler(core))
        name = {"type": "string", "const": cls.schema_name(), "description": "the document's schema"}
        rest = {field: form for field, form in found.get("properties", {}).items() if field != "schema"}
        found["properties"] = {"schema": name} | rest
        found["required"] = ["schema", *(field for field in found.get("required", []) if field != "schema")]
        return found

    @computed_field(alias="schema", description="the document's schema")  # type: ignore[prop-decorator]
    @property
    def of_schema(self) -> str:
        """The value of ``schema``, in every JSON form of it."""
        return self.schema_name()

    @model_validator(mode="before")
    @classmethod
    def _of_this_schema(cls, given: Any) -> Any:
        """Drops ``schema`` from a document's JSON before validation. Raises ValueError if it names another schema."""
        if not isinstance(given, dict) or "schema" not in given:
            return given
        if given["schema"] != cls.schema_name():
            raise ValueError(f"it is no {cls.schema_name()}")
        return {name: value for name, value in given.items() if name != "schema"}

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` writes: the schema's name, then the fields."""
        return {"schema": self.schema_name()} | self.model_dump(mode="json")
