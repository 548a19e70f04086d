"""One row of memory: a market's values at one block, or in one row of a recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from yieldbot.model.dataclass import dataclass

STANDARD_SIZES = (1e3, 1e4, 1e5, 1e6, 1e7)
"""Sizes of a deposit of ours, in whole tokens, for which each reading stores the rate after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketKey:
    """The key of a market across readings, files and sources."""

    chain: str
    """CAIP-2 id: ``eip155:8453``, ``solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp``."""
    market: str
    """The market's id (``aave_v3/8453/usdc``), or its name in a recording."""
    protocol: str = ""
    """The adapter's name, with its version: ``aave_v3``; empty: the source does not state it."""
    asset: str = ""
    """Symbol of the token that is lent: ``USDC``."""
    asset_address: str = ""
    """The asset's token contract or mint; empty: the source does not state it. Needed because some symbols name two
    tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One market's values at one block. Rates are simple annual fractions (0.05 is 5 %), amounts are whole tokens of
    the market's asset; None: the source does not state it."""

    key: MarketKey
    """The market."""
    time: int
    """Unix seconds of the block."""
    height: int | None = None
    """The block's number, or the slot; None for recordings without one."""
    source: str = "observed"
    """``observed``, ``backfill``, or ``import:NAME`` of a recording."""
    supply_rate: float | None = None
    """Quoted supply rate at this block, before any deposit of ours."""
    mean_rate: float | None = None
    """Mean supply rate since ``mean_since``: log growth of the market's index, a year."""
    mean_since: int | None = None
    """Unix seconds at which the span of ``mean_rate`` begins."""
    index: float | None = None
    """The market's index (or share price); only its growth between two readings has a meaning."""
    borrow_rate: float | None = None
    """Quoted borrow rate."""
    utilisation: float | None = None
    """Borrowed over supplied."""
    supplied: float | None = None
    """Total supplied, our holding included."""
    borrowed: float | None = None
    """Total borrowed."""
    cash: float | None = None
    """What all suppliers together could withdraw now."""
    capacity: float | None = None
    """What can still be deposited; None: unlimited or unknown."""
    reserve_factor: float | None = None
    """Fraction of the interest that the protocol keeps."""
    held: float | None = None
    """Our own holding at that block."""
    rates_after: tuple[float, ...] | None = None
    """Supply rates after a deposit of each of ``STANDARD_SIZES``."""
    status: str = "active"
    """``active``, ``frozen``, ``paused``, ``deprecated``: the market's status."""
    price_usd: float | None = None
    """Dollars for one whole token of the asset."""
    traded_usd: float | None = None
    """Dollars for one whole token by its price in pools; only for tokens pegged to the dollar."""
    token_supply: float | None = None
    """Total supply of the asset on its chain."""
    backing: tuple[tuple[str, float], ...] = ()
    """(token address, total supply in base units) of each collateral that the market rests on, where it was read."""
    rewards: tuple[Mapping[str, object], ...] = ()
    """Incentives on top of the yield: for each its token, annual rate and end, as JSON values."""
    flags: tuple[str, ...] = ()
    """Warnings about the market."""
    curve: str | None = None
    """The whole yield curve as tagged JSON (``history/curves.py``)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something suspicious or wrong in a file or a series; it is always reported."""

    where: str
    """File and line, or market and time."""
    what: str
    """What is wrong, in one line."""
    taken: bool = False
    """Whether the reading is used in spite of the fault."""
    kind: str = ""
    """Kind, for counting (``app/memory_documents.py`` lists them)."""


def add_new(faults: list[Fault], more: Iterable[Fault]) -> None:
    """Add faults; a file is reported only once, however often it is read."""
    files = {one.where for one in faults if one.kind == "file"}
    for one in more:
        if one.kind != "file" or one.where not in files:
            faults.append(one)
            files.add(one.where)


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of importing a file."""

    readings: tuple[Reading, ...]
    """Ascending by market, then time."""
    faults: tuple[Fault, ...] = field(default=())
    """Rows that were left out or are suspicious, with the reason."""
