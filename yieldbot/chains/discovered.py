"""What one reading of a chain's registries gives, the same for all chain families."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import field
from typing import TypeVar

from yieldbot.errors import HttpRefused, TransientError
from yieldbot.history.found_store import Entry
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.discovery import PinnedRow, Registry
from yieldbot.model.exchange import Pool

T = TypeVar("T")
R = TypeVar("R")

MOST_ENTRIES = 50_000
"""Most entries of one registry that are stored: whoever floods a registry fills no disk."""
MOST_READ = 6_000
"""Most entries of one registry whose contracts are read in one run."""
AT_ONCE = 1_000
"""Entries that are read together at first."""
MOST_ALONE = 100
"""Most entries that are read one by one after they failed together with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReading:
    """One registry, as it was read."""

    registry: Registry
    """The registry."""
    entries: tuple[Entry, ...] = ()
    """Its entries for assets of the chain's file, also those that are gone."""
    total: int = 0
    """Number of all its entries, of any asset."""
    since: int | None = None
    """Block from which its events were read; None: its list was read from the contract."""
    cut: str = ""
    """Why its list is not complete; empty: it is."""
    previous_run: int | None = None
    """Unix seconds of the last complete reading before this one; None: there was none."""
    notes: tuple[str, ...] = ()
    """What is odd: events that the registry cannot have emitted, listed markets that no event names."""
    failure: str = ""
    """Why it could not be read; empty: it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPool:
    """A pool that an exchange's own factory lists."""

    pool: Pool
    """The pool."""
    held: tuple[int, int]
    """Base units of token0 and token1 that it holds."""
    swaps: bool
    """Whether swaps can go through it: the chain's file names a router for it, or it needs none."""
    provides: bool
    """Whether plans can provide liquidity to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """Every registry of a chain."""

    block: BlockRef
    """The block at which contracts were read."""
    readings: tuple[RegistryReading, ...]
    """The registries, in the order of the chain's file."""
    times: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """(height, unix seconds) of some blocks, in order, by which the time of others is estimated."""
    left_out: tuple[tuple[str, str], ...] = ()
    """(host, reason) of each node whose answers were not believed."""
    pools: tuple[FoundPool, ...] = ()
    """Pools of the requested tokens that hold something."""
    unlisted: tuple[str, ...] = ()
    """Why exchanges or pools could not be read, a line each."""

    def time_of(self, height: int) -> int | None:
        """Approximate unix seconds of a block; None: it cannot be estimated."""
        for (low, before), (high, after) in zip(self.times, self.times[1:], strict=False):
            if low <= height <= high and high > low:
                return before + (after - before) * (height - low) // (high - low)
        return None


def chosen(entries: Sequence[Entry], assets: Iterable[str], most: int = MOST_READ) -> list[Entry]:
    """The entries to read: those whose asset is listed or not known yet. Of more than ``most``, half are the largest
    ones known, and the others those that were not read for longest."""
    known = {one.lower() for one in assets} | {""}
    wanted = [one for one in entries if one.listed.asset.lower() in known]
    if len(wanted) <= most:
        return wanted
    largest = sorted(wanted, key=lambda one: -(one.found.supplied_raw if one.found else 0))[: most // 2]
    keys = {one.listed.key for one in largest}
    rest = [one for one in wanted if one.listed.key not in keys]
    rest.sort(key=lambda one: (one.read_time or 0, -(one.listed.block or 0)))
    return [*largest, *rest[: most - len(largest)]]


async def in_halves(items: Sequence[T], attempt: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> list[R | None]:
    """The results of ``attempt`` for all items, in order. If it fails for several together, each half is tried alone,
    since one answer may be so long or so dear that no other is served; None for an item that fails alone, of which
    MOST_ALONE are allowed. Raises TransientError if more fail, or the node refuses everything."""
    found: list[R | None] = [None] * len(items)
    waiting, alone = [(at, min(at + AT_ONCE, len(items))) for at in range(0, len(items), AT_ONCE)], 0
    while waiting:
        start, end = waiting.pop(0)
        try:
            found[start:end] = await attempt(items[start:end])
        except TransientError as failure:
            if isinstance(failure, HttpRefused) and failure.status in (401, 429):
                raise
            if end - start == 1:
                alone += 1
                if alone > MOST_ALONE or alone == len(items):
                    raise
                continue
            middle = (start + end) // 2
            waiting[:0] = [(start, middle), (middle, end)]
    return found


def table_of(deployments: Iterable[Deployment], row: PinnedRow) -> Deployment | None:
    """The deployment to whose table a row belongs; None: there is none."""
    return next(
        (
            one
            for one in deployments
            if one.protocol == row.protocol
            and all(_same(one.params.get(key), value) for key, value in row.same.items())
        ),
        None,
    )


def values_of(deployments: Iterable[Deployment], row: PinnedRow) -> tuple[str, ...]:
    """What tables of a chain's file that match a row list already."""
    found = list[str]()
    for one in deployments:
        matches = one.protocol == row.protocol
        if not matches or not all(_same(one.params.get(key), value) for key, value in row.same.items()):
            continue
        if row.listed_in is None:
            found += [token.address for token in one.assets]
        else:
            found += [str(value) for value in one.params.get(row.listed_in) or ()]
    return tuple(found)


def _same(given: object, value: str) -> bool:
    return isinstance(given, str) and given.lower() == value.lower()
