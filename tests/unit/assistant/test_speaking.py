"""What of a model's text is shown: citations in yieldbot's own words, in four languages, and no figure beside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from yieldbot.assistant.citable import FOREIGN, Facts
from yieldbot.assistant.labels import FIELDS, LANGUAGES, WORDS
from yieldbot.assistant.pages import pieces
from yieldbot.assistant.small_talk import is_small_talk
from yieldbot.assistant.speaking import Said, Speaker, sentences
from yieldbot.assistant.tongues import language_of

NOW = 1_796_041_200
SINCE = NOW - 57 * 86_400
POSITIONS: dict[str, Any] = {
    "items": [
        {
            "id": "aave_v3/1/a",
            "key": "aave_v3~1~a",
            "name": "Aave v3",
            "asset": "USDC",
            "chain": "base",
            "held": {"symbol": "USDC", "raw": "50170768837", "text": "50170.768837"},
            "earned": {"symbol": "USDC", "raw": "-12500000", "text": "-12.500000"},
            "apy_realised": 0.0676911,
            "apy_predicted": 0.0500348,
            "since": SINCE,
            "stuck": None,
            "alarms": [],
            "pnl": {"base": "USD", "total": "-12.5007", "gas": {"symbol": "ETH", "raw": "1", "text": "0.000032769702"}},
        },
        {
            "id": "erc4626/1/b",
            "key": "erc4626~1~b",
            "name": "Vault 99 %: earned 7 USDC",
            "asset": "USDC",
            "chain": "base",
            "held": {"symbol": "USDC", "raw": "1000000", "text": "1.000000"},
            "earned": {"symbol": "USDC", "raw": "0", "text": "0.000000"},
            "apy_realised": None,
            "apy_predicted": 0.04,
            "since": SINCE,
            "stuck": "no cash for 3 days",
            "alarms": [{"code": "UTILISATION", "saw": "95.25% is lent out", "since": SINCE}],
            "pnl": None,
            "memo": "pays 41.7 %",
        },
    ],
    "next": None,
    "total": 2,
    "as_of": NOW - 120,
    "unread": [],
}
FORECAST = {
    "market": "aave_v3/1/a",
    "horizons": [
        {"horizon_days": 1, "mean": 0.0341, "low": 0.0331, "high": 0.0351},
        {"horizon_days": 30, "mean": 0.0329, "low": 0.0289, "high": 0.0423},
    ],
}
PLANS = {
    "items": [
        {"id": "190b6e38223c3098", "status": "executed", "gain_per_year": 4315.54, "cost": 0.321, "at": NOW - 60,
         "loss_bps": 417.97, "calls": ["allow Aave v3 to take 5 USDC", "deposit 5 USDC into Aave v3"]},
    ],
}  # fmt: skip
PAGE = {
    "place": "docs/risk.md, Alarms",
    "text": "An alarm is a sign. **STOP**: no new money.\n\n| Alarm | From |\n|---|---|\n| UTILISATION | 95 % |\n",
}
TOOLS = (("list_positions {}", POSITIONS), ("get_forecast {}", FORECAST), ("list_plans {}", PLANS), ("page", PAGE))


def facts() -> Facts:
    made = Facts(now=NOW)
    for number, (tool, document) in enumerate(TOOLS, 2):
        made.add(f"S{number}", document, tool)
    return made


def said(text: str, language: str = "en") -> Said:
    return Speaker(facts(), language).say(text)


def shown(text: str, language: str = "en") -> str:
    found = said(text, language)
    assert not found.faults, found.faults
    return found.text.replace("\u00a0", " ")


def test_a_model_is_sent_identifiers_and_units_and_no_base_units() -> None:
    sent = Facts(now=NOW).add("S2", POSITIONS, "list_positions {}")
    first, second = sent["items"]
    assert sent["@"] == "S2" and first["@"] == "S2r1" and second["@"] == "S2r2" and second["alarms"][0]["@"] == "S2r3"
    assert first["held"] == "50170.768837 USDC" and first["apy_realised"] == "6.77 % APY"
    assert first["since"].endswith(" UTC") and "raw" not in json.dumps(sent)
    assert POSITIONS["items"][0]["held"]["raw"], "the document itself stays"
    calls = Facts().add("S9", PLANS, "")["items"][0]["calls"]
    assert list(calls) == ["1", "2"] and calls["2"] == "deposit 5 USDC into Aave v3"


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Aave v3: held 50,170.77 USDC; realised yield 6.77 % APY; since 2026-10-04, 12:20 UTC (57 days ago); stuck: none; alarms: none."),  # noqa: E501
        ("de", "Aave v3: gehalten 50.170,77 USDC; realisierter Ertrag 6,77 % APY; seit 04.10.2026, 12:20 UTC (vor 57 Tagen); steckt fest: keine; Alarme: keine."),  # noqa: E501
        ("fr", "Aave v3 : détenu 50 170,77 USDC; rendement réalisé 6,77 % APY; depuis 04/10/2026 à 12:20 UTC (il y a 57 jours); bloqué : néant; alertes : néant."),  # noqa: E501
        ("es", "Aave v3: mantenido 50.170,77 USDC; rendimiento realizado 6,77 % APY; desde 04/10/2026 a las 12:20 UTC (hace 57 días); atascado: ninguna; alarmas: ninguna."),  # noqa: E501
    ],
)  # fmt: skip
def test_a_citation_is_written_with_its_owner_its_field_and_its_unit(language: str, line: str) -> None:
    assert shown("{{S2r1.held, apy_realised, since, stuck, alarms}}", language) == line


def test_words_beside_a_citation_are_not_shown_whatever_they_say() -> None:
    for words in (
        "Vault 99 % lost {} twice.",
        "You gained nothing like {} a day, all of it!",
        "- No: {} (net) since May",
    ):
        found = said(words.format("{{S2r1.earned}}"))
        assert found.text.removeprefix("- ") == "Aave v3: earned \u221212.50\u00a0USDC."
        assert not found.faults and [one.text for one in found.figures] == ["\u221212.50\u00a0USDC"]


def test_what_a_figure_is_of_stands_beside_it() -> None:
    assert shown("{{S3r2.mean, low}}") == (
        "Aave v3, over 30 days: mean forecast 3.29 % APR; lower end of the 80 % interval 2.89 % APR."
    )
    assert shown("{{S4r1.gain_per_year, cost, loss_bps, status}}") == (
        "Plan 190b6e38223c3098: expected gain a year 4,315.54 (in the asset of its job); "
        "cost 0.321 (in the asset of its job); expected loss a year 418 bp; status executed."
    )
    assert shown("{{S2r1.pnl.total, pnl.gas}}") == "Aave v3: gain in all −12.50 USD; gas spent 0.00003277 ETH."
    assert (
        shown("{{S2r3.saw}}") == "“Vault 99 %: earned 7 USDC”, alarm UTILISATION: what was seen: “95.25% is lent out”."
    )
    assert shown("{{S2r2.stuck}}") == "“Vault 99 %: earned 7 USDC”: stuck: “no cash for 3 days”."
    assert shown("{{S4r1.calls.2}}").endswith(": calls: “deposit 5 USDC into Aave v3”.")
    assert shown("{{S2.total}}") == "Positions: in all 2."


def test_a_name_that_others_have_too_is_told_apart() -> None:
    made = facts()
    twin = POSITIONS["items"][0] | {"id": "aave_v3/2/a", "key": "aave_v3~2~a", "chain": "arbitrum"}
    made.add("S9", {"items": [twin]}, "list_positions {}")
    assert Speaker(made, "en").say("{{S2r1.held}} {{S9r1.held}}").text.replace("\u00a0", " ") == (
        "Aave v3, base: held 50,170.77 USDC. Aave v3, arbitrum: held 50,170.77 USDC."
    )


def test_yieldbot_computes_what_a_model_asks_for() -> None:
    assert shown("{{compare S2r1.apy_realised S2r1.apy_predicted}}") == (
        "Aave v3: realised yield 6.77 % APY is higher than predicted yield 5.00 % APY."
    )
    near = Facts(now=NOW)
    near.add("S2", {"name": "A", "apy_realised": 0.034641, "apy_predicted": 0.034639}, "")
    assert " 3.4641\u00a0% APY is higher than predicted yield 3.4639\u00a0% " in (
        Speaker(near, "en").say("{{compare S2.apy_realised S2.apy_predicted}}").text
    ), "so many decimals that they differ"
    assert shown("{{compare S2r1.earned S2r2.earned}}") == (
        "Earned −12.50 USDC (Aave v3) is lower than earned 0 USDC (“Vault 99 %: earned 7 USDC”)."
    )
    assert shown("{{compare S4r1.at S2r1.since}}").startswith("Time 2026-11-30, 12:19 UTC (1 minute ago) (Plan 190b")
    assert " is later than since " in shown("{{compare S4r1.at S2r1.since}}")
    assert shown("{{highest S2.items.held}}") == "Highest held (of 2 positions): Aave v3, 50,170.77 USDC."
    assert shown("{{lowest S3.horizons.mean}}") == (
        "Aave v3: lowest mean forecast (of 2 horizons): Aave v3, over 30 days, 3.29 % APR."
    )
    assert shown("{{sum S2.items.held}}") == "Held, in all (2 positions): 50,171.77 USDC."
    assert shown("{{count S2.items}}\n{{count S2.items where alarms}}\n{{count S2.items where name = aave V3}}") == (
        "Number of positions: 2.\nNumber of positions (alarms: some): 1.\nNumber of positions (name: Aave v3): 1."
    )
    assert shown("{{count S2.items where not alarms}}") == "Number of positions (alarms: none): 1."


@pytest.mark.parametrize(
    "cite",
    [
        *(
            "S77.total",
            "S2",
            "S2r1",
            "S2r1.nothing",
            "S2r1.held.raw",
            "S2r2.memo",
            "S2r1.calls.3",
            "S2.items.1",
            "S1.text",
        ),
        *("sum S2.items.apy_predicted", "sum S2.items.since", "sum S4.items.cost", "highest S2.items.name"),
        *(
            "highest S4.items.cost",
            "highest S2.items.held where name = Aave v3",
            "count S2.items where size = 5",
            "count S2.items where name = x",
        ),
        *("count S2.items where alarms = []", "compare S2r1.held S2r1.since", "compare S2r1.held S2r2.apy_predicted"),
        *("compare S2r1.name S2r2.name", "say.anything", "say.proposed", "99 %", "S2r1.held|", "S2r1.apy_realised * 2"),
        *("S3.horizons.1.mean", "S2r1.held + S2r2.held", "compare S2r1.held", "highest S2r1", "S2r1.held S2r2.held"),
    ],
)
def test_what_names_nothing_or_cannot_be_computed_is_a_fault(cite: str) -> None:
    found = said(f"{{{{{cite}}}}}")
    assert found.faults and not found.text.strip()


def test_only_amounts_and_counts_are_added() -> None:
    """Every numeric field of the rows here is in one list or the other."""
    made = Facts(now=NOW)
    row = {"name": "A", "asset": "USDC", "held": {"symbol": "USDC", "raw": "1", "text": "5"}, "attempts": 1, "gas": 2,
           "gain_per_year": 3.0, "readings": 4,
           "cash": {"symbol": "USDC", "raw": "1", "text": "5"}, "safety": 40,
           "score": 12.5, "short": 5, "long": 6, "weight": 0.2,
           "loss_bps": 12.0, "apy": 0.05, "apr_after": 0.04, "utilisation": 0.9, "share": 0.5, "since": SINCE,
           "break_even_days": 3.0, "hours": 2.0, "rate": 1.5, "block": 286, "grade": 77, "height": 9}  # fmt: skip
    made.add("S2", {"items": [row, row | {"name": "B"}]}, "list_markets {}")
    adds = {one for one in row if not Speaker(made, "en").say(f"{{{{sum S2.items.{one}}}}}").faults}
    assert adds == {"held", "attempts", "gas", "gain_per_year", "readings"}


def test_a_count_says_of_what_and_a_field_is_beside_the_one_before_it() -> None:
    made = Facts(now=NOW)
    made.add(
        "S2", {"pages": [], "journal": [{"place": "entry 3", "at": NOW, "words": "run"}]}, 'search {"query": "a b"}'
    )
    assert Speaker(made, "en").say("{{count S2.journal}} {{S2.pages}}").text == (
        "Search (query: a b): number of hits in the journal: 1; hits in the documentation: none."
    )
    assert shown("{{S2r1.pnl.total, gas, held}}") == (
        "Aave v3: gain in all −12.50 USD; gas spent 0.00003277 ETH; held 50,170.77 USDC."
    )
    plan = {"id": "190b6e38223c3098", "gain_per_year": 1.0, "status": "executed", "expires_at": NOW + 60}
    made.add("S3", {"items": [plan]}, "list_plans {}")
    assert Speaker(made, "en").say("{{S3r1.expires_at}}").text.endswith("(in 1 minute) (status executed).")
    found = Speaker(made, "en").say("{{S3r1.status}}\n{{S9.x}}")
    assert found.faults
    assert said("{{S2r1.name}}").left_out == 1 and shown("{{S2r1.name, held}}") == "Aave v3: held 50,170.77 USDC."


def test_a_part_of_a_list_is_not_counted() -> None:
    for more in ({"next": "abc"}, {"total": 9}, {"items": [*POSITIONS["items"], "more rows are left out here"]}):
        made = Facts(now=NOW)
        made.add("S2", POSITIONS | more, "list_positions {}")
        assert Speaker(made, "en").say("{{count S2.items}} {{sum S2.items.held}}").faults


def test_numbers_are_rounded_where_the_citation_says_so_and_never_to_nothing() -> None:
    assert shown("{{S2r1.held|0}}") == "Aave v3: held 50,171 USDC."
    assert shown("{{S2r1.pnl.gas|2}}") == "Aave v3: gas spent 0.000033 ETH."
    assert shown("{{S2r1.held|9}}") == "Aave v3: held 50,170.768837 USDC."


def test_a_page_is_quoted_sentence_by_sentence_and_its_tables_with_their_heads() -> None:
    assert pieces(PAGE["text"]) == ["An alarm is a sign. STOP: no new money.", "Alarm: UTILISATION; From: 95 %"]
    made = Facts(now=NOW)
    made.add("S2", {"place": "p", "text": "One waits.\n\nIt ends.\n\nTwo comes.\n\nBeyond them it stops."}, "page")
    quotes = [Speaker(made, "en").say(f"{{{{S2.text.{at}}}}}").text for at in (1, 2, 3, 4)]
    assert quotes == [
        "p: “One waits. …”",
        "p: “One waits. It ends. …”",
        "p: “… Two comes. …”",
        "p: “… Two comes. Beyond them it stops.”",
    ], "what points back stands behind what it points to"
    quote = {
        "given": {"symbol": "WETH", "raw": "1", "text": "0.5"},
        "taken": {"symbol": "USDC", "raw": "1", "text": "9"},
    }
    made.add("S3", quote, 'quote {"given": "USDC", "wanted": "WETH", "amount": "9"}')
    assert Speaker(made, "en").say("{{S3.given, taken}}").text.replace("\u00a0", " ") == (
        "Quote (9 USDC → WETH): you get 0.5 WETH; you give 9 USDC."
    )
    assert [one[:1] for one in pieces("It is so, and so on. " * 60)] == ["I", "…", "…"], "a part says that it is one"
    assert pieces("So.\n\n```toml\na = 5\n\nb = 6\n```\n\nAnd.") == ["So.", "Example: a = 5", "Example: b = 6", "And."]
    assert pieces("| a | [b](c.md) |  |\n| d | e | f |") == ["a; b", "d; e; f"], "a passage that begins within a table"
    assert pieces("| `[policy.alarms]` | thresholds ([all](#x)) |") == ["[policy.alarms]; thresholds (all)"]
    assert shown("{{S5.text.2}}") == "docs/risk.md, Alarms: “… Alarm: UTILISATION; From: 95 %”."
    assert shown("{{S5.text.1}}", "de") == "docs/risk.md, Alarms: „An alarm is a sign. STOP: no new money. …“"


@pytest.mark.parametrize(
    "text",
    [
        *("It pays 5 %.", "Twice as much.", "It lost money.", "Das hat sich verdoppelt.", "Il a perdu.", "Bajó mucho."),
        *(
            "All is safe.",
            "Aave v3 is fine.",
            "No.",
            "Oui, bien sûr.",
            "That is not true.",
            "Das Gegenteil gilt.",
            "Keine.",
        ),
        *(
            "It was a week ago.",
            "Ｆｉｖｅ ５.",
            "½ of it",
            "Это плохо.",
            "It went up since yesterday.",
            "Une douzaine.",
        ),
        *(
            "The former beats the latter.",
            "That is not so.",
            "Es ist nicht so.",
            "No es eso.",
            "{{}}",
            "It holds that.",
        ),
        *(
            "Ce n'est pas vrai.",
            "On pays less.",
            "I do not pay.",
            "x" * 200,
            "…",
            "I | do",
            "you\u200b",
            "So be it <b>",
        ),
    ],
)
def test_no_sentence_of_the_models_own_speaks_of_figures(text: str) -> None:
    found = said(f"{{{{S2r1.held}}}}\n{text}")
    assert found.text.strip() == "Aave v3: held 50,170.77\u00a0USDC." and found.left_out == 1
    assert bool(found.faults) is any(sign.isdigit() for sign in text)


def test_small_talk_is_shown() -> None:
    for text in (
        "I could not find it.",
        "Hello!",
        "I am sorry.",
        "Das weiß ich nicht.",
        "Je ne le sais pas.",
        "No lo sé.",
    ):
        assert is_small_talk(text) and shown(text) == text


def test_sentences_end_where_no_citation_is_open() -> None:
    whole = "One. {{S2r1.held}} is there. {{highest S2.items.x where name = a. b}} Two:\n- three\n2. four"
    assert "".join(sentences(whole)) == whole
    assert sentences(whole)[:3] == [
        "One. ",
        "{{S2r1.held}} is there. ",
        "{{highest S2.items.x where name = a. b}} Two:\n",
    ]
    for end in range(len(whole)):
        *ready, rest = sentences(whole[:end])
        assert whole.startswith("".join(ready)) and all(one.count("{{") == one.count("}}") for one in ready), rest


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *(("What do we hold?", "en"), ("Was haben wir?", "de"), ("Qu'est-ce que nous avons ?", "fr"), ("USDC?", "en")),
        *(("Wie hoch ist die Rendite von Aave?", "de"), ("Pourquoi avons-nous quitté ce marché ?", "fr")),
        *(
            ("¿Qué tenemos?", "es"),
            ("¿Por qué salimos de ese mercado?", "es"),
            ("¿Cuántos mercados están congelados?", "es"),
            ("Märkte?", "de"),
            ("Was zahlt Aave v3 in 30 Tagen?", "de"),
        ),
    ],
)
def test_the_answer_is_in_the_language_of_the_question(text: str, language: str) -> None:
    assert language_of(text) == language


def test_every_word_is_there_in_every_language_with_the_same_places() -> None:
    for name, words in (FIELDS | WORDS).items():
        assert set(words) == set(LANGUAGES) and all(words.values()), name
        assert len({one.count("{}") for one in words.values()}) == 1, name
    assert not FOREIGN & set(FIELDS), "what strangers wrote has no name in answers"
