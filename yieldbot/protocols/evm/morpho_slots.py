"""Many Morpho Blue markets at once, read from Morpho's storage by ``extSloads``: 250 markets a call in place of one.

Source of the slots: morpho-blue MorphoStorageLib (slots of the mappings) and IMorpho (layout of Position and Market).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yieldbot.errors import MarketError
from yieldbot.math.morpho import MarketTotals
from yieldbot.model.abi_words import WORD
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import EthCall, Flow
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.reads import Reads

POSITION_SLOT, MARKET_SLOT = 2, 3
"""Slots of the mappings Id -> owner -> Position and Id -> Market."""
WORDS = 4
"""Words read of each market: our supply shares, and its totals (three)."""
AT_ONCE = 250
"""Markets of one call: some 2.5 million gas."""
HALF = 2**128
"""Two numbers of 128 bits share a word, the first in its lower half."""


@dataclass(frozen=True, slots=True)
class StoredMarket:
    """What Morpho and its rate model have stored of one market."""

    totals: MarketTotals
    """Supply and debt at the last accrual."""
    rate_at_target: int
    """Borrow rate at target utilisation at the last accrual, per second, scaled by 1e18."""
    shares: int
    """The owner's supply shares."""


def stored_markets(
    morpho: Address, irm: Address, ids: Sequence[bytes], owner: Address
) -> Flow[tuple[StoredMarket, ...]]:
    """Each market as stored, in one round. Raises MarketError where Morpho's own functions answer otherwise than its
    storage reads: then its storage is not Morpho Blue's."""
    blue, reads = abi("morpho_blue"), Reads()
    parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    words = [reads.add(_words_read(morpho, [s for one in part for s in _slots(one, owner)])) for part in parts]
    rates = [reads.add(blue.read(irm, "rateAtTarget", one)) for one in ids]
    shown = [
        (reads.add(blue.read(morpho, "market", part[0])), reads.add(blue.read(morpho, "position", part[0], owner)))
        for part in parts
    ]
    yield from reads.made()
    found: list[StoredMarket] = []
    for part, answer, (market, position) in zip(parts, words, shown, strict=True):
        rows = list(_rows(answer.data, len(part)))
        first = MarketTotals(*blue.decode("market", market.data)), blue.decode("position", position.data)[0]
        if rows[0] != first:
            raise MarketError(f"{morpho} stores its markets otherwise than Morpho Blue does: {rows[0]} is not {first}")
        for totals, shares in rows:
            rate = blue.one("rateAtTarget", rates[len(found)].data)
            found.append(StoredMarket(totals, rate, shares))
    return tuple(found)


def _slots(market_id: bytes, owner: Address) -> tuple[bytes, ...]:
    """The words of one market, in the order in which ``_rows`` decodes them."""
    of_market = keccak(market_id + POSITION_SLOT.to_bytes(WORD, "big"))
    position = keccak(bytes(12) + bytes.fromhex(owner[2:]) + of_market)
    first = int.from_bytes(keccak(market_id + MARKET_SLOT.to_bytes(WORD, "big")), "big")
    return position, *((first + k).to_bytes(WORD, "big") for k in range(WORDS - 1))


def _words_read(morpho: Address, slots: Sequence[bytes]) -> EthCall:
    """extSloads(slots), its dynamic array encoded by hand: eth_abi would take most of a glance's time."""
    head = WORD.to_bytes(WORD, "big") + len(slots).to_bytes(WORD, "big")
    return EthCall(morpho, abi("morpho_blue").selector("extSloads") + head + b"".join(slots))


def _rows(data: bytes, count: int) -> Iterator[tuple[MarketTotals, int]]:
    """(totals, the owner's shares) of each market of one answer. Raises ValueError for one of another length."""
    if len(data) != WORD * (2 + count * WORDS):
        raise ValueError(f"{len(data)} bytes are not the words of {count} markets")
    numbers = [int.from_bytes(data[at : at + WORD], "big") for at in range(2 * WORD, len(data), WORD)]
    for at in range(0, len(numbers), WORDS):
        shares, supply, borrow, time = numbers[at : at + WORDS]
        halves = (part for word in (supply, borrow, time) for part in (word % HALF, word // HALF))
        yield MarketTotals(*halves), shares
