"""What ``discover`` refuses before any chain is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.app.test_overview import Quiet, context
from yieldbot.app import discover as module
from yieldbot.app.collections import Collection
from yieldbot.app.context import Context
from yieldbot.app.discover import DiscoverRequest, _by_markets, _no_such, discover
from yieldbot.errors import ConfigError

__all__ = ["context"]
ONE, TWO = "0x" + "aB" * 20, "0x" + "cd" * 20


@pytest.mark.parametrize("curator", ["hello", "0x12", "Steakhouse", "0x" + "g" * 40])
def test_a_curator_is_named_by_its_address(curator: str) -> None:
    with pytest.raises(ConfigError, match=r"--curator .*: write the curator's address"):
        discover(DiscoverRequest(curator=curator), Context(Path("none.toml")))


def test_which_curators_there_are_is_said_where_the_wanted_one_is_none_of_them(
    context: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _no_such("", [ONE]) is None and _no_such(ONE.lower(), _by_markets(["", TWO, ONE])) is None
    assert (
        _no_such("0x12", _by_markets([ONE, TWO, "", TWO]))
        == f"no found market has the curator 0x12; they have: {TWO}, {ONE}"
    )
    assert "none has a curator" in (_no_such("0x12", _by_markets(["", ""])) or "")
    rows = tuple({"curator": one} for one in (ONE, None, TWO, TWO))
    monkeypatch.setattr(module, "found_rows", lambda settings: Collection(rows, "1", 1))
    with pytest.raises(ConfigError, match=f"found before: {TWO}, {ONE}$"):
        discover(DiscoverRequest(curator="hello"), context)
