"""``discover``: the markets that registries list on chain: what there is, what is new, what is gone. Nothing is signed,
and nothing that is found is paid until a person pins it (``app/pin.py``)."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app.discover_documents import (
    DiscoverDocument,
    DiscoveredChain,
    DiscoveredMarket,
    DiscoveredRegistry,
)
from yieldbot.app.discover_pools import near_tokens, pools_shown
from yieldbot.app.found_markets import Full, full_readings, place_of
from yieldbot.app.found_rows import found_rows
from yieldbot.app.markets import check_grade
from yieldbot.app.step_times import step
from yieldbot.app.wiring import JobFilter, jobs_of
from yieldbot.chains.discovered import values_of
from yieldbot.chains.open import chain_of
from yieldbot.errors import ConfigError, TransientError
from yieldbot.history.found_store import FoundStore
from yieldbot.model.amounts import Apy
from yieldbot.model.dataclass import dataclass
from yieldbot.model.lookalikes import imitated
from yieldbot.model.numbers import number
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.chains.discovered import Discovered, RegistryReading
    from yieldbot.history.found_store import Entry
    from yieldbot.model.amounts import Token
    from yieldbot.model.deployment import Deployment
    from yieldbot.model.discovery import FoundMarket, PinnedRow
    from yieldbot.model.settings import ChainSettings, Job

DAY = 86_400
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{32,44}")
"""The form of an address of an EVM chain, or of a Solana account."""
MOST_SHOWN = 1_000
"""Most markets of one chain in the document."""
MOST_CURATORS = 10
"""Most curators that are named where there is none of the wanted address."""
MOST_FULL = 40
"""Most markets of one asset that are read in full for their yield and grade, unless the request says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverRequest:
    """Which of the found markets to show."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose chains' registries are read, and whose assets count."""
    min_supplied: str = ""
    """Only markets with at least this supplied, in whole tokens of the asset; empty: all."""
    min_age_days: float = 0.0
    """Only markets that are at least this old, in days."""
    min_safety: int | None = None
    """Only markets of this grade or better; None: all."""
    curator: str = ""
    """Only markets of this curator, by address; empty: all."""
    collateral: str = ""
    """Only markets with this collateral, by address or symbol; empty: all."""
    new: bool = False
    """Only markets that are new since the last complete reading."""
    full: int = MOST_FULL
    """Most markets of one asset that are read in full."""
    keys: tuple[str, ...] = ()
    """Only these markets, by key; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinnable:
    """A found market with the row that would pin it."""

    chain: ChainSettings
    """Its chain."""
    found: FoundMarket
    """What its contract states."""
    asset: Token
    """Its asset."""
    row: PinnedRow | None
    """Where it is written in the chain's file; None: no adapter reads it."""
    shown: DiscoveredMarket
    """As the document shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverAnswer:
    """The document, and the rows that would pin its markets."""

    document: DiscoverDocument
    """The document that every interface shows."""
    markets: tuple[Pinnable, ...]
    """The document's markets."""


def discover(request: DiscoverRequest, context: Context) -> DiscoverAnswer:
    """Read the registries of every job's chain, and then the largest found markets in full. Raises ConfigError if no
    job matches, a filter cannot be parsed, or the store cannot be used."""
    check_grade(request.min_safety)
    if request.curator and not ADDRESS.fullmatch(request.curator):
        words = f"--curator {request.curator}: write the curator's address; names are strangers' words"
        raise ConfigError(f"{words}{_found_before(context)}")
    try:
        least = number(request.min_supplied, "write digits and one point, as 100000") if request.min_supplied else 0.0
    except ValueError as bad:
        raise ConfigError(f"--min-supplied: {bad}") from None
    jobs = jobs_of(request.jobs, context)
    by_chain: dict[str, list[Job]] = {}
    for job in jobs:
        by_chain.setdefault(job.chain.name, []).append(job)
    store = FoundStore(context.settings.data_dir)

    async def every() -> list[tuple[DiscoveredChain, list[Pinnable]]]:
        return list(await asyncio.gather(*(_chain(some, request, least, store, context) for some in by_chain.values())))

    name = f"discover {' '.join(sorted(by_chain))}"
    with step(context.say, context.settings.data_dir, name, f"reading the registries of {', '.join(by_chain)}"):
        found = asyncio.run(every())
    rows = tuple(row for row, _ in found)
    failed = any(row.skipped or row.unread_pools or any(one.failure for one in row.registries) for row in rows)
    return DiscoverAnswer(
        document=DiscoverDocument(chains=rows, exit_code=int(failed)),
        markets=tuple(one for _, some in found for one in some),
    )


