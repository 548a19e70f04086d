"""The lines of docs/library.md, as they stand there, on a sandbox after a run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re

from tests.kit import ROOT
from tests.kit.program import yieldbot as program
from yieldbot import Decision, Hold, Snapshot
from yieldbot.sandbox.evm.node import Sandbox

PAGE = ROOT / "docs/library.md"


def test_the_pages_lines_do_what_they_say(sandbox: Sandbox) -> None:
    before = program("--json", "plan", cwd=sandbox.directory).document["jobs"][0]["plan"]
    done = program("--json", "run", "--approve", "auto", cwd=sandbox.directory)
    assert done.code == 0, done.err
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names: dict[str, object] = {"path": sandbox.directory / "yieldbot.toml", "print": lambda *said: None}
    code = compile(lines, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ended = eval(code, names)
    assert inspect.iscoroutine(ended)
    asyncio.run(ended)
    snapshot, decision = names["snapshot"], names["decision"]
    assert isinstance(snapshot, Snapshot) and isinstance(decision, Decision)
    held = {state.market.id: str(state.held.raw) for state in snapshot.states.values() if state.held.raw}
    assert held.keys() == {row["id"] for row in done.document["jobs"][0]["holdings"] if row["held"]["raw"] != "0"}
    assert before["action"] == "move" and isinstance(decision.outcome, Hold)
