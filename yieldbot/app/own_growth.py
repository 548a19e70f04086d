"""Adds to a snapshot what its staked tokens earn by themselves where only memory knows what they were worth before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from yieldbot.app.memory import FOLDER
from yieldbot.chains.growths import believed
from yieldbot.errors import MarketError
from yieldbot.history import worths
from yieldbot.model.market import Snapshot
from yieldbot.model.text import one_line


def with_growth(snapshot: Snapshot, data_dir: Path, say: Callable[[str], None]) -> Snapshot:
    """The snapshot with growth by memory for each token whose worth was read and whose growth was not. A growth that
    cannot be true is left out, and memory that cannot be read is one line by ``say``."""
    lacking = [token for token in snapshot.worths if token not in snapshot.growth]
    if not lacking:
        return snapshot
    try:
        known = worths.growth(worths.remembered(data_dir / FOLDER), snapshot)
    except Exception as failure:  # a fault of memory must not stop a run
        say(f"what staked tokens earn is not known ({one_line(str(failure), 300)})")
        return snapshot
    found = dict(snapshot.growth)
    for token in lacking:
        if token.address in known:
            try:
                found[token] = believed(known[token.address], f"{token.symbol} by memory")
            except MarketError as wrong:
                say(str(wrong))
    return replace(snapshot, growth=found)
