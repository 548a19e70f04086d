"""Amounts as people type them: what is read is what was written, and what may be misread is refused with the right
spelling, in every interface."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

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
