"""The changes of our liquidity positions, from the position manager's events in transactions' receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import partial
from typing import Any

from yieldbot.books.chain_record import Quotes
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.liquidity_pnl import PositionEvent
from yieldbot.chains.evm.account_history import each, quotes_at
from yieldbot.chains.evm.liquidity.position_events import moves_in
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.rollups import fee_of_receipt
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.native import native_token
from yieldbot.model.settings import ChainSettings
from yieldbot.model.tx import Delta

Moves = Mapping[str, tuple[PositionEvent, ...]]
"""Position events by transaction hash."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """Changes that our account made to its positions with other programs."""

    entries: tuple[Entry, ...] = ()
    """An accounting entry for each transaction."""
    moves: Moves = field(default_factory=dict)
    """The position events of these transactions."""
    quotes: Quotes = field(default_factory=dict)
    """The feeds' prices at the transactions' blocks."""


async def moves_of(node: Node, hashes: Iterable[str], managers: frozenset[Address]) -> Moves:
    """The position events of these transactions. Those without a readable receipt are left out. Raises
    TransientError."""
    found = {}
    for name, receipt in (await _receipts(node, hashes)).items():
        try:
            found[name] = moves_in(receipt["logs"], managers)
        except (KeyError, TypeError, ValueError):
            continue
    return found


async def by_hand(
    node: Node,
    settings: ChainSettings,
    owner: Address,
    hashes: Iterable[str],
    places: Mapping[int, tuple[MarketId, Pool]],
    managers: frozenset[Address],
    also: Iterable[Token] = (),
) -> ByHand:
    """The changes that our account itself made in these transactions; transactions of other senders are left out.
    places: market and pool by the position's number. A transaction in several pools is left out, since its events do
    not show which pool paid for what. also: further tokens whose prices are read.

    Raises TransientError.
    """
    receipts, native = await _receipts(node, hashes), native_token(settings)
    found: list[tuple[str, int, tuple[PositionEvent, ...], tuple[MarketId, Pool]]] = []
    for name, receipt in receipts.items():
        try:
            moved, sender = moves_in(receipt["logs"], managers), str(receipt["from"]).lower()
            height = int(receipt["blockNumber"], 16)
        except (KeyError, TypeError, ValueError):
            continue
        where = {places[one.position] for one in moved if one.position in places}
        if sender == owner.lower() and len(where) == 1:
            found.append((name, height, moved, where.pop()))
    blocks = await each([partial(node.block, height) for _, height, *_ in found])
    entries = [
        _entry(name, owner, block, moved, place, native, fee_of_receipt(receipts[name]))
        for (name, _, moved, place), block in zip(found, blocks, strict=True)
    ]
    notes: list[str] = []
    quotes = await quotes_at(node, settings, entries, tuple(also), notes, lambda line: None)
    return ByHand(tuple(entries), {name: moved for name, _, moved, _ in found}, quotes)


def _entry(
    name: str,
    owner: Address,
    block: BlockRef,
    moved: tuple[PositionEvent, ...],
    place: tuple[MarketId, Pool],
    native: Token,
    fee_raw: int | None,
) -> Entry:
    """The accounting entry of one transaction in one pool."""
    market_id, pool = place
    signed = [(-1 if one.liquidity > 0 else 1, one.amounts) for one in moved if one.liquidity >= 0]
    changes = [
        Delta(token, sign * raw)
        for sign, amounts in signed
        for token, raw in zip((pool.token0, pool.token1), amounts, strict=True)
        if raw
    ]
    return Entry(
        account=(block.chain, owner),
        kind=EntryKind.LIQUIDITY if changes else EntryKind.GAS,
        at=block.timestamp,
        height=block.height,
        hash=name,
        description="by another program",
        market_id=market_id,
        changes=tuple(changes),
        native=native,
        fee_raw=fee_raw,
    )


async def _receipts(node: Node, hashes: Iterable[str]) -> dict[str, Any]:
    """Receipts by transaction hash."""
    names = tuple(dict.fromkeys(hashes))
    answers = await each([partial(node.request, "eth_getTransactionReceipt", [name]) for name in names])
    return dict(zip(names, answers, strict=True))
