"""Names that a person types: found in other capitals, suggested where misspelt, never guessed where two could be it."""

from __future__ import annotations

import pytest

from yieldbot.model.spelling import did_you_mean, intended, with_part

TOKENS = ("USDC", "USDbC", "USDT", "WETH")
MARKETS = ("Aave v3 USDC", "Morpho Steakhouse USDC", "Compound v3 USDC")


def test_a_name_is_found_in_other_capitals_unless_two_could_be_it() -> None:
    assert intended("usdc", TOKENS) == "USDC" and intended(" WETH ", TOKENS) == "WETH"
    assert intended("usdbc", ("USDbC", "USDBC")) is None and intended("USDBC", ("USDbC", "USDBC")) == "USDBC"
    assert intended("usd", TOKENS) is None and intended("", TOKENS) is None


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("USCD", ("USDC", "WETH"), "did you mean USDC?"),
        ("aave", MARKETS, "did you mean Aave v3 USDC?"),
        ("steakhouse", MARKETS, "did you mean Morpho Steakhouse USDC?"),
        ("nwe", ("new", "import", "list"), "did you mean new?"),
        ("u", TOKENS, "did you mean USDC, USDT or USDbC?"),
        ("yield", ("apy", "held"), "known are: apy, held"),
        ("x", (), "there is none to choose from"),
        ("x", map(str, range(100, 130)), f"known are: {', '.join(map(str, range(100, 124)))} and 6 more"),
        ("x", {"b", "a"}, "known are: a, b"),
    ],
)
def test_what_is_suggested(word: str, known: tuple[str, ...], said: str) -> None:
    assert did_you_mean(word, known) == said


def test_a_part_stands_for_the_only_name_that_has_it() -> None:
    assert with_part("steak", MARKETS) == "Morpho Steakhouse USDC" and with_part(" COMP", MARKETS) == MARKETS[2]
    assert with_part("v3", MARKETS[:1]) is None, "too short"
    assert with_part("USDC", MARKETS) is None and with_part("Fluid", MARKETS) is None
    assert with_part("aave", (MARKETS[0], MARKETS[0])) == MARKETS[0]


def test_a_long_word_costs_no_time() -> None:
    assert did_you_mean("z" * 10**6, MARKETS).startswith("known are: ")
