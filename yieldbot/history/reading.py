"""One row of memory: what one market showed at one block, or what a recording says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

STANDARD_SIZES = (1e3, 1e4, 1e5, 1e6, 1e7)
"""Holdings of ours, in whole tokens, at which each reading keeps the rate after our deposit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketKey:
    """What names a market across readings, files and sources."""

    chain: str
    """CAIP-2 id: ``eip155:8453``, ``solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp``."""
    market: str
    """The market's id (``aave_v3/8453/usdc``), or, of a recording, what names it there."""
    protocol: str = ""
    """The adapter's name, with its version: ``aave_v3``; empty where the source does not say."""
    asset: str = ""
    """Symbol of what is lent: ``USDC``."""
    asset_address: str = ""
    """The asset's token contract or mint; empty where the source does not say. Some symbols name two tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one market showed at one block. Rates are simple annual fractions (0.05 is 5 %); amounts are whole tokens of
    the market's asset; None where the source does not say."""

    key: MarketKey
    """Which market."""
    time: int
    """Unix seconds of the block."""
    height: int | None = None
    """The block's number, or the slot; None for recordings without one."""
    source: str = "observed"
    """``observed``, ``backfill``, or ``import:NAME`` of a recording."""
    supply_rate: float | None = None
    """What suppliers are quoted at this block, before any deposit of ours."""
    mean_rate: float | None = None
    """What suppliers really earned since ``mean_since``: log growth of the market's index, a year."""
    mean_since: int | None = None
    """Unix seconds from which ``mean_rate`` counts."""
    index: float | None = None
    """The market's index (or share price), of which only growth between two readings counts."""
    borrow_rate: float | None = None
    """What borrowers are quoted."""
    utilisation: float | None = None
    """Borrowed over supplied."""
    supplied: float | None = None
    """All that is supplied, ours included."""
    borrowed: float | None = None
    """All that is borrowed."""
    cash: float | None = None
    """What all suppliers together could take out now."""
    capacity: float | None = None
    """What can still be deposited; None where unlimited or unknown."""
    reserve_factor: float | None = None
    """The share of the interest that the protocol keeps."""
    held: float | None = None
    """Our own holding at that block."""
    rates_after: tuple[float, ...] | None = None
    """Supply rates with a holding of ours of each of ``STANDARD_SIZES``."""
    status: str = "active"
    """``active``, ``frozen``, ``paused``, ``deprecated``: the market's status."""
    price_usd: float | None = None
    """Dollars for one whole token of the asset."""
    traded_usd: float | None = None
    """The same by what it is traded for in pools, where it is pegged to the dollar."""
    token_supply: float | None = None
    """Whole tokens of the asset that exist on its chain."""
    backing: tuple[tuple[str, float], ...] = ()
    """Base units that exist of each collateral that the market rests on, by its token's address, as far as they were
    read."""
    rewards: tuple[Mapping[str, object], ...] = ()
    """Incentives beside the yield: for each its token, annual rate and end, as JSON values."""
    flags: tuple[str, ...] = ()
    """What was said against the market."""
    curve: str | None = None
    """The whole yield curve as tagged JSON (``history/curves.py``)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a file, or in a series, that is not taken silently."""

    where: str
    """File and line, or market and time."""
    what: str
    """What is wrong, in one line."""
    taken: bool = False
    """Whether the reading counts all the same."""
    kind: str = ""
    """One word to count by: ``row`` (cannot be read), ``clock``, ``duplicate``, ``rate``, ``gap``, ``ended``,
    ``still``, ``chain``, ``file``, ``note``."""


def add_new(faults: list[Fault], more: Iterable[Fault]) -> None:
    """Adds faults; a file that is named already is not named again, whatever was asked of it."""
    files = {one.where for one in faults if one.kind == "file"}
    for one in more:
        if one.kind != "file" or one.where not in files:
            faults.append(one)
            files.add(one.where)


@dataclass(frozen=True, slots=True)
class Taken:
    """What an importer made of a file."""

    readings: tuple[Reading, ...]
    """Ascending by market, then time."""
    faults: tuple[Fault, ...] = field(default=())
    """What was left out or is odd."""
