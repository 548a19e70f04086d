"""The snippets of docs/mcp.md have the form that assistants read, and name what our command line and server take."""

from __future__ import annotations

import ast
import json
import re
from typing import Any
from urllib.parse import urlsplit

from mcp import StdioServerParameters

from tests.docs.pages import ROOT
from yieldbot.cli.main import parser

PAGE = (ROOT / "docs" / "mcp.md").read_text()
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(language: str) -> list[str]:
    return [text for name, text in _FENCE.findall(PAGE) if name == language]


def starts_ours(started: dict[str, Any]) -> None:
    """A process that the SDK's own form of parameters takes, and our command line understands."""
    assert set(started) <= set(StdioServerParameters.model_fields)
    found = StdioServerParameters.model_validate(started, strict=True)
    assert found.command == "yieldbot"
    assert parser(found.args).parse_args(found.args).command == "mcp"


def test_claude_desktop_and_cursor_start_ours_or_ask_our_server() -> None:
    entries = [json.loads(text) for text in snippets("json")]
    assert len(entries) == 2
    for entry in entries:
        assert list(entry) == ["mcpServers"] and list(entry["mcpServers"]) == ["yieldbot"]
    started, asked = (entry["mcpServers"]["yieldbot"] for entry in entries)
    starts_ours(started)
    assert set(asked) == {"url", "headers"} and asked["headers"]["Authorization"].startswith("Bearer yb_")
    served = parser(["serve"]).parse_args(["serve"])
    url = urlsplit(asked["url"])
    assert (url.hostname, url.port, url.path) == (served.host or "127.0.0.1", served.port or 8377, "/mcp/")


def test_an_openai_agent_starts_ours() -> None:
    """Its SDK is no dependency of ours: what is checked is that the snippet is Python, and that the parameters are
    those of the protocol's SDK, to which that one hands them."""
    (text,) = snippets("python")
    tree = ast.parse(text)
    (imported,) = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    assert (imported.module, [one.name for one in imported.names]) == ("agents.mcp", ["MCPServerStdio"])
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    given = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    assert set(given) == {"params", "client_session_timeout_seconds"} and given["client_session_timeout_seconds"] >= 60
    starts_ours(given["params"])
