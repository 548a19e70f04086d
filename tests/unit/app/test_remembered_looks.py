"""Whatever observes also remembers, but for what is named here."""

from __future__ import annotations

import re

from tests.kit import ROOT

OBSERVES = re.compile(r"\.observe\((?:records|journalled|block|world)|fetch_snapshots\((?:wanted|jobs|request)")
REMEMBERS = re.compile(r"\bkeep\(")
NOT = {"library.py", "demo.py"}
"""A function of the library writes nothing; the demo's sandbox is thrown away."""


def test_each_use_case_that_observes_keeps_what_it_read() -> None:
    found = {one.name: one.read_text(encoding="utf-8") for one in (ROOT / "yieldbot" / "app").glob("*.py")}
    observing = {name for name, text in found.items() if OBSERVES.search(text)} - NOT
    assert {"watch.py", "exit.py", "overview.py", "cycle.py", "paper.py", "observe.py", "backfill.py"} <= observing
    assert [name for name in sorted(observing) if not REMEMBERS.search(found[name])] == []
