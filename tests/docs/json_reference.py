"""Writes the reference part of docs/json.md from the documents' own fields, and docs/openapi.json from the REST
interface: ``python -m tests.docs.json_reference``.

It imports every module of yieldbot/app, so new documents are found by themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import yieldbot.app
from tests.docs.pages import ROOT
from yieldbot.api.server import application
from yieldbot.app.document import SCHEMAS, Document, Part

OPENAPI = ROOT / "docs" / "openapi.json"
PAGE = ROOT / "docs" / "json.md"
BEGIN, END = "<!-- reference: written by scripts/json-docs -->", "<!-- end of the reference -->"
PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", NoneType: "null", Any: "any"}


def documents() -> dict[str, type[Document]]:
    """Every document by its schema, in the order of their names."""
    for module in iter_modules(yieldbot.app.__path__):
        import_module(f"yieldbot.app.{module.name}")
    return dict(sorted(SCHEMAS.items()))


def text() -> str:
    """The reference."""
    found = documents()
    parts: dict[type[BaseModel], None] = {}
    lines: list[str] = []
    for schema, document in found.items():
        lines += [f"### `{schema}`", "", _said(document), ""]
        lines += _table(document, set(), parts)
        for form in _forms(document):
            lines += [_said(form), "", *_table(form, set(document.model_fields), parts)]
    lines += ["### Parts of documents", ""]
    pending, done = list(parts), list[type[BaseModel]]()
    while pending:
        done.append(part := pending.pop(0))
        _table(part, set(), parts)
        pending += [one for one in parts if one not in done and one not in pending]
    for part in sorted(done, key=_title):
        lines += [f"#### {_title(part)}", "", _said(part), "", *_table(part, set(), parts)]
    return "\n".join(lines).rstrip() + "\n"


def page(written: str) -> str:
    """The page with its reference anew."""
    head, _, rest = written.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{text()}\n{END}{tail}"


def _forms(document: type[Document]) -> Iterator[type[Document]]:
    """Documents of the same schema that have more fields."""
    for one in document.__subclasses__():
        if one.schema_name() == document.schema_name():
            deeper = list(_forms(one))
            yield from deeper or [one]


def _said(model: type[BaseModel]) -> str:
    return " ".join(str(model.__doc__).split()).replace("``", "`")


def _table(model: type[BaseModel], known: set[str], parts: dict[type[BaseModel], None]) -> list[str]:
    rows = [(field.alias or name, field) for name, field in model.model_fields.items() if name not in known]
    if not rows:
        return []
    lines = ["| Field | Type | Meaning |", "|---|---|---|"]
    for name, field in rows:
        said = " ".join(str(field.description).split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_type(field, parts)} | {said} |")
    return [*lines, ""]


def _type(field: FieldInfo, parts: dict[type[BaseModel], None]) -> str:
    return _kind(field.annotation, parts)


def _kind(kind: Any, parts: dict[type[BaseModel], None]) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(inner[0], parts)
    if origin in (Union, UnionType):
        names = list(dict.fromkeys(_kind(one, parts) for one in inner))
        names = [name for name in names if name != "integer"] if "number" in names else names
        return " or ".join([*(name for name in names if name != "null"), *(name for name in names if name == "null")])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in (tuple, list):
        return f"list of {_kind(inner[0], parts)}"
    if origin is dict:
        of = _kind(inner[1], parts)
        return f"object: {f'({of})' if of.startswith('object') else of} by name"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        parts.setdefault(kind)
        title = _title(kind)
        return f"[{title}](#{title.lower().replace(' ', '-')})"
    return PLAIN.get(kind) or next((name for base, name in PLAIN.items() if _is(kind, base)), "text")


def _is(kind: Any, base: Any) -> bool:
    return isinstance(kind, type) and isinstance(base, type) and issubclass(kind, base)


def _title(part: type[BaseModel]) -> str:
    """The part's name in words; with its module's where another part has the same one."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part.__name__).capitalize()
    same = {one for one in _every(Part) if one.__name__ == part.__name__}
    return words if len(same) == 1 else f"{words} of {part.__module__.rsplit('.', 1)[1].split('_')[0]}"


def _every(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in base.__subclasses__():
        yield one
        yield from _every(one)


def openapi() -> str:
    """The description of the REST interface, as it is committed."""
    nothing: Any = SimpleNamespace(workers=SimpleNamespace(), jobs=SimpleNamespace(ended=[]))
    return json.dumps(application(nothing).openapi(), indent=1) + "\n"


def write(file: Path = PAGE, described: Path = OPENAPI) -> None:
    file.write_text(page(file.read_text()))
    described.write_text(openapi())


if __name__ == "__main__":
    write()
