"""A found market is added to the text of a chain's file: every other line stays, and what cannot be added to is
refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from yieldbot.app.init import _write_env
from yieldbot.config.pinning import Draft, Pin, draft, write
from yieldbot.errors import ConfigError
from yieldbot.model.discovery import PinnedRow
from yieldbot.resources import folder

MORPHO, IRM = "0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb", "0x46415998764C29aB2a25CbeA6254146D50D22687"
NEW = "0x" + "ab" * 32
VAULT = "0xBEEF01735c132Ada46AA9aA4c54623cAA92A64CB"


def blue(value: str = NEW) -> PinnedRow:
    same = {"morpho": MORPHO, "irm": IRM}
    return PinnedRow(protocol="morpho_blue", name="Morpho Blue", same=same, listed_in="markets", value=value)


def home(tmp_path: Path, text: str | None = None) -> Path:
    """A folder with the file of Base, changed if ``text`` is given; the path of its yieldbot.toml."""
    if text is not None:
        (tmp_path / "chains").mkdir(exist_ok=True)
        (tmp_path / "chains" / "base.toml").write_text(text)
    return tmp_path / "yieldbot.toml"


def shipped() -> str:
    return (folder("chains") / "base.toml").read_text()


def added(text: str, *pins: Pin, tmp_path: Path) -> Draft:
    return draft(home(tmp_path, text), "base", pins, {})


def lines_lost(made: Draft) -> list[str]:
    after = made.after.splitlines()
    return [line for line in made.before.splitlines() if line not in after]


def test_a_list_of_several_lines_gets_one_more_and_keeps_its_comments(tmp_path: Path) -> None:
    made = added(shipped(), Pin(blue(), "USDC", "WETH 86 %; found"), tmp_path=tmp_path)
    assert lines_lost(made) == [] and f'  "{NEW}", # WETH 86 %; found' in made.after.splitlines()
    assert len(made.after.splitlines()) == len(made.before.splitlines()) + 1
    (table,) = [one for one in tomllib.loads(made.after)["protocols"] if one["protocol"] == "morpho_blue"]
    assert table["markets"][-1] == NEW and len(table["markets"]) > 1
    write(made)
    assert made.target.read_text() == made.after and not list(made.target.parent.glob(".*"))


def test_a_list_on_one_line_and_one_without_a_last_comma(tmp_path: Path) -> None:
    lines = shipped().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("markets = [") and "0x9103" in lines[at + 1])
    end = next(at for at in range(start, len(lines)) if lines[at] == "]")
    one_line = "\n".join([*lines[:start], f'markets = ["{NEW[:-1]}c"] # ours', *lines[end + 1 :]]) + "\n"
    made = added(one_line, Pin(blue(), "WETH", "x"), tmp_path=tmp_path)
    assert f'markets = ["{NEW[:-1]}c", "{NEW}"] # ours' in made.after
    (table,) = [one for one in tomllib.loads(made.after)["protocols"] if one["protocol"] == "morpho_blue"]
    assert len(lines_lost(made)) == 1 and table["assets"][-1] == "WETH", "a table's assets get a further symbol"
    bare = "\n".join([*lines[:start], "markets = [", f'    "{NEW[:-1]}c" # no comma', "]", *lines[end + 1 :]])
    made = added(bare, Pin(blue(), "USDC", ""), tmp_path=tmp_path)
    assert f'    "{NEW[:-1]}c", # no comma\n    "{NEW}",\n]' in made.after
    empty = "\n".join([*lines[:start], "markets = []", *lines[end + 1 :]])
    assert f'markets = ["{NEW}"]' in added(empty, Pin(blue(), "USDC", ""), tmp_path=tmp_path).after
    first = NEW[:-1]
    odd = ["markets = [ # ours ]", f'  "{first}c", # [old] ],', f"  '{first}d' # ] no comma", "  # ], the end", "]"]
    made = added("\n".join([*lines[:start], *odd, *lines[end + 1 :]]), Pin(blue(), "USDC", ""), tmp_path=tmp_path)
    assert f"  '{first}d', # ] no comma\n  # ], the end\n  \"{NEW}\",\n]" in made.after, "comments hold no brackets"
    odd = ["markets = [", f'  "{first}c",', f'  "{first}d", ] # ]']
    made = added("\n".join([*lines[:start], *odd, *lines[end + 1 :]]), Pin(blue(), "USDC", ""), tmp_path=tmp_path)
    assert f'  "{first}d", "{NEW}"] # ]' in made.after


def test_a_file_of_windows_keeps_its_line_ends(tmp_path: Path) -> None:
    config = home(tmp_path, "")
    (tmp_path / "chains" / "base.toml").write_bytes(shipped().replace("\n", "\r\n").encode())
    drip = PinnedRow(
        protocol="erc4626", name="Drip", same={"flavour": "generic"}, listed_in="vaults", value=VAULT, own_table=True
    )
    made = draft(config, "base", [Pin(blue(), "USDC", "x"), Pin(drip, "USDC", "")], {})
    write(made)
    written = made.target.read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n") == shipped().count("\n") + 10
    env = tmp_path / ".env"
    env.write_bytes(b"A=1\r\nB=2\r\n")
    _write_env(env, "A", "http://x")
    assert env.read_bytes() == b"B=2\r\nA=http://x\r\n"


def test_a_new_table_where_none_fits_and_one_of_its_own_where_that_is_wanted(tmp_path: Path) -> None:
    row = PinnedRow(
        protocol="erc4626", name="Drip", same={"flavour": "generic"}, listed_in="vaults", value=VAULT, own_table=True
    )
    made = added(shipped(), Pin(row, "USDC", "fUSDC"), Pin(row, "USDC", "fUSDC"), tmp_path=tmp_path)
    assert lines_lost(made) == []
    tables = [one for one in tomllib.loads(made.after)["protocols"] if one["name"] == "Drip"]
    assert (
        tables
        == [{"protocol": "erc4626", "name": "Drip", "flavour": "generic", "vaults": [VAULT], "assets": ["USDC"]}] * 2
    )
    aave = PinnedRow(
        protocol="aave_v3",
        name="Aave v3",
        same={"pool": "0xA238Dd80C259a72e81d7e4664a9801593F98d1c5"},
        listed_in=None,
        value="",
    )
    made = added(shipped(), Pin(aave, "DAI", ""), tmp_path=tmp_path)
    (table,) = [one for one in tomllib.loads(made.after)["protocols"] if one["name"] == "Aave v3"]
    assert table["assets"][-1] == "DAI" and len(lines_lost(made)) == 1


def test_what_the_loader_refuses_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="assets"):
        added(shipped(), Pin(blue(), "NOTHERE", ""), tmp_path=tmp_path)
    bad = PinnedRow(protocol="morpho_blue", name="M", same={}, listed_in="markets", value=NEW, own_table=True)
    with pytest.raises(ConfigError, match=r"morpho|irm"):
        added(shipped(), Pin(bad, "USDC", ""), tmp_path=tmp_path)
    evil = PinnedRow(
        protocol="erc4626", name='x"\nvaults = [', same={"flavour": "generic"}, listed_in="vaults", value=VAULT
    )
    with pytest.raises(ConfigError, match="cannot be written"):
        added(shipped(), Pin(evil, "USDC", ""), tmp_path=tmp_path)
    assert (tmp_path / "chains" / "base.toml").read_text() == shipped()


def test_a_file_in_a_form_that_cannot_be_added_to_is_refused(tmp_path: Path) -> None:
    table = f'protocols = [{{protocol = "morpho_blue", name = "M", morpho = "{MORPHO}", irm = "{IRM}", '
    table += f'markets = ["{NEW[:-1]}c"], assets = ["USDC"]}}]\n'
    head, _, _ = shipped().partition("[native]")
    rest = shipped()[len(head) :].partition("[[protocols]]")[0]
    with pytest.raises(ConfigError, match="by hand: markets = "):
        added(head + table + rest, Pin(blue(), "USDC", ""), tmp_path=tmp_path)


def test_the_file_that_comes_with_yieldbot_is_copied_and_stays(tmp_path: Path) -> None:
    made = draft(home(tmp_path), "base", [Pin(blue(), "USDC", "x")], {})
    assert made.source == folder("chains") / "base.toml" and made.target == tmp_path / "chains" / "base.toml"
    write(made)
    assert made.target.read_text() == made.after != shipped()
    with pytest.raises(ConfigError, match="changed meanwhile"):
        write(made)
    again = draft(home(tmp_path), "base", [Pin(blue(NEW[:-1] + "d"), "USDC", "y")], {})
    assert again.source == again.target == made.target
    made.target.write_text(made.after + "# another hand\n")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        write(again)
    assert made.target.read_text().endswith("# another hand\n")
