"""Links, pictures and markup of a model's text are left out; words and figures stay as they are."""

from __future__ import annotations

import pytest

from yieldbot.assistant.links import LEFT_OUT, without_links


@pytest.mark.parametrize(
    "text",
    [
        *(
            "![a](https://x.example/p?d=1)",
            "[Verify](https://drop.evil.example/?a=1)",
            "hxxps://drop[.]evil[.]example/w",
        ),
        *("tg://resolve?domain=x", "https:\u200b//drop.evil.example/w", "www.evil.example/renew", "leak@evil.example"),
        *("<img src=x onerror=1>", "wallet-main.evil.zip", "[x][1]\n\n[1]: https://a.b/c", "javascript:alert(1)"),
        *("data:text/html;base64,xx", "mailto:a@b.example?subject=1", "see evil.com/claim now", "<https://a.example>"),
        *("EVIL.Example/x", "h\u200bttps://a.example", "ethereum:0x1?value=1", "<script>fetch('//a.example')</script>"),
    ],
)
def test_what_leads_elsewhere_is_left_out(text: str) -> None:
    shown = without_links(text)
    assert LEFT_OUT in shown
    assert not [
        one for one in ("://", "www.", ".example", "](", "<script", "<img", "\u200b", ".zip", ":alert") if one in shown
    ]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "See docs/risk.md and yieldbot.toml, or `yieldbot approve ID`.",
            "money.We hold it",
            "12:30 UTC: nothing moved",
        ),
        *(
            "It pays 4.10 % (3.0-6.2). Safety 45 D, utilisation < 95 and > 3.",
            "U.S. dollars, e.g. USDC.e on Base",
            "lend/1/a",
        ),
        *(
            "Uniswap v3 0.05% WETH/USDC",
            "plan p-5d1c0a9e: waits",
            "1. First\n2. Second",
            "[queued] since 2026-11-30",
            "ça vaut 3 €",
        ),
    ],
)
def test_words_and_figures_stay(text: str) -> None:
    assert without_links(text) == text
