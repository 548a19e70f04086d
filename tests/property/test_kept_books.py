"""The accounting's part of a journal, kept as of one row, gives the figures that all rows give; or it is not used."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.draws import draws
from tests.kit.journal.store import CHAIN, OWNER, USDC
from tests.property.test_relevant import BEGIN, MARKETS, OTHER, drawn
from yieldbot.app import kept_books
from yieldbot.app.account_entries import by_account, open_of
from yieldbot.books.chain_record import handed_over
from yieldbot.books.entries import Entry, EntryKind, of_accounts
from yieldbot.books.kept import KeptBooks, gathered
from yieldbot.books.kept_text import VERSION, from_text
from yieldbot.books.ledger import post
from yieldbot.books.recorded_prices import nearest
from yieldbot.books.stays import Noted, looks_of, stays
from yieldbot.errors import InvariantError
from yieldbot.history.holdings import recorded_names
from yieldbot.history.predictions import predictions
from yieldbot.journal.journal_entries import JournalEntry, Observed
from yieldbot.journal.observations import RecordedForecast, RecordedPrices
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Delta

ACCOUNTS = [(CHAIN, OWNER), (CHAIN, OTHER)]
LONG_AFTER = 10**10


def figures(books: KeptBooks) -> dict[str, Any]:
    """Everything that is made of it."""
    priced = {key: [(at, usd) for at, usd in own] for key, own in books.prices.items()}
    entries, looks, rows = of_accounts(books.entries), looks_of(books.looks), by_account(books.rest)
    now = {market: Noted(LONG_AFTER, 7) for market in MARKETS}
    return {
        "entries": books.entries,
        "rows": post(books.entries, lambda entry, token: nearest(priced, CHAIN, token.address, entry.at)).rows,
        "prices": priced,
        "names": recorded_names(books.looks),
        "predictions": [replace(one, block=replace(one.block, hash="")) for one in predictions(books.looks)],
        "hashes": [books.hashes(account) for account in ACCOUNTS],
        "open": [open_of(rows.get(account, ()), account) for account in ACCOUNTS],
        "handed": [handed_over(rows.get(account, ()), account) for account in ACCOUNTS],
        "stays": [
            stays(looks.get(account, ()), entries.get(account, ()), account, one)
            for account in ACCOUNTS
            for one in (None, now)
        ],
        "accounts": list(looks),
    }


def lived(seed: int) -> list[JournalEntry]:
    """A journal with prices and forecasts; half of them in order of the chain's time, in which more can be left out."""
    rng = random.Random(seed)
    found, ordered = list[JournalEntry](), seed % 2
    for number, entry in enumerate(drawn(seed, 30 + seed % 90, done=rng.choice([3, 12]))):
        if isinstance(entry, Observed):
            at = BEGIN + number * 1800 if ordered else entry.block.timestamp
            prices = RecordedPrices(asset=rng.choice([None, 1.0, 0.99]), native=rng.choice([None, 3000.0]))
            entry = replace(entry, block=replace(entry.block, timestamp=at), prices=prices)
            if rng.random() < 0.1 and entry.holdings:
                said = RecordedForecast(mean=0.03, low=0.01, high=0.05, days=7.0, quoted=0.04, expected=0.02, by="best")
                holdings = {market: replace(one, forecast=said) for market, one in entry.holdings.items()}
                entry = replace(entry, holdings=holdings)
        found.append(entry)
    return found


def test_a_journal_cut_anywhere_gives_the_same_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = Counter[str]()
    monkeypatch.setattr(kept_books, "gathered", lambda records: used.update(["whole"]) or gathered(records))
    for seed in range(draws(60, 4000)):
        rng, entries = random.Random(seed), lived(seed)
        with Journal.open(tmp_path / f"{seed}") as journal:
            journal.append(*entries[: rng.randint(0, len(entries))])
            for _ in range(2):
                journal.keep_derived(kept_books.NAME, VERSION, text := kept_books.made_of(journal))
                used["left out"] += len(gathered(journal.records()).looks) - len(from_text(text)[0].looks)
                rest = entries[journal.head()[0] :]
                journal.append(*rest[: rng.choice([0, 1, 3, len(rest)])])
                before = used["whole"]
                found = kept_books.books_of(journal)
                used["kept"] += used["whole"] == before
                used["with entries"] += used["whole"] == before and len(from_text(text)[0].placed) > 2
                assert figures(found) == figures(gathered(journal.records())), seed
                kept_books.verify(journal)
    assert used["with entries"] > 15 and used["left out"] > 50 and used["whole"] > 5, used


def test_what_somebody_changed_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.sqlite"
    monkeypatch.setattr(kept_books, "LEAST_ROWS", 10)
    with Journal.open(path) as journal:
        journal.append(*lived(3))
        kept_books.keep(journal)
        right = figures(kept_books.whole(journal))
        assert journal.derived_up_to(kept_books.NAME, VERSION) == journal.head()[0]

    def after(statement: str) -> None:
        with sqlite3.connect(path) as database:
            database.execute(statement)
        database.close()
        with Journal.read(path) as journal:
            assert journal.derived(kept_books.NAME, VERSION) is None
            assert figures(kept_books.books_of(journal)) == right

    after("UPDATE derived SET state = replace(state, '\"withdraw\"', '\"deposit\"')")
    after("UPDATE derived SET seq = seq - 1")
    after("UPDATE derived SET version = version + 1")
    after("DROP TABLE derived")


def test_one_that_was_forged_with_its_digest_is_found_by_verifying(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.append(*lived(3))
        text = kept_books.made_of(journal)
        kept_books.verify(journal)
        journal.keep_derived(kept_books.NAME, VERSION, text.replace('"withdraw"', '"deposit"'))
        assert text != text.replace('"withdraw"', '"deposit"')
    with Journal.read(path) as journal, pytest.raises(InvariantError, match="accounting"):
        kept_books.verify(journal)
    with Journal.read(path) as journal:
        assert journal.derived(kept_books.NAME, VERSION) is None, "it was removed"
        kept_books.verify(journal)


def test_a_stranger_among_what_was_left_out_is_noticed() -> None:
    times = [BEGIN + number * 600 for number in range(5)]
    kept = KeptBooks(signed={(CHAIN, OWNER): {"0xa": 1}}, thinned={(CHAIN, OWNER): times[2]})

    def moved(at: int, name: str) -> Entry:
        changes = (Delta(USDC, 5),)
        return Entry(account=(CHAIN, OWNER), kind=EntryKind.IN, at=at, height=1, hash=name, changes=changes)

    lacks = [kept.lacks_looks_of((CHAIN, OWNER), [moved(at, "0xb")], times[4]) for at in times]
    assert lacks == [True, True, True, False, False]
    assert not kept.lacks_looks_of((CHAIN, OWNER), [moved(times[0], "0xa")], times[4]), "it is ours"
    assert kept.lacks_looks_of((CHAIN, OWNER), [], times[2]), "the chain is behind what runs observed"
    assert not kept.lacks_looks_of((CHAIN, OTHER), [moved(times[0], "0xb")], times[0])


def test_any_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no kept books"):
        from_text("{}")
    with pytest.raises(ValueError, match="Expecting"):
        from_text("")
