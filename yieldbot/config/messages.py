"""One-line messages for mistakes in a file: file, key, what is wrong, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from yieldbot.errors import ConfigError
from yieldbot.model.spelling import did_you_mean

_TYPES = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def config_error(file: Path, key: str, what: str) -> ConfigError:
    """The error for one key of one file. what: the mistake and the remedy."""
    place = f"{file}: {key}: {what}" if key else f"{file}: {what}"
    return ConfigError(place)


def of_validation(
    file: Path, failure: ValidationError, model: type[BaseModel], prefix: Sequence[str | int] = ()
) -> ConfigError:
    """pydantic's first error as a message, with the number of further ones."""
    errors = sorted(failure.errors(include_url=False), key=lambda e: e["type"] == "missing")  # a misspelt key is both
    first = errors[0]
    place = first["loc"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return config_error(file, key_path((*prefix, *place)), _message(first, place, model) + more)


def key_path(place: Sequence[str | int]) -> str:
    """A key's path with tables counted from 1: jobs[1].wallet is the first [[jobs]] table's wallet."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _message(error: Any, place: tuple[str | int, ...], model: type[BaseModel]) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"unknown key: {did_you_mean(str(place[-1]), _keys(model, place[:-1]))}"
        case "missing":
            return "is missing: add it"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"{error['input']!r} is not allowed: write {context['expected']}"
        case "finite_number":
            return f"{error['input']!r} is out of range: write a finite number"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{error['input']!r} is out of range: write a number {_lower(error['msg']).partition(' be ')[2]}"
        case "string_too_short" | "too_short":
            return "is empty: fill it in, or remove the key"
        case "string_pattern_mismatch":
            return f"{error['input']!r} has characters that are not allowed here: use letters, digits, _ and -"
        case _ if kind in _TYPES:
            return f"{_shown(error['input'])} is of the wrong type: write {_TYPES[kind]}"
        case _:
            return f"{_shown(error['input'])}: {_lower(error['msg'])}"


def _keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that the table at ``place`` may have."""
    for part in place:
        if isinstance(part, int):
            continue
        field = next((f for name, f in model.model_fields.items() if (f.alias or name) == part), None)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model in an annotation such as list[WalletTable]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_in(inner)) is not None:
            return found
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
