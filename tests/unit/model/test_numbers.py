"""Amounts as people type them: what is read is what was written, and what may be misread is refused with the right
spelling, at every door."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.kit.program import yieldbot
from yieldbot.allocator.document import ProblemError, read
from yieldbot.config.schema import Money
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, chain_id
from yieldbot.model.numbers import exact, number, plain

USDC = Token(chain_id("eip155:8453"), Address("0x" + "11" * 20), "USDC", 6)
WETH = Token(chain_id("eip155:8453"), Address("0x" + "22" * 20), "WETH", 18)
WRONG = {
    "1,5": "write 1.5",
    "0,001": "write 0.001",
    "9000,50": "write 9000.50",
    "1,000": "write 1.000 or 1000, whichever you mean",
    "10,000.50": "write 10000.50",
    "1.234,56": "write 1234.56",
    "1,000,000": "write 1000000",
    "1.000.000": "write 1000000",
    "1_000": "write 1000",
    "1 000": "write 1000",
    "1\u00a0000,5": "write 1000.5",
    "1'000.5": "write 1000.5",
    " 5": "write 5",
    "5\n": "write 5",
    "+5": "write 5",
    "1e6": "write 1000000",
    "1.5E-3": "write 0.0015",
    "\uff11\uff0e\uff15": "write 1.5",
    "\u0661\u066b\u0665": "write 1.5",
    ".5": "write 0.5",
    "5.": "write 5",
    "-5": "0 or more",
    "": "write whole tokens",
    "NaN": "write whole tokens",
    "infinity": "write whole tokens",
    "0x10": "write whole tokens",
    "1.2.3": "write whole tokens",
    "1,2,3": "write whole tokens",
    "1" * 200: "write whole tokens",
    "1e999999999": "write whole tokens",
}
"""What was typed: the remedy. Before, "1,5" was 15, "0,001" was 1 and "9000,50" was 900050."""


@pytest.mark.parametrize(("typed", "remedy"), WRONG.items())
def test_what_may_be_misread_is_refused_with_the_right_spelling(typed: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="is not an amount") as refused:
        USDC.parse(typed)
    assert remedy in str(refused.value) and len(str(refused.value)) < 140 and str(refused.value).isprintable()
    with pytest.raises(ValidationError, match="is not an amount"):
        TypeAdapter(Money).validate_python(typed)
    with pytest.raises(ValueError, match="is not a number"):
        number(typed, "write digits")
    problem = {"schema": "yieldbot/problem/v1", "wealth": typed, "markets": []}
    with pytest.raises(ProblemError, match=r"wealth: .* is not an amount"):
        read(problem)


@given(st.text(max_size=40) | st.text("0123456789.,_' eE+-\uff11\u0661", max_size=12))
def test_a_text_is_read_as_decimal_reads_it_or_is_refused_with_a_spelling_that_is_taken(text: str) -> None:
    try:
        assert exact(Decimal(plain(text))) == text or text.startswith("0")
        assert Fraction(WETH.parse(text).raw, 10**18) == Fraction(text)  # a Decimal rounds to 28 digits
    except ValueError as refused:
        said = str(refused).rpartition("write ")[2].removesuffix(", whichever you mean")
        for spelling in said.split(" or ") if said[:1].isdigit() else ():
            assert plain(spelling)


@given(st.integers(0, 2**256 - 1), st.integers(0, 36))
def test_every_amount_comes_back_to_the_unit(raw: int, decimals: int) -> None:
    token = Token(USDC.chain, USDC.address, "T", decimals)
    assert token.parse(exact(token.amount(raw).decimal)).raw == raw


@pytest.mark.parametrize("typed", ["1.1234567", "0.0000001"])
def test_more_decimals_than_the_token_has(typed: str) -> None:
    with pytest.raises(ValueError, match="finer than USDC's 6 decimals"):
        USDC.parse(typed)
    with pytest.raises(ValueError, match=r"decimals: write 1\.5$"):
        USDC.parse("1.50000000")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("plan", "--horizon", "1,5"), "write 1.5"),
        (("plan", "--horizon", "1e2"), "write 100"),
        (("plan", "--max-share", "0,5"), "write 0.5"),
        (("quote", "USDC", "DAI", "5", "--slippage-bps", "1_0"), "write 10"),
        (("lp", "remove", "7", "--share", "0,5"), "write 0.5"),
        (("history", "--limit", "-5"), "no whole number of 0 or more"),
        (("history", "--limit", "1_0"), "no whole number of 0 or more"),
        (("sandbox", "warp", "1e3"), "write 1000"),
    ],
)
def test_flags_take_the_same_numbers(tmp_path: Path, words: tuple[str, ...], remedy: str) -> None:
    ended = yieldbot(*words, cwd=tmp_path)
    assert ended.code == 2 and remedy in ended.err and len(ended.err.splitlines()) == 1, ended.err


def test_the_policy_file_is_told_the_right_spelling(tmp_path: Path) -> None:
    """``auto_max_move = "9000,50"`` was read as 900,050."""
    (tmp_path / "yieldbot.toml").write_text('schema = 1\n[policy]\nauto_max_move = "9000,50"\n')
    ended = yieldbot("plan", cwd=tmp_path)
    assert ended.code == 2 and ended.err.endswith("policy.auto_max_move: '9000,50' is not an amount: write 9000.50\n")


def test_a_problem_document_is_told_the_right_spelling(tmp_path: Path) -> None:
    document = {"schema": "yieldbot/problem/v1", "wealth": "1,5", "markets": []}
    (tmp_path / "p.json").write_text(json.dumps(document))
    ended = yieldbot("allocate", str(tmp_path / "p.json"), cwd=tmp_path)
    assert ended.code == 2 and "wealth" in ended.err and "write 1.5" in ended.err
