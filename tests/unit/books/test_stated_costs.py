"""What the user says that tokens cost: it counts where nothing is known, and for a named transaction before its value
on arrival; a wrong line is refused with its number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.unit.books.samples import ACCOUNT, CHAIN, ETH, OWNER, USDC, WETH, entry, quotes
from yieldbot.books.entries import EntryKind
from yieldbot.books.ledger import RowKind, post
from yieldbot.books.stated_costs import COLUMNS, NOTHING, StatedCosts, lines_for, read
from yieldbot.errors import ConfigError

HEAD = ",".join(COLUMNS)
USD = quotes({USDC: "1", WETH: "3000", ETH: "3000"})
ONE = 10**18


def stated(folder: Path, *lines: str) -> StatedCosts:
    file = folder / "costs.csv"
    file.write_text("\n".join([HEAD, *lines]) + "\n")
    return read(file, {ACCOUNT: "main"}, {CHAIN: "sandbox"}, [USDC, WETH, ETH])


def gain(stories: list, costs: StatedCosts) -> Fraction | None:  # type: ignore[type-arg]
    (row,) = [row for row in post(stories, USD, costs).rows if row.what is RowKind.SWAP and (row.raw or 0) < 0]
    return row.gain


def test_what_was_held_before_costs_what_is_stated(tmp_path: Path) -> None:
    sold = entry(EntryKind.SWAP, 5, (WETH, -ONE), (USDC, 3_000 * 10**6))
    before = entry(EntryKind.OPENING, 0, (WETH, 2 * ONE), hash=None)
    assert gain([before, sold], NOTHING) is None
    costs = stated(tmp_path, "main,sandbox,weth,,2450.50")
    assert gain([before, sold], costs) == Fraction("549.50")
    assert gain([sold], costs) == Fraction("549.50"), "units that no entry shows"
    half = entry(EntryKind.IN, 1, (WETH, ONE // 2))
    assert gain([half, sold], costs) == Fraction(1500) - Fraction("1225.25"), "half came at 3,000, half is missing"
    (opening,) = [row for row in post([before], USD, costs).rows if row.what is RowKind.OPENING]
    assert (opening.cost, opening.value) == (Fraction("4901"), Fraction(6_000))


def test_a_transactions_price_counts_before_the_value_on_arrival_and_for_nothing_else(tmp_path: Path) -> None:
    came, other = entry(EntryKind.IN, 1, (WETH, ONE)), entry(EntryKind.IN, 2, (WETH, ONE))
    costs = stated(tmp_path, f"{OWNER},{CHAIN},{WETH.address},{came.hash},1000")
    sold = [entry(EntryKind.SWAP, day, (WETH, -ONE), (USDC, 3_000 * 10**6)) for day in (5, 6)]
    rows = [row for row in post([came, other, *sold], USD, costs).rows if row.what is RowKind.SWAP and row.gain]
    assert [row.gain for row in rows] == [Fraction(2_000)], "first in, first out; the second cost its value"
    assert costs.unused([came, other]) == []
    (said,) = costs.unused([other])
    assert said.startswith(f"{tmp_path / 'costs.csv'}:2: transaction {came.hash} brought none of this token")
    claim = entry(EntryKind.CLAIM, 1, (WETH, ONE))
    (row,) = [row for row in post([claim], USD, costs).rows if row.what is RowKind.CLAIM]
    assert row.cost == 3_000, "income is not bought"


def test_no_file_states_nothing_and_what_lacks_is_a_line_to_complete(tmp_path: Path) -> None:
    assert read(tmp_path / "costs.csv", {}, {}, []) is NOTHING
    text = lines_for([(ACCOUNT, ETH)], {ACCOUNT: "main"}, {CHAIN: "sandbox"})
    assert text == f"{HEAD} | main,sandbox,ETH,,"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("main,sandbox,WETH,", "a line has 5 columns"),
        ("main,sandbox,WETH,,1,2", "a line has 5 columns"),
        ("min,sandbox,WETH,,1", "no such account; did you mean main on sandbox"),
        ("main,base,WETH,,1", "no such account"),
        ("main,sandbox,WET,,1", "did you mean WETH"),
        ("main,sandbox,WETH,,", "write US dollars"),
        ("main,sandbox,WETH,,nan", "write"),
        ("main,sandbox,WETH,,-1", "write a price from 0"),
        ("main,sandbox,WETH,,1e99", "write a price from 0"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"costs\.csv:3: .*{why}") as refused:
        stated(tmp_path, "main,sandbox,USDC,,1", line)
    assert "\n" not in str(refused.value)


def test_lines_that_contradict_each_other_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stand in a line before"):
        stated(tmp_path, "main,sandbox,WETH,,1", f"main,sandbox,{WETH.address},,2")
    (tmp_path / "costs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="the first line must be wallet,chain,token"):
        read(tmp_path / "costs.csv", {}, {}, [])