async def _chain(
    jobs: Sequence[Job], request: DiscoverRequest, least: float, store: FoundStore, context: Context
) -> tuple[DiscoveredChain, list[Pinnable]]:
    chain, now = jobs[0].chain, int(time.time())
    if not chain.registries and not chain.exchanges:
        return DiscoveredChain(chain=chain.name, block=None, registries=(), markets=(), hidden=0, skipped=None), []
    try:
        seen = await chain_of(chain).discover(store, _near(jobs, request), now, context.say)
    except TransientError as passing:
        skipped = str(passing)
        return DiscoveredChain(chain=chain.name, block=None, registries=(), markets=(), hidden=0, skipped=skipped), []
    for host, why in seen.left_out:
        context.say(f"{chain.name}: RPC endpoint {host} is left out: {why}")
    assets = {token.address: token for job in jobs for token in job.assets}
    every = [
        (reading, entry, assets[entry.listed.asset])  # type: ignore[index]
        for reading in seen.readings
        for entry in reading.entries
        if entry.listed.asset in assets
    ]
    passing_ones = [one for one in every if _passes(*one, request, least, seen, chain)]
    passing_ones.sort(key=lambda one: (one[2].symbol, -(one[1].found.supplied_raw if one[1].found else 0)))
    full = await full_readings(jobs, passing_ones, request.full, context)
    markets = [_market(reading, entry, token, full, seen, chain, now) for reading, entry, token in passing_ones]
    if request.min_safety is not None:
        markets = [one for one in markets if one.shown.safety is not None and one.shown.safety >= request.min_safety]
    markets = markets[:MOST_SHOWN]
    shown = [one.shown for one in markets]
    curators = _by_markets(entry.found.curator for _, entry, _ in every if entry.found is not None)
    return (
        DiscoveredChain(
            chain=chain.name,
            height=chain.family.height,
            block=seen.block.height,
            registries=tuple(_registry(reading, shown) for reading in seen.readings),
            markets=tuple(shown),
            hidden=len(every) - len(shown),
            pools=tuple(pools_shown(seen.pools, jobs, least)[:MOST_SHOWN]),
            unread_pools=seen.unlisted,
            curators=curators[:MOST_CURATORS],
            no_such_curator=_no_such(request.curator, curators),
            skipped=None,
        ),
        markets,
    )


def _by_markets(there: Iterable[str]) -> tuple[str, ...]:
    """The curators of markets, those of most markets first."""
    return tuple(one for one, _ in Counter(one for one in there if one).most_common())


def _no_such(wanted: str, curators: Sequence[str]) -> str | None:
    """Which curators markets have, if none is the wanted one."""
    if not wanted or any(one.lower() == wanted.lower() for one in curators):
        return None
    known = ", ".join(curators[:MOST_CURATORS])
    return f"no found market has the curator {wanted}; " + (f"they have: {known}" if known else "none has a curator")


def _found_before(context: Context) -> str:
    """The curators of markets that an earlier run has found, as the end of a sentence; empty: none is known."""
    try:
        rows = found_rows(context.settings).rows
    except ConfigError:
        return ""
    known = Counter(row["curator"] for row in rows if row["curator"]).most_common(MOST_CURATORS)
    return f"; curators of markets found before: {', '.join(one for one, _ in known)}" if known else ""


def _near(jobs: Sequence[Job], request: DiscoverRequest) -> tuple[Token, ...]:
    """The tokens whose pools are listed; none where a filter asks for what only markets have."""
    of_markets = request.min_age_days, request.min_safety, request.curator, request.collateral, request.new
    return () if any(of_markets) or request.keys else near_tokens(jobs)


def _passes(
    reading: RegistryReading,
    entry: Entry,
    token: Token,
    request: DiscoverRequest,
    least: float,
    seen: Discovered,
    chain: ChainSettings,
) -> bool:
    """Whether the filters that need no full reading admit a market."""
    found = entry.found
    if found is None:
        return False
    if request.keys and not any(_is(found.key, key) for key in request.keys):
        return False
    if found.supplied_raw / token.one < least or (request.new and not _new(reading, entry)):
        return False
    if request.min_age_days and (_age_days(entry, seen) or 0.0) < request.min_age_days:
        return False
    if request.curator and found.curator.lower() != request.curator.lower():
        return False
    if request.collateral:
        listed = chain.tokens.get(request.collateral)
        wanted = (listed.address if listed else request.collateral).lower()
        return wanted in (found.collateral.lower(), "" if listed else found.collateral_symbol.lower())
    return True


