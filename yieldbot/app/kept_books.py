"""The accounting's part of the journal, kept in the journal's file as of one row, so that ``positions`` and ``export``
need not read all rows again.

It is only ever a shortcut: whatever is missing, of another version, changed, or said anew by a later row, all rows are
read, which gives the same figures (tests/property/test_kept_books.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.books.entries import Account, Entry, Place
from yieldbot.books.kept import KeptBooks, completed, gathered, to_keep
from yieldbot.books.kept_text import VERSION, from_text, to_text
from yieldbot.books.recorded_prices import Recorded, joined
from yieldbot.books.stays import looks_of, stays
from yieldbot.errors import InvariantError
from yieldbot.history.predictions import Prediction, predictions

if TYPE_CHECKING:
    from yieldbot.journal.fold import Record
    from yieldbot.journal.store import Journal

NAME = "books"
LEAST_ROWS = 2000
"""It is kept anew once so many rows that count were added, and a tenth of those before."""


def books_of(journal: Journal) -> KeptBooks:
    """The accounting's part of the journal. Raises InvariantError for one that contradicts itself."""
    try:
        stored = journal.derived(NAME, VERSION)
        if stored is not None:
            try:
                since, (kept, again) = stored.seq, from_text(stored.state)
            except ValueError:
                return whole(journal)
            del stored
            found = completed(kept, since, journal.records_beside(since, again))
            if found is not None:
                return found
        return whole(journal)
    except ValueError as damage:
        raise contradiction(journal, damage) from None


def whole(journal: Journal) -> KeptBooks:
    """The same from all rows. Raises InvariantError for a journal that contradicts itself."""
    try:
        return gathered(journal.records())
    except ValueError as damage:
        raise contradiction(journal, damage) from None


def contradiction(journal: Journal, damage: ValueError) -> InvariantError:
    """The error for a journal whose rows contradict each other."""
    return InvariantError(f"journal {journal.path} contradicts itself: {damage}")


def keep(journal: Journal) -> None:
    """Keep it, if much was added since it was kept last; the journal must be open to be written. A journal that
    contradicts itself is left alone: who needs its figures says so."""
    since = journal.derived_up_to(NAME, VERSION)
    if journal.head()[0] - since < LEAST_ROWS:
        return
    numbers = journal.relevant().numbers(None)
    added = sum(number > since for number in numbers)
    if added >= max(LEAST_ROWS, (len(numbers) - added) // 10) and (text := made_of(journal)):
        journal.keep_derived(NAME, VERSION, text)


def verify(journal: Journal) -> None:
    """Check that what is kept is what the rows give. Raises InvariantError if it is not, and removes it."""
    stored = journal.derived(NAME, VERSION)
    if stored is None:
        return
    try:
        kept, again = from_text(stored.state)
        found = completed(kept, stored.seq, journal.records_beside(stored.seq, again))
        if found is None:  # a later row says something new about what was kept: it is not used
            return
        right = _is_right(found, journal.records_by_account()) or _is_right(found, [journal.records()])
    except ValueError:
        right = False
    if not right:
        journal.remove_checkpoints()
        raise InvariantError(
            f"journal {journal.path}: the accounting kept in it is not what its rows give: somebody changed it, or the "
            "disk fails. It is removed and made anew; the rows are sound"
        )


def _is_right(found: KeptBooks, groups: Iterable[Iterable[Record]]) -> bool:
    """Whether everything that the accounting shows is computed from what these groups of records give, one after
    another."""
    looks, entries = looks_of(found.looks), dict[Account, list[tuple[Place, Entry]]]()
    for place, entry in found.placed:
        entries.setdefault(entry.account, []).append((place, entry))
    said = dict[Account, list[Prediction]]()
    for one in predictions(found.looks):
        said.setdefault((one.chain, one.owner), []).append(one)
    prices, accounts = Recorded(), set[Account]()
    for records in groups:
        own = gathered(records)
        its_looks = looks_of(own.looks)
        for account in {*its_looks, *own.signed, *(entry.account for entry in own.entries)}:
            accounts.add(account)
            mine = [one for one in own.placed if one[1].account == account]
            if entries.get(account, []) != mine or found.signed.get(account, {}) != own.signed.get(account, {}):
                return False
            if {one for one in found.opened if one[0] == account} != {one for one in own.opened if one[0] == account}:
                return False
            booked = [entry for _, entry in mine]
            both = [stays(seen.get(account, ()), booked, account) for seen in (looks, its_looks)]
            if both[0] != both[1] or _said(said.get(account, [])) != _said(
                one for one in predictions(own.looks) if (one.chain, one.owner) == account
            ):
                return False
        prices = joined(prices, own.prices)
    return prices == found.prices and accounts.issuperset((*looks, *entries, *(name for name in found.signed)))


def _said(found: Iterable[Prediction]) -> list[Prediction]:
    return [replace(one, block=replace(one.block, hash="")) for one in found]


def made_of(journal: Journal) -> str:
    """The text that is kept of the rows as they are now; empty for a journal that contradicts itself."""
    try:
        return to_text(*to_keep(journal.records(), journal.relevant().passing))
    except ValueError:
        return ""
