"""Numbers, dates and times as other languages write them."""

from __future__ import annotations

import pytest

from yieldbot.assistant.figures import Kind, figures


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5,8 Prozent", Kind.FRACTION, "0.058"),
        ("5,8 pour cent", Kind.FRACTION, "0.058"),
        ("12 points de base", Kind.FRACTION, "0.0012"),
        ("0.12 pp", Kind.FRACTION, "0.0012"),
        ("3,2 Mio. USDC", Kind.PLAIN, "3200000"),
        ("1½ WETH", Kind.PLAIN, "1.5"),
        ("vor drei Tagen", Kind.SECONDS, "259200"),
        ("hace 3 horas", Kind.SECONDS, "10800"),
        ("drei Märkte", Kind.PLAIN, "3"),
        ("fünfundzwanzig Märkte", Kind.PLAIN, "25"),
        ("trois marchés", Kind.PLAIN, "3"),
        ("le 1er décembre", Kind.DATE, "12-01"),
        ("el 28 de noviembre de 2026", Kind.DATE, "2026-11-28"),
        ("am 28. November", Kind.DATE, "11-28"),
        ("28.11.2026", Kind.DATE, "2026-11-28"),
        ("à 14h30", Kind.CLOCK, "14:30"),
        ("um 14.30 Uhr", Kind.CLOCK, "14:30"),
        ("at 2:05 pm", Kind.CLOCK, "14:05"),
        ("at 12 a.m.", Kind.CLOCK, "00:00"),
    ],
)
def test_a_number_is_read_in_its_language(text: str, kind: Kind, value: str) -> None:
    (found,) = figures(text)
    said = found.word if kind in (Kind.DATE, Kind.CLOCK) else f"{found.value.normalize():f}"
    assert (found.kind, said) == (kind, value)


@pytest.mark.parametrize("text", ["It can leave at once.", "Payments are due.", "The elf is six feet away."])
def test_words_of_english_are_no_numbers_of_other_languages(text: str) -> None:
    assert [one.value for one in figures(text)] == ([6] if "six" in text else [])


def test_a_date_whose_month_is_unclear_is_no_date() -> None:
    assert Kind.DATE not in [one.kind for one in figures("03/04/2026")]
