"""Names that look like a listed token's, at another address."""

from __future__ import annotations

import pytest

from yieldbot.model.lookalikes import imitated, skeleton

LISTED = {"USDC": "0xA0b8", "WETH": "0xC02a", "cbBTC": "0xcbB7", "USD+": "0x1111"}


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("USDC", "USDC"),
        ("usdc", "USDC"),
        ("U\u0405DC", "USDC"),  # Cyrillic
        ("USD\u0421", "USDC"),
        ("\uff35\uff33\uff24\uff23", "USDC"),  # full width
        ("U\u200bS\u200bD\u200bC", "USDC"),  # zero width
        ("US\u0110C".replace("\u0110", "D\u0301"), "USDC"),  # an accent
        ("U5DC", "USDC"),
        ("U.S.D.C", "USDC"),
        ("W\u0395TH", "WETH"),  # Greek
        ("cbВТС", "cbBTC"),
        ("USDC.e", None),
        ("aUSDC", None),
        ("DAI", None),
        ("", None),
    ],
)
def test_what_looks_the_same_is_recognised(name: str, of: str | None) -> None:
    assert imitated(name, "0x9999", LISTED) == of


def test_the_listed_token_itself_imitates_nobody() -> None:
    assert imitated("USDC", "0xa0B8", LISTED) is None
    assert skeleton("\u0430\u0435\u043e\u0440") == "aeop"
