"""Kept books as compact JSON text, and back. Pure.

A line has what all others refer to; each further one has some of the entries or observations, so that few of them are
in memory twice when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from yieldbot.books.entries import Entry, EntryKind, Place
from yieldbot.books.kept import KeptBooks
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import RecordedForecast, RecordedHolding
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.json_text import loads
from yieldbot.model.tx import Delta

VERSION = 1
"""Raised whenever the text, an accounting entry or what is kept changes: another version's text is not read."""


AT_ONCE = 200
"""Entries or observations of one line."""


class _Names:
    """Values that come often, each once."""

    def __init__(self) -> None:
        self.found: dict[Any, int] = {}

    def of(self, value: Any) -> int:
        return -1 if value is None else self.found.setdefault(value, len(self.found))


def to_text(kept: KeptBooks, again: Sequence[int]) -> str:
    """The text. again: numbers of the rows that must be read again with it."""
    texts, tokens = _Names(), _Names()

    def token(one: Token | None) -> int:
        return -1 if one is None else tokens.of((texts.of(one.chain), texts.of(one.address), one.symbol, one.decimals))

    def owned(account: tuple[str, str]) -> list[int]:
        return [texts.of(account[0]), texts.of(account[1])]

    entries = [
        [
            *place, *owned(one.account), one.kind.value, one.at, one.height, one.hash, texts.of(one.description),
            texts.of(one.market_id), token(one.asset), [[token(d.token), d.raw] for d in one.changes],
            sorted(map(token, one.shares)), token(one.native), one.fee_raw, one.rent_raw, int(one.all), one.plan,
        ]
        for place, one in kept.placed
    ]  # fmt: skip
    looks = []
    for row in kept.looks:
        look = row.entry
        assert isinstance(look, Observed)
        held = None
        if look.holdings is not None:
            held = [
                [texts.of(market), one.held_raw, one.apr, texts.of(one.name), _said(one.forecast)]
                for market, one in look.holdings.items()
            ]
        predicted = None
        if look.predicted is not None:
            predicted = [[texts.of(market), _said(one)] for market, one in look.predicted.items()]
        looks.append([row.seq, row.at, *owned((look.chain, look.owner)), look.block.height, look.block.timestamp,
                      texts.of(look.asset), held, look.plan_id, predicted])  # fmt: skip
    doc = {
        "again": list(again),
        "opened": sorted([*owned(account), texts.of(market), token(asset)] for account, market, asset in kept.opened),
        "signed": [[*owned(account), own] for account, own in kept.signed.items()],
        "plans": sorted(kept.plans),
        "prices": [[*owned(key), *map(list, zip(*own, strict=True))] for key, own in kept.prices.items()],
        "thinned": [[*owned(account), at] for account, at in kept.thinned.items()],
        "tokens": list(tokens.found),
        "texts": list(texts.found),
    }
    parts = [
        [name, rows[begin : begin + AT_ONCE]]
        for name, rows in (("entries", entries), ("looks", looks))
        for begin in range(0, len(rows), AT_ONCE)
    ]
    return "\n".join(json.dumps(part, separators=(",", ":")) for part in (doc, *parts))


def from_text(text: str) -> tuple[KeptBooks, tuple[int, ...]]:
    """(what was kept, the numbers beside it). Raises ValueError for another text."""
    try:
        lines = _lines(text)
        return _from_doc(loads(next(lines, "")), lines)
    except (TypeError, AttributeError, LookupError, ArithmeticError) as wrong:
        raise ValueError(f"no kept books: {wrong}") from None


def _lines(text: str) -> Iterator[str]:
    """The lines, without a copy of all of them."""
    begin = 0
    while begin <= len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        yield text[begin:end]
        begin = end + 1


def _from_doc(doc: Any, lines: Iterator[str]) -> tuple[KeptBooks, tuple[int, ...]]:
    texts: list[Any] = [*doc["texts"], None]
    tokens: list[Any] = [
        *(Token(ChainId(texts[chain]), Address(texts[where]), *rest) for chain, where, *rest in doc["tokens"]), None
    ]  # fmt: skip
    kinds = {kind.value: kind for kind in EntryKind}

    def entries(rows: Any) -> Iterator[tuple[Place, Entry]]:
        return (
            (
                (group, seq, index),
                Entry(
                    account=(texts[chain], texts[owner]), kind=kinds[kind], at=at, height=height, hash=tx_hash,
                    description=texts[words], market_id=texts[market], asset=tokens[asset],
                    changes=tuple([Delta(tokens[token], raw) for token, raw in changes]),
                    shares=frozenset([tokens[token] for token in shares]), native=tokens[native], fee_raw=fee_raw,
                    rent_raw=rent_raw, all=bool(everything), plan=plan,
                ),
            )
            for group, seq, index, chain, owner, kind, at, height, tx_hash, words, market, asset, changes, shares,
            native, fee_raw, rent_raw, everything, plan in rows
        )  # fmt: skip

    def looked(rows: Any) -> Iterator[Record]:
        return (
            Record(
                seq,
                at,
                Observed(
                    texts[chain],
                    texts[owner],
                    BlockRef(texts[chain], height, "", time),
                    asset=texts[asset],
                    holdings=None if held is None else {texts[one[0]]: _holding(one, texts) for one in held},
                    plan_id=plan,
                    predicted=None
                    if predicted is None
                    else {texts[market]: _forecast(one) for market, one in predicted},
                ),
            )
            for seq, at, chain, owner, height, time, asset, held, plan, predicted in rows
        )

    placed: list[tuple[Place, Entry]] = []
    looks: list[Record] = []
    for line in lines:
        name, rows = loads(line)
        if name == "entries":
            placed += entries(rows)
        else:
            looks += looked(rows)
    kept = KeptBooks(
        placed=tuple(placed),
        opened=frozenset(
            ((texts[chain], texts[owner]), MarketId(texts[market]), tokens[asset])
            for chain, owner, market, asset in doc["opened"]
        ),
        signed={(texts[chain], texts[owner]): own for chain, owner, own in doc["signed"]},
        plans=frozenset(doc["plans"]),
        looks=tuple(looks),
        prices={
            (texts[chain], texts[token]): list(zip(times, usd, strict=True))
            for chain, token, times, usd in doc["prices"]
        },
        thinned={(texts[chain], texts[owner]): at for chain, owner, at in doc["thinned"]},
    )
    return kept, tuple(doc["again"])


def _said(one: RecordedForecast | None) -> list[Any] | None:
    return None if one is None else [one.mean, one.low, one.high, one.days, one.quoted, one.expected, one.by]


def _forecast(said: Sequence[Any]) -> RecordedForecast:
    mean, low, high, days, quoted, expected, by = said
    return RecordedForecast(mean=mean, low=low, high=high, days=days, quoted=quoted, expected=expected, by=by)


def _holding(one: Sequence[Any], texts: Sequence[Any]) -> RecordedHolding:
    _, raw, apr, name, said = one
    forecast = None if said is None else _forecast(said)
    return RecordedHolding(held_raw=raw, apr=apr, horizon_seconds=0.0, name=texts[name], forecast=forecast)