def _is(key: str, given: str) -> bool:
    return key.lower() == given.lower() if key.startswith("0x") else key == given


def _new(reading: RegistryReading, entry: Entry) -> bool:
    return reading.previous_run is not None and (entry.first_time or 0) > reading.previous_run


def _age_days(entry: Entry, seen: Discovered) -> float | None:
    began = seen.time_of(entry.listed.block) if entry.listed.block is not None else entry.first_time
    return None if began is None else max(0.0, (seen.block.timestamp - began) / DAY)


def _market(
    reading: RegistryReading,
    entry: Entry,
    token: Token,
    full: Full,
    seen: Discovered,
    chain: ChainSettings,
    now: int,
) -> Pinnable:
    found = entry.found
    assert found is not None
    row, unfit = place_of(reading.registry, found)
    state = full.states.get((chain.name, found.key))
    there = row is not None and any(_is(found.key, one) for one in values_of(_of_asset(chain, token), row))
    flags = _flags(found, token, chain)
    fresh = entry.read_time == now  # a rate that an earlier run has read may have changed since
    shown = DiscoveredMarket(
        key=found.key,
        registry=reading.registry.name,
        protocol=row.protocol if row else None,
        name=found.name or _against(found),
        asset=token.symbol,
        supplied=found.supplied_raw / token.one,
        state="gone" if entry.gone_time is not None else "listed" if there else "found",
        new=_new(reading, entry),
        block=entry.listed.block,
        age_days=_age_days(entry, seen),
        first_seen=entry.first_time,
        gone_since=entry.gone_time,
        collateral=found.collateral or None,
        collateral_symbol=found.collateral_symbol or None,
        collateral_limit=found.collateral_limit,
        curator=found.curator or None,
        quoted_apy=(_fixed(found, now) if fresh else None) if state is None else state.quoted.compounded().value,
        expiry=found.expiry,
        exit_cost=found.exit_cost if fresh else None,
        liquidity=None if state is None else state.liquidity.raw / token.one,
        safety=None if state is None or state.grade is None else state.grade.safety,
        letter=None if state is None or state.grade is None else state.grade.letter,
        flags=flags if state is None else (*flags, *state.flags),
        unfit=found.fault or unfit or full.unread.get((chain.name, found.key)),
    )
    return Pinnable(chain=chain, found=found, asset=token, row=row, shown=shown)


def _fixed(found: FoundMarket, now: int) -> float | None:
    """What buying its principal token fixes, as an effective annual fraction; None: not known, or there is none."""
    if found.fixed_rate is None or found.expiry is None or found.expiry <= now:
        return None
    left = found.expiry - now
    return Apy.from_growth(found.fixed_rate * left / SECONDS_PER_YEAR, left).value


def _of_asset(chain: ChainSettings, token: Token) -> list[Deployment]:
    """The chain's deployments that may hold an asset."""
    return [one for one in chain.deployments if token in one.assets]


def _against(found: FoundMarket) -> str:
    """What a market without a name lends against."""
    limit = "" if found.collateral_limit is None else f" {found.collateral_limit * 100:g} %"
    return f"{found.collateral_symbol or found.collateral[:10]}{limit}" if found.collateral else ""


def _flags(found: FoundMarket, token: Token, chain: ChainSettings) -> tuple[str, ...]:
    """What its contracts do not allow, and what is odd about the names that strangers chose."""
    listed = {symbol: str(one.address) for symbol, one in chain.tokens.items()}
    flags = list(found.limits)
    if found.collateral and (like := imitated(found.collateral_symbol, found.collateral, listed)):
        flags.append(f"collateral {found.collateral} looks like {like} and is not it")
    if not (found.name + found.collateral_symbol).isascii():
        flags.append("its name has letters of other scripts")
    return tuple(flags)


def _registry(reading: RegistryReading, shown: Sequence[DiscoveredMarket]) -> DiscoveredRegistry:
    return DiscoveredRegistry(
        name=reading.registry.name,
        kind=reading.registry.kind,
        address=reading.registry.address,
        entries=reading.total,
        shown=sum(one.registry == reading.registry.name for one in shown),
        since_block=reading.since,
        cut=reading.cut or None,
        previous_run=reading.previous_run,
        notes=reading.notes,
        failure=reading.failure or None,
    )
