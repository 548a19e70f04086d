"""Groups markets into universes: the sets of markets that one wallet could use on one chain and that are compared with
each other."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.history.networks import is_dollar
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey

PRICED = ("pendle",)
"""Protocols whose markets fix a rate and are left early at a price, which recorded rates do not tell."""


def universes(panel: Panel, wanted: Sequence[str] = ()) -> dict[str, list[int]]:
    """The columns of each universe that has at least two markets, by the universe's name.

    Universes are the stablecoins of one protocol on one chain (``aave_v3 on eip155:1``), and one coin over several
    protocols of a chain (``USDC on eip155:1``). wanted: texts that a market's id, symbol or protocol must contain;
    markets that match none are left out, and so are those of PRICED.
    """
    chosen = [
        at
        for at, key in enumerate(panel.keys)
        if key.protocol not in PRICED and (not wanted or any(means(key, one) for one in wanted))
    ]
    found: dict[str, list[int]] = {}
    for at in chosen:
        key = panel.keys[at]
        if is_dollar(key.asset):
            found.setdefault(f"{key.protocol or 'markets'} on {key.chain}", []).append(at)
    protocols = {(key.chain, key.asset): set[str]() for key in panel.keys}
    for key in panel.keys:
        protocols[key.chain, key.asset].add(key.protocol)
    for at in chosen:
        key = panel.keys[at]
        if is_dollar(key.asset) and len(protocols[key.chain, key.asset]) > 1:
            found.setdefault(f"{key.asset} on {key.chain}", []).append(at)
    return {name: columns for name, columns in found.items() if len(columns) > 1}


def recorded(panel: Panel, columns: Sequence[int], firsts: Sequence[int], window: int, warm: int) -> list[int]:
    """The windows (by their first rows) in which a universe's markets are recorded: at the first row two of them have
    a quote, ``warm`` rows after the first time that two had one, and one still has a quote at the last row or later.
    Without this, a memory that holds recordings of other years too would count windows in which nothing could be held.
    """
    import numpy as np

    several = np.isfinite(panel.quoted[:, list(columns)]).sum(axis=1) > 1
    if not several.any():
        return []
    begins, last = int(np.argmax(several)) + warm, ends(panel, columns)
    return [at for at in firsts if at >= begins and at + window <= last and several[at]]


def ends(panel: Panel, columns: Sequence[int]) -> int:
    """The last row in which any of the markets has a quote; -1: none has."""
    import numpy as np

    known = np.flatnonzero(np.isfinite(panel.quoted[:, list(columns)]).any(axis=1))
    return int(known[-1]) if len(known) else -1


def means(key: MarketKey, text: str) -> bool:
    """Whether a user's text names this market: a part of its id, or its symbol, protocol or chain."""
    one = text.casefold()
    return one in (key.market.casefold(), key.asset.casefold(), key.protocol.casefold(), key.chain.casefold()) or (
        one in key.market.casefold()
    )
