"""Files that browsers load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.web.browsing import Browsing
from yieldbot.errors import ConfigError
from yieldbot.web import assets


def test_each_file_has_an_address_of_its_own_content_and_may_be_kept_for_ever(browsing: Browsing) -> None:
    found = assets.assets()
    assert {f"lib/{name}" for name in assets.LIBRARIES} < found.keys()
    assert len({one.address for one in found.values()}) == len(found)
    for one in found.values():
        answer = browsing.get(one.address)
        assert answer.status_code == 200 and answer.content == one.body
        assert "immutable" in answer.headers["cache-control"] and answer.headers["content-type"].startswith(one.media)
    assert browsing.get(one.address + "x").status_code == 404
    assert browsing.get("/static/%2e%2e/server.py").status_code == 404


def test_an_install_without_the_libraries_says_what_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("a {}")
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    assets.assets.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"htmx\.min\.js.*scripts/wheel"):
            assets.assets()
    finally:
        assets.assets.cache_clear()
