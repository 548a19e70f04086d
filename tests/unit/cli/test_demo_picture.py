"""The picture that ``demo --svg`` draws."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.table import Table

from tests.kit import ROOT
from yieldbot.cli.demo import FONTS, _picture
from yieldbot.cli.screen import Screen
from yieldbot.errors import ConfigError


def words(svg: str) -> str:
    return unescape(" ".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))).replace("\xa0", " ")


def loaded(svg: str) -> list[str]:
    """What a reader's program would fetch: every address but names of XML and the comment that says who drew it."""
    return [one for one in re.findall(r"\w+://[^\s\"')]+", re.sub(r"<!--.*?-->", "", svg)) if "www.w3.org" not in one]


def test_it_has_what_was_printed_and_loads_nothing(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        console = Screen().console(record=True, quiet=True, width=60)
        table = Table("Market", "Quoted APY")
        table.add_row("Morpho Blue WETH 86 %", "3.236 %")
        console.print(table)
        _picture(console, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text(), "the same is drawn the same"
    assert all(one in words(text) for one in ("Morpho Blue WETH 86 %", "3.236 %", "Quoted APY", "yieldbot demo"))
    assert loaded(text) == [] and "@font-face" not in text and FONTS in text
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    with pytest.raises(ConfigError, match=r"--svg .*/none/a\.svg: cannot be written"):
        _picture(console, tmp_path / "none" / "a.svg")


def test_the_picture_of_the_readme_loads_nothing_and_is_of_a_whole_demo() -> None:
    text = (ROOT / "docs" / "demo.svg").read_text()
    assert loaded(text) == []
    assert all(
        f"{one} " in words(text) for one in ("Quoted APY", "certificate:", "Rehearsal on a fork", "APY realised")
    )
