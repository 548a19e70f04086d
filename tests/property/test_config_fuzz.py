"""Whatever stands in the files, loading ends with Settings or with one line; never with another exception."""

from __future__ import annotations

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.config.files import CHAIN, SETTINGS
from tests.kit.config.fuzz import VALUES, changed, places
from yieldbot.config.load import load
from yieldbot.errors import ConfigError
from yieldbot.model.settings import Settings


def toml(value: Any) -> str:
    """The value inline; every table of TOML can be written so."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    escaped = "".join(f"\\u{ord(c):04X}" if ord(c) < 0x20 or c in '"\\\x7f' else c for c in value)
    return f'"{escaped}"'


def loaded(settings_text: str | bytes, chain_text: str | bytes = CHAIN) -> Settings | str:
    """The settings, or what was said instead, less the folder."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "yieldbot.toml"
        (path.parent / "chains").mkdir()
        for file, text in ((path, settings_text), (path.parent / "chains" / "testnet.toml", chain_text)):
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            return load(path)
        except ConfigError as refused:
            assert str(refused).startswith(folder), refused
            return str(refused).removeprefix(folder)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_value_changed_or_missing(data: st.DataObject) -> None:
    in_chain = data.draw(st.booleans(), label="in the chain's file")
    tables = tomllib.loads(CHAIN if in_chain else SETTINGS)
    place = data.draw(st.sampled_from(places(tables)), label="place")
    broken = changed(tables, place, data.draw(VALUES, label="value"), data.draw(st.booleans(), label="removed"))
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in broken.items())
    ended = loaded(SETTINGS if in_chain else text, text if in_chain else CHAIN)
    assert isinstance(ended, Settings) or len(ended.splitlines()) == 1, ended


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(content: bytes) -> None:
    for ended in (loaded(content), loaded(SETTINGS, content)):
        assert isinstance(ended, str) and len(ended.splitlines()) == 1, "so few bytes are no whole file"
