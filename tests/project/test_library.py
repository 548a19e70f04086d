"""The package's public face: its names, where docs/library.md tells them, and what importing it costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import yieldbot
from tests.kit import ROOT

PAGE = (ROOT / "docs/library.md").read_text()


def test_the_public_names_are_those_of_the_page() -> None:
    told = {name for row in re.findall(r"^\| (`.+?) \|", PAGE, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert told == set(yieldbot.__all__)
    assert sorted(yieldbot.__all__) == sorted({*yieldbot._FROM, "__version__"})
    for name in yieldbot.__all__:
        assert getattr(yieldbot, name) is not None and name in dir(yieldbot)
    assert not hasattr(yieldbot, "sign")
    assert (ROOT / "yieldbot/py.typed").is_file()


def test_what_type_checkers_see_is_what_is_there() -> None:
    tree = ast.parse((ROOT / "yieldbot/__init__.py").read_text())
    (seen,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in seen.body if isinstance(node, ast.ImportFrom)]
    assert {a.asname: str(node.module) for node in imports for a in node.names} == {
        name: f"yieldbot.{module}" for name, module in yieldbot._FROM.items()
    }


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, yieldbot; print([name for name in sys.modules if name.startswith('yieldbot.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
