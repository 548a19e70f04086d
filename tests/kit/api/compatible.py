"""Finds changes in an OpenAPI description that break clients written for an older one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """A line for each breaking change: a removed route, answer or field, a changed type, a new required parameter."""
    return [*_paths(old["paths"], new["paths"]), *_schemas(old, new)]


def _paths(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for path, methods in old.items():
        if path not in new:
            yield f"{path} is gone"
            continue
        for method, route in methods.items():
            if method not in new[path]:
                yield f"{method} {path} is gone"
                continue
            yield from _route(f"{method} {path}", route, new[path][method])


def _route(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before = {one["name"]: one for one in old.get("parameters", ())}
    after = {one["name"]: one for one in new.get("parameters", ())}
    for gone in before.keys() - after.keys():
        yield f"{name}: parameter {gone} is gone"
    for one, said in after.items():
        if said.get("required") and not before.get(one, {}).get("required"):
            yield f"{name}: {one} is required"
    for status, answer in old["responses"].items():
        if not status.startswith("2"):
            continue
        if status not in new["responses"]:
            yield f"{name}: {status} is gone"
        elif _kinds(answer) != _kinds(new["responses"][status]):
            yield f"{name}: {status} answers something else"
    if not old.get("requestBody", {}).get("required") and new.get("requestBody", {}).get("required"):
        yield f"{name}: a body is required"


def _kinds(answer: dict[str, Any]) -> dict[str, Any]:
    return {media: said.get("schema", {}).get("$ref") for media, said in answer.get("content", {}).items()}


def _schemas(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    asked = _asked(new)
    after = new["components"]["schemas"]
    for name, schema in old["components"]["schemas"].items():
        if name not in after:
            yield f"{name} is gone"
            continue
        for field, form in schema.get("properties", {}).items():
            found = after[name].get("properties", {}).get(field)
            if found is None:
                yield f"{name}.{field} is gone"
            elif _form(found) != _form(form):
                yield f"{name}.{field} is of another kind"
        if name in asked:
            for field in set(after[name].get("required", ())) - set(schema.get("required", ())):
                yield f"{name}.{field} is required"


def _form(schema: dict[str, Any]) -> Any:
    """The part of a schema that clients rely on: types, without descriptions."""
    return {name: schema[name] for name in ("type", "$ref", "anyOf", "items", "enum", "const") if name in schema}


def _asked(schema: dict[str, Any]) -> set[str]:
    """Names of the schemas of request bodies."""
    return {name for name in schema["components"]["schemas"] if name.endswith("Body")}
