"""What ``discover`` refuses before any chain is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.app.context import Context
from yieldbot.app.discover import DiscoverRequest, discover
from yieldbot.errors import ConfigError


@pytest.mark.parametrize("curator", ["hello", "0x12", "Steakhouse", "0x" + "g" * 40])
def test_a_curator_is_named_by_its_address(curator: str) -> None:
    with pytest.raises(ConfigError, match=r"--curator .*: write the curator's address"):
        discover(DiscoverRequest(curator=curator), Context(Path("none.toml")))
