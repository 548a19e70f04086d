"""Prices that runs recorded in the journal: used when a feed's past price cannot be read. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from fractions import Fraction

from yieldbot.books.ledger import PriceQuote
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.model.families import family_of
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.known import WRAPPED_SOL

NEAR_SECONDS = 3600
"""A recorded price is used for a transaction at most this long before or after it."""

Recorded = dict[tuple[ChainId, Address], list[tuple[int, float]]]
"""(unix seconds, price) of each token, the oldest first."""


def recorded_prices(records: Iterable[Record]) -> Recorded:
    """Every price in the journal."""
    found: Recorded = {}
    for row in records:
        if not isinstance(row.entry, Observed):
            continue
        prices, asset = row.entry.prices, row.entry.asset
        chain, at = row.entry.chain, row.entry.block.timestamp
        native = Address(family_of(chain).native)
        for usd, address in ((prices.asset, native if asset == WRAPPED_SOL else asset), (prices.native, native)):
            if usd is not None and usd > 0 and address is not None:
                found.setdefault((chain, address), []).append((at, usd))
    for each in found.values():
        each.sort()
    return found


def joined(one: Recorded, other: Recorded) -> Recorded:
    """The prices of both."""
    return {
        key: sorted([*one.get(key, ()), *other.get(key, ())]) for key in (*one, *(k for k in other if k not in one))
    }


def nearest(found: Recorded, chain: ChainId, token: Address, at: int) -> PriceQuote | None:
    """The recorded price nearest to a time, its source stating the distance; None if none is near."""
    prices = found.get((chain, token), [])
    position = bisect_left(prices, (at, 0.0))
    near = sorted(prices[max(0, position - 1) : position + 1], key=lambda one: abs(one[0] - at))
    if not near or abs(near[0][0] - at) > NEAR_SECONDS:
        return None
    when, price = near[0]
    how = f"{abs(when - at)} s {'later' if when > at else 'before'}" if when != at else "then"
    return PriceQuote(Fraction(repr(price)), f"written down {how}")
