"""Finds changes in an OpenAPI description that break clients written for an older one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from typing import Any


def breaks(old: dict[str, Any], new: dict[str, Any], today: date | None = None) -> list[str]:
    """A line for each breaking change: a removed route, answer or field, a changed type, a new required parameter.
    old: the released description; what it marks as deprecated may be missing from its day on (``x-sunset``). today:
    None: this day."""
    left = _without_what_has_gone(old, new, (today or date.today()).isoformat())
    return [*_paths(left["paths"], new["paths"]), *_schemas(left, new)]


def _without_what_has_gone(old: dict[str, Any], new: dict[str, Any], today: str) -> dict[str, Any]:
    """The old description without what it said would go by today and has gone, and without the schemas of that
    alone."""
    left = copy.deepcopy(old)

    def over(part: dict[str, Any]) -> bool:
        return part.get("deprecated") is True and str(part.get("x-sunset", "9999")) <= today

    for path, methods in old["paths"].items():
        after = new["paths"].get(path, {})
        for method, route in methods.items():
            if method not in after and over(route):
                del left["paths"][path][method]
                continue
            stay = {one["name"] for one in after.get(method, {}).get("parameters", ())}
            if "parameters" in route:
                left["paths"][path][method]["parameters"] = [
                    one for one in route["parameters"] if one["name"] in stay or not over(one)
                ]
        if not left["paths"][path]:
            del left["paths"][path]
    for name, schema in old["components"]["schemas"].items():
        after = new["components"]["schemas"].get(name, {}).get("properties", {})
        for field, form in schema.get("properties", {}).items():
            if field not in after and over(form):
                del left["components"]["schemas"][name]["properties"][field]
                required = left["components"]["schemas"][name].get("required", [])
                required[:] = [one for one in required if one != field]
    before, schemas, length = json.dumps(old), left["components"]["schemas"], -1
    while length != len(schemas):  # a schema that only such a schema used goes too
        length, now = len(schemas), json.dumps(left)
        for name in list(schemas):
            link = f'"#/components/schemas/{name}"'
            if name not in new["components"]["schemas"] and link in before and link not in now:
                del schemas[name]
    return left


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
    for one in before.keys() & after.keys():
        if not _takes(before[one].get("schema", {}), after[one].get("schema", {})):
            yield f"{name}: {one} takes less than before"
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
        if _form(after[name]) != _form(schema):
            yield f"{name} is of another kind"
        for field in set(schema.get("required", ())) - set(after[name].get("required", ())):
            if name not in asked:
                yield f"{name}.{field} may be missing"
        for field, form in schema.get("properties", {}).items():
            found = after[name].get("properties", {}).get(field)
            if found is None:
                yield f"{name}.{field} is gone"
            elif name in asked:
                if not _takes(form, found):
                    yield f"{name}.{field} takes less than before"
            elif _form(found) != _form(form):
                yield f"{name}.{field} is of another kind"
        if name in asked:
            for field in set(after[name].get("required", ())) - set(schema.get("required", ())):
                yield f"{name}.{field} is required"


_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_KINDS = ("type", "$ref", "anyOf", "items", "enum", "const")


def _takes(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether what was taken before is still taken: the same kind, no value less, no narrower bound, no new pattern."""
    if _form(before, ("type", "$ref", "items")) != _form(after, ("type", "$ref", "items")):
        return False
    if "enum" in after and ("enum" not in before or not set(before["enum"]) <= set(after["enum"])):
        return False
    if after.get("pattern") not in (None, before.get("pattern")):
        return False
    far = float("inf")
    if any(after.get(one, far) < before.get(one, far) for one in _UPPER):
        return False
    if any(after.get(one, -far) > before.get(one, -far) for one in _LOWER):
        return False
    old, new = before.get("anyOf", ()), after.get("anyOf", ())
    return len(old) <= len(new) and all(_takes(*pair) for pair in zip(old, new, strict=False))


def _form(schema: dict[str, Any], names: tuple[str, ...] = _KINDS) -> Any:
    """What a client relies on: types and values, and no descriptions."""
    return {name: schema[name] for name in names if name in schema}


def _asked(schema: dict[str, Any]) -> set[str]:
    """Names of the schemas of request bodies."""
    return {name for name in schema["components"]["schemas"] if name.endswith("Body")}
