"""What an oracle of a Morpho market is made of, and when its price is none."""

from __future__ import annotations

import pytest

from tests.unit.protocols.test_backing import at, words
from yieldbot.model.ids import Address
from yieldbot.protocols.evm.doubts import CONSTANT, FEEDS, VAULTS, feeds_of, feeds_reads, unpriced

FEED, NOW = at(7), 1_796_000_000


@pytest.mark.parametrize(
    ("made_of", "feeds"),
    [
        ([words(0)] * 6, CONSTANT),
        ([words(0)] * 4 + [words(FEED), words(0)], ()),
        ([words(0), words(FEED), words(0), words(FEED), words(0), words(0)], (FEED,)),
        ([b""] * 6, ()),
        ([words(0)] * 4 + [b"", b""], ()),
    ],
)
def test_an_oracle_without_feeds_and_vaults_is_hard_coded(made_of: list[bytes], feeds: tuple[Address, ...]) -> None:
    """A vault's rate moves, and an oracle of another kind says nothing of what it is made of."""
    assert len(feeds_reads(at(9))) == len(FEEDS) + len(VAULTS) == len(made_of)
    assert feeds_of(made_of) == feeds
    fresh = words(1, 10**8, NOW, NOW, 1)
    why = unpriced(at(9), words(10**36), feeds, [fresh] * len(feeds), NOW)
    assert ("hard-coded" in (why or "")) is (feeds == CONSTANT)


def test_a_price_of_nothing_or_of_an_abandoned_feed_is_none() -> None:
    old = words(1, 10**8, NOW, NOW - 31 * 86_400, 1)
    for price, rounds, said in ((b"", [old], "nothing"), (words(0), [old], "answers 0"), (words(7), [old], "31 days")):
        assert said in (unpriced(at(9), price, (FEED,), rounds, NOW) or "")
