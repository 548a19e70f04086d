"""Every way of writing a number is found as that number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from yieldbot.assistant.figures import Kind, figures

WRITTEN = {
    "It pays 4.23 % now": [(Kind.FRACTION, "0.0423")],
    "4.23% or 4,23 % or ４.23％ or 4\u200b.23\u00a0%": [(Kind.FRACTION, "0.0423")] * 4,
    "forty-two percent": [(Kind.FRACTION, "0.42")],
    "45 bps, 45 bp, 45 basis points": [(Kind.FRACTION, "0.0045")] * 3,
    "3-5 %": [(Kind.FRACTION, "0.03"), (Kind.FRACTION, "0.05")],
    "between 3 and 5 bps": [(Kind.FRACTION, "0.0003"), (Kind.FRACTION, "0.0005")],
    "10,000.50 USDC": [(Kind.PLAIN, "10000.50")],
    "10'000 USDC, 10 000 USDC, 10.000,00 USDC, 10k USDC": [(Kind.PLAIN, "10000")] * 4,
    "1.2 million": [(Kind.PLAIN, "1200000")],
    "one hundred and twenty three markets": [(Kind.PLAIN, "123")],
    "one of them": [],
    "$1.2M": [(Kind.DOLLARS, "1200000")],
    "7 days and 30-day, 12h": [(Kind.SECONDS, "604800"), (Kind.SECONDS, "2592000"), (Kind.SECONDS, "43200")],
    "−0.5 %": [(Kind.FRACTION, "0.005")],
    "1. first\n2. second\n3. third": [],
    "a\n99. it pays": [(Kind.PLAIN, "99")],
    "٤٥ %": [(Kind.FRACTION, "0.45")],
}
THINGS = {
    "2026-11-30T14:05:10Z": [(Kind.DATE, "2026-11-30"), (Kind.CLOCK, "14:05:10")],
    "30 November 2026, Nov 30": [(Kind.DATE, "2026-11-30"), (Kind.DATE, "11-30")],
    "Aave v3 and ERC-4626 and 0xabc123": [(Kind.WORD, "erc-4626"), (Kind.WORD, "v3"), (Kind.WORD, "0xabc123")],
    "USDC99": [(Kind.WORD, "usdc99")],
}


@pytest.mark.parametrize("text", WRITTEN)
def test_numbers(text: str) -> None:
    found = figures(text)
    assert [(one.kind, one.value) for one in found] == [(kind, Decimal(value)) for kind, value in WRITTEN[text]]


@pytest.mark.parametrize("text", THINGS)
def test_dates_times_and_words(text: str) -> None:
    assert sorted((one.kind, one.word) for one in figures(text)) == sorted(THINGS[text])
