"""Whatever a tool is called with, it answers with its document or with one line."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client

from tests.kit.api.served import Served
from tests.kit.draws import draws
from tests.unit.mcp.test_tools import ASSISTANT, PLAN, RUN, _server, listed
from yieldbot.app.run_documents import DryRunDocument

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("[" * 5000),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=3),
    max_leaves=8,
)


def fits(form: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema's types, mostly within its bounds."""
    if "anyOf" in form:
        return st.one_of([fits(one) for one in form["anyOf"]])
    match form.get("type"):
        case "object" if "properties" in form:
            required = set(form.get("required", ()))
            parts = {name: fits(one) for name, one in form["properties"].items()}
            return st.fixed_dictionaries(
                {name: one for name, one in parts.items() if name in required},
                optional={name: one for name, one in parts.items() if name not in required},
            )
        case "object":
            return st.dictionaries(st.text(max_size=5), ANY, max_size=3)
        case "array":
            return st.lists(fits(form.get("items", {})), max_size=3)
        case "integer":
            return st.integers(form.get("minimum", -5), form.get("maximum", 10**6))
        case "number":
            return st.floats(form.get("minimum", 0.01), form.get("maximum", 100.0))
        case "string" if "pattern" in form:
            return st.from_regex(form["pattern"], fullmatch=True)
        case "string":
            return st.text(max_size=20) | st.sampled_from(("USDC", "testnet", "base", "solana", "0x", "{}"))
        case "null":
            return st.none()
    return ANY


def test_every_tool_answers_whatever_it_is_called_with(served: Served) -> None:
    """A sample in the suite, all draws in scripts/soak."""
    rehearsed = DryRunDocument(exit_code=0, jobs=(), across_chains=()).as_json()
    served.answers = {"queue": RUN, "plan": PLAN, "rehearse": rehearsed}

    async def call(tool: str, arguments: dict[str, Any]) -> Any:
        async with Client(_server(served, ASSISTANT)) as client:
            return await client.call_tool(tool, arguments)

    def answers(name: str, form: dict[str, Any]) -> None:
        names = sorted(form.get("properties", {}))
        junk = st.dictionaries(st.sampled_from(names) if names else st.text(max_size=5), ANY, max_size=4)

        @given(arguments=fits(form) | junk)
        @settings(max_examples=draws(3, 200), deadline=None, suppress_health_check=list(HealthCheck))
        def sent(arguments: dict[str, Any]) -> None:
            found = asyncio.run(call(name, arguments))
            if found.is_error:
                (said,) = (part.text for part in found.content)
                assert "\n" not in said and said not in ("", f"Error executing tool {name}"), (name, arguments, said)
            else:
                assert found.structured_content is not None

        sent()

    for tool in asyncio.run(listed(served)):
        answers(tool.name, tool.input_schema)
