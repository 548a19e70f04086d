"""What our transactions did to positions of liquidity, by the position manager's events in their receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from yieldbot.bookkeeping.evm import each
from yieldbot.books.liquidity import Moved
from yieldbot.liquidity_events import moves_in
from yieldbot.model.ids import Address
from yieldbot.rpc.evm import EvmNode


async def moves_of(
    node: EvmNode, hashes: Iterable[str], managers: frozenset[Address]
) -> Mapping[str, tuple[Moved, ...]]:
    """By hash; what the node has no receipt of, or none that can be read, is left out. Raises TransientError."""
    names = tuple(dict.fromkeys(hashes))
    told = await each([partial(node.request, "eth_getTransactionReceipt", [name]) for name in names])
    found = {}
    for name, receipt in zip(names, told, strict=True):
        try:
            found[name] = moves_in(receipt["logs"], managers)
        except (KeyError, TypeError, ValueError):
            continue
    return found
