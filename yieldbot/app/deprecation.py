"""What will go: routes, parameters and fields that are marked in a release before they are removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

from pydantic import BaseModel, Field

from yieldbot.model.dataclass import dataclass

LEAST_DAYS = 180
"""How long old and new both work, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecated:
    """What is said of something that will go."""

    since: datetime
    """Since when it is deprecated."""
    until: datetime
    """When it goes, at the earliest."""
    instead: str
    """What takes its place, in one line."""

    def __post_init__(self) -> None:
        if (self.until - self.since).days < LEAST_DAYS:
            raise ValueError(f"what is deprecated lives for at least {LEAST_DAYS} days")

    def words(self) -> str:
        """A sentence for descriptions."""
        return f"Deprecated since {self.since:%Y-%m-%d}; goes on {self.until:%Y-%m-%d} or later: {self.instead}"

    def mark(self) -> dict[str, Any]:
        """What OpenAPI and JSON Schema have beside the description; ``x-sunset`` is a day (UTC)."""
        return {"deprecated": True, "x-sunset": f"{self.until:%Y-%m-%d}"}


def dated(*, since: str, until: str, instead: str) -> Deprecated:
    """since, until: days (UTC) as 2027-01-31. Raises ValueError."""
    first, last = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (since, until))
    return Deprecated(since=first, until=last, instead=instead)


def going(description: str, said: Deprecated, **more: Any) -> Any:
    """A document's or body's field that will go: a pydantic ``Field`` whose description and schema say so. more: as
    ``Field`` takes it."""
    field = Field(description=f"{description}. {said.words()}", json_schema_extra=said.mark(), **more)
    field.metadata.append(said)
    return field


def used(form: Any, value: Any) -> Iterator[Deprecated]:
    """What is said of those fields of a body that will go and that a value, as JSON, has."""
    if not (isinstance(form, type) and issubclass(form, BaseModel)):
        for part in get_args(form):
            yield from used(part, value)
    elif isinstance(value, list | tuple):
        for row in value:
            yield from used(form, row)
    elif isinstance(value, dict):
        for name, field in form.model_fields.items():
            given = field.alias or name
            if given in value:
                yield from (one for one in field.metadata if isinstance(one, Deprecated))
                yield from used(field.annotation, value[given])
