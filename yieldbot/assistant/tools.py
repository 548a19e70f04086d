"""The tools as a model is given them: from the methods of ``app/desk.py``, with input that pydantic checks strictly."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from yieldbot.app.admission import Caller, Scope
from yieldbot.app.desk import ASKING_CHAINS, READING, SCOPES, Desk
from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.assistant.proposing import Proposer
    from yieldbot.assistant.searching import Searcher

LONGEST_RESULT = 40_000
"""Most characters of a tool's document; longer lists in it are cut, and it says so."""
FEWEST_ROWS = 3


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str
    """Its name."""
    scope: Scope
    """What the caller must be allowed to."""
    description: str
    """What it gives."""
    form: type[BaseModel]
    """What it takes."""
    work: Callable[..., Awaitable[Any]]
    """Does it."""


@dataclass(frozen=True, slots=True)
class Used:
    """What the use of a tool gave."""

    document: Any
    """The document as JSON values; None: it failed."""
    error: str = ""
    """Why it failed, in one line; empty: it did not."""


MOST_STRICT, MOST_OPTIONAL, MOST_UNIONS = 20, 24, 16
"""What the service takes in one request: tools whose input it forces into their schema, optional fields of them in all,
and fields of several types (structured outputs, schema complexity limits; seen 2026-11). The grammar that it makes of
them has a limit too, which is not published and was met with seven such tools: so only the tools that propose are
strict. The input of every tool is checked here, whatever the service does."""
PROPOSING = ("propose_plan", "propose_exit", "propose_alert", "propose_setting")


def tools_of(desk: Desk, proposer: Proposer, searcher: Searcher) -> tuple[Tool, ...]:
    """The tools for one question, in a fixed order."""
    reads = [tool(getattr(desk, name), SCOPES.get(name, Scope.READ)) for name in (*READING, *ASKING_CHAINS)]
    return (
        *reads,
        tool(searcher.search, Scope.READ),
        *(tool(getattr(proposer, name), Scope.PLAN) for name in PROPOSING),
    )


def tool(work: Callable[..., Awaitable[Any]], scope: Scope) -> Tool:
    """A method as a tool: its parameters become the input, its docstring the description."""
    form = _form(getattr(work, "__func__", work))
    return Tool(work.__name__, scope, " ".join((work.__doc__ or "").split()), form, work)


@cache
def _form(function: Callable[..., Any]) -> type[BaseModel]:
    """The input of a method; ``self`` is no part of it."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if one.default is inspect.Parameter.empty else one.default)
        for name, one in inspect.signature(function).parameters.items()
        if name != "self"
    }
    config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    return create_model(f"{function.__name__}_input", __config__=config, **fields)


@cache
def _schema(form: type[BaseModel]) -> dict[str, Any]:
    """The input as the Messages API takes it."""
    from anthropic import transform_schema

    return transform_schema(form)


class Toolbox:
    """The tools that one caller may use."""

    def __init__(self, tools: tuple[Tool, ...], caller: Caller) -> None:
        self._tools = {one.name: one for one in tools if one.scope in caller.scopes}

    def schemas(self) -> list[dict[str, Any]]:
        """The tools as the Messages API takes them; all of them are kept by its cache."""
        found: list[dict[str, Any]] = [
            {
                "name": one.name,
                "description": one.description,
                "input_schema": _schema(one.form),
                **({"strict": True} if one.name in PROPOSING else {}),
            }
            for one in self._tools.values()
        ]
        if found:
            found[-1]["cache_control"] = {"type": "ephemeral"}
        return found

    def known(self, name: str) -> str:
        """The name as it may be shown: of a tool that does not exist only that."""
        return name if name in self._tools else "a tool that does not exist"

    def plans(self, name: str) -> bool:
        """Whether a tool takes the scope ``plan``."""
        return name in self._tools and self._tools[name].scope is Scope.PLAN

    async def use(self, name: str, given: object) -> Used:
        """Use a tool. Whatever a model gives, this does not raise for it."""
        one = self._tools.get(name)
        if one is None:
            return Used(None, f"there is no tool {name[:60]}: the tools are {', '.join(self._tools)}")
        try:
            checked = one.form.model_validate_json(json.dumps(given), strict=True)
        except ValidationError as wrong:
            return Used(None, _wrong(wrong))
        except (ValueError, TypeError, RecursionError):
            return Used(None, "the input is no JSON object")
        values = {field: getattr(checked, field) for field in one.form.model_fields}
        try:
            found = await one.work(**values)
        except YieldbotError as failure:
            return Used(None, str(failure))
        return Used(fitted(found.model_dump(mode="json") if isinstance(found, BaseModel) else found))


def fitted(document: Any, most: int = LONGEST_RESULT) -> Any:
    """A document that is not longer than ``most`` characters as JSON: its lists are cut, each with a last line."""
    rows = 200
    while len(json.dumps(document)) > most and rows >= FEWEST_ROWS:
        document = _cut(document, rows)
        rows //= 2
    if len(json.dumps(document)) > most:
        return {"left_out": "the document is too long: ask for less"}
    return document


def _cut(value: Any, rows: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(part, rows) for name, part in value.items()}
    if isinstance(value, list):
        kept = [_cut(one, rows) for one in value[:rows]]
        return kept if len(kept) == len(value) else [*kept, "more rows are left out here: ask for less"]
    return value


def _wrong(wrong: ValidationError) -> str:
    faults = [f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in wrong.errors()[:3]]
    return "wrong input: " + "; ".join(faults)[:300]
