"""Reads an EVM chain's registries: their events from the last remembered block on, or their lists, and then each listed
market's own contract, which alone says whether it exists."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from yieldbot.chains.discovered import (
    MOST_ENTRIES,
    Discovered,
    RegistryReading,
    chosen,
    in_halves,
    values_of,
)
from yieldbot.chains.evm.logs import parts_of
from yieldbot.chains.evm.node.beside import logs_of
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.swap_pools import pools_with
from yieldbot.errors import MarketError, TransientError
from yieldbot.history.found_store import Entry, FoundStore, ReadEntry, gaps
from yieldbot.model.dataclass import dataclass
from yieldbot.model.discovery import FoundMarket, Listed, Registry
from yieldbot.model.text import counted, one_line
from yieldbot.model.time_left import about, time_left
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import text_of
from yieldbot.protocols.registries import registries

if TYPE_CHECKING:
    from typing import Any

    from yieldbot.chains.evm.node.client import Node
    from yieldbot.chains.evm.node.quorum import Quorum
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.reads import EthLog, Flow
    from yieldbot.model.settings import ChainSettings
    from yieldbot.protocols.evm.registries.base import RegistryReader

TIMES = 8
"""Blocks whose time is fetched, to estimate the age of markets."""
MOST_NOTES = 5
"""Most notes about invented events of one registry."""
SYMBOLS_AT_ONCE = 50
"""Symbols of collaterals that are read together: each is answered by a stranger's contract."""
LONGEST = 200
"""Most characters of a fault."""


@dataclass(slots=True, eq=False)
class _Work:
    """What the reading of one registry has found so far."""

    registry: Registry
    """The registry."""
    reader: RegistryReader
    """Its reader."""
    previous: int | None = None
    """Unix seconds of its last complete reading; None: there was none."""
    cut: str = ""
    """As in ``RegistryReading``."""
    notes: list[str] = field(default_factory=list)
    """As in ``RegistryReading``."""
    failure: str = ""
    """As in ``RegistryReading``."""
    entries: int = 0
    """Number of its entries that are stored."""


async def discover(
    chain: ChainSettings, store: FoundStore, near: Collection[Token], now: int, say: Callable[[str], None]
) -> Discovered:
    """Read every registry of the chain's file at one block, and store what they list; and the pools of the tokens in
    ``near``. now: unix seconds. say: called with lines of progress. A registry that cannot be read is reported in its
    reading.

    Raises TransientError if the chain cannot be read, ConfigError if the store cannot be used.
    """
    async with connect(chain) as node:
        await node.verify_chain()
        block = await node.block()
        final = await _final(node, chain, block)
        readings = await _readings(node, chain, store, (block, final), now, say)
        times = await _times(node, chain.registries, block)
        pools, unlisted = await pools_with(node, chain, near, block) if near else ((), ())
        return Discovered(
            block=block, readings=readings, times=times, left_out=node.left_out, pools=pools, unlisted=unlisted
        )


async def _final(node: Quorum, chain: ChainSettings, head: BlockRef) -> BlockRef:
    """The newest block that no reorganisation will replace: events are read up to it."""
    if chain.finality == "latest":
        return head
    if isinstance(chain.finality, int):
        return await node.block(max(0, head.height - chain.finality))
    return await node.block(chain.finality)


async def _times(node: Node, every: Sequence[Registry], head: BlockRef) -> tuple[tuple[int, int], ...]:
    """Height and time of some blocks between the oldest registry's first one and the newest."""
    starts = [one.from_block for one in every if one.from_block is not None]
    if not starts:
        return ()
    first = min(*starts, head.height)
    heights = sorted({first + (head.height - first) * step // TIMES for step in range(TIMES)} - {head.height})
    found = [(head.height, head.timestamp)]
    try:
        for height in heights:
            found.append((height, (await node.block(height)).timestamp))
    except TransientError:
        return tuple(sorted(found))
    return tuple(sorted(found))


async def _readings(
    node: Quorum,
    chain: ChainSettings,
    store: FoundStore,
    blocks: tuple[BlockRef, BlockRef],
    now: int,
    say: Callable[[str], None],
) -> tuple[RegistryReading, ...]:
    """The registries of the chain's file, in its order. blocks: the one at which contracts are read, and the last one
    whose events are read."""
    block, final = blocks
    works = [_Work(one, registries()[one.kind], store.known(one.id).last_run) for one in chain.registries]
    await _scan(node, [one for one in works if one.registry.from_block is not None], store, final, say)
    found = []
    for work in works:
        if not work.failure:
            try:
                listed = work.registry.from_block is None
                unlisted = await _list(node, work, store, block) if listed else frozenset[str]()
                await _known_ones(node, chain, work, store, block)
                await _confirm(node, chain, work, store, block, unlisted, now)
            except TransientError as failure:
                work.failure = str(failure)
        found.append(_reading(chain, work, store, now))
    return tuple(found)


def _reading(chain: ChainSettings, work: _Work, store: FoundStore, now: int) -> RegistryReading:
    """What was read of one registry; the run is stored if it was read to its end."""
    registry = work.registry
    if work.failure:
        return RegistryReading(registry=registry, failure=work.failure, previous_run=work.previous)
    if not work.cut:
        store.finished(registry.id, now)
    entries = store.entries(registry.id)
    listed = {token.address for token in chain.tokens.values()}
    return RegistryReading(
        registry=registry,
        entries=tuple(one for one in entries if one.first_time is not None and one.listed.asset in listed),
        total=len(entries),
        since=registry.from_block,
        cut=work.cut,
        previous_run=work.previous,
        notes=tuple(work.notes),
    )


async def _scan(
    node: Quorum, works: Sequence[_Work], store: FoundStore, final: BlockRef, say: Callable[[str], None]
) -> None:
    """Read the registries' events of the blocks that were not read yet: those of all registries with one request for
    each part, which is stored at once."""
    wanted = dict[_Work, tuple[tuple[int, int], ...]]()
    for work in works:
        try:
            wanted[work] = await _gaps(node, work, store, final)
        except TransientError as failure:
            work.failure = str(failure)
    for first, last, some in _segments(wanted):
        if together := [work for work in some if not work.cut]:
            await _segment(node, together, store, (first, last), say)
    for work in wanted:
        if not work.cut and not work.failure:
            store.reached(work.registry.id, final.height, final.hash)


async def _gaps(node: Quorum, work: _Work, store: FoundStore, final: BlockRef) -> tuple[tuple[int, int], ...]:
    """The spans of blocks whose events are still to be read, the newest first."""
    registry, first = work.registry, work.registry.from_block or 0
    known, work.entries = store.known(registry.id), store.count(registry.id)
    if known.height is not None and known.height > final.height:
        work.notes.append(
            f"{node.host} is at block {final.height:,}, before block {known.height:,} of the last reading: nothing "
            "newer is read"
        )
        work.cut = "the node is behind the last reading"
        return ()
    if known.height is not None and (await node.block(known.height)).hash != known.hash:
        work.notes.append(f"block {known.height:,} is another one than at the last reading: all events are read again")
        store.forget_spans(registry.id)
        known = store.known(registry.id)
    return gaps(known.spans, first, final.height)


def _segments(wanted: Mapping[_Work, Sequence[tuple[int, int]]]) -> list[tuple[int, int, list[_Work]]]:
    """(first block, last block, registries whose events there are wanted), the newest first. Pure."""
    edges = sorted({edge for spans in wanted.values() for first, last in spans for edge in (first, last + 1)})
    found = []
    for start, end in pairwise(edges):
        some = [
            work for work, spans in wanted.items() if any(first <= start and end - 1 <= last for first, last in spans)
        ]
        if some:
            found.append((start, end - 1, some))
    return found[::-1]


async def _segment(
    node: Quorum, works: Sequence[_Work], store: FoundStore, span: tuple[int, int], say: Callable[[str], None]
) -> None:
    """Read the events of some registries in a span of blocks."""
    began = time.monotonic()
    topics = sorted({"0x" + one.hex() for work in works for one in work.reader.topics})
    wanted: dict[str, Any] = {"address": [work.registry.address for work in works], "topics": [topics]}
    async for part in parts_of(node, [wanted], *span):
        if part.logs is None:
            for work in works:
                work.cut = f"the events of blocks {span[0]:,} to {part.end:,} are missing: {part.why}"
            return
        logs, invented = logs_of(part.logs[0]), len(part.logs[0])
        for work in works:
            listed, good = _listed(work, logs, part.start, part.end)
            invented -= good
            if work.cut:
                continue
            if work.entries + len(listed) > MOST_ENTRIES:
                work.cut = (
                    f"it lists more than {MOST_ENTRIES:,} markets: older ones than of block {part.end:,} are not read"
                )
                continue
            work.entries += store.add(work.registry.id, listed, (part.start, part.end))
        if invented > 0:
            works[0].notes.append(
                f"{invented} events that {node.host} served in blocks {part.start:,} to {part.end:,} cannot be of any "
                "registry, and are ignored: use another node"
            )
            del works[0].notes[MOST_NOTES:]
        if part.start > span[0]:
            of = counted(len(works), "registry", "registries")
            left = time_left(span[1] + 1 - part.start, span[1] + 1 - span[0], time.monotonic() - began)
            soon = "" if left is None else f"; {about(left)} left to block {span[0]:,}"
            say(f"events read from block {part.end:,} down to {part.start:,}, of {of}{soon}")
        if all(work.cut for work in works):
            return


def _listed(work: _Work, logs: Sequence[EthLog], first: int, last: int) -> tuple[list[Listed], int]:
    """(the entries that a registry's events name; number of events that it can have emitted in these blocks)."""
    found, good = list[Listed](), 0
    for log in logs:
        own = log.address.lower() == work.registry.address.lower()
        if not own or log.topics[:1] == () or log.topics[0] not in work.reader.topics or not first <= log.block <= last:
            continue
        try:
            found += work.reader.listed(work.registry, log)
        except ValueError:
            continue
        good += 1
    return found, good


async def _list(node: Quorum, work: _Work, store: FoundStore, block: BlockRef) -> frozenset[str]:
    """Read the registry's list. Returns the keys that it had before and no longer has. Raises TransientError if it
    cannot be read."""
    (found,) = await node.run([work.reader.listing(work.registry)], block)
    if isinstance(found, MarketError):
        raise TransientError(f"{work.registry.address} does not answer as {work.registry.kind} does: {found}")
    store.add(work.registry.id, found, None)
    there = {one.key for one in found}
    return frozenset(one.listed.key for one in store.entries(work.registry.id) if one.listed.key not in there)


async def _known_ones(node: Quorum, chain: ChainSettings, work: _Work, store: FoundStore, block: BlockRef) -> None:
    """Look for markets of the chain's file among the entries. One that the registry knows and no entry names was left
    out by the node that served the events: that is reported, and the market becomes an entry."""
    row = work.reader.pinned(work.registry, FoundMarket(key=""))
    if row is None or work.cut or work.registry.from_block is None:
        return
    there = {one.listed.key.lower() for one in store.entries(work.registry.id)}
    missing = [key for key in values_of(chain.deployments, row) if key.lower() not in there]
    answers = await node.run([work.reader.confirm(work.registry, key) for key in missing], block) if missing else []
    lost = [one for one in answers if isinstance(one, FoundMarket) and not one.denied]
    if lost:
        work.notes.append(
            f"{counted(len(lost), 'market')} of chains/{chain.name}.toml: in no event that {node.host} served, though "
            f"the contract knows them (as {lost[0].key}): the node leaves events out, or from_block is too late"
        )
        store.add(work.registry.id, [Listed(one.key, one.asset) for one in lost], None)


async def _confirm(
    node: Quorum,
    chain: ChainSettings,
    work: _Work,
    store: FoundStore,
    block: BlockRef,
    unlisted: frozenset[str],
    now: int,
) -> None:
    """Read the contract of each entry that may concern us, and store what it states."""
    every = [one for one in store.entries(work.registry.id) if one.listed.key not in unlisted]
    entries = chosen(every, (token.address for token in chain.tokens.values()))
    of_ours = chosen(every, (token.address for token in chain.tokens.values()), MOST_ENTRIES)
    if len(entries) < len(of_ours):
        work.notes.append(f"{len(entries):,} of {len(of_ours):,} entries were read; the others follow in the next runs")
    answers = await _run(node, [(work, one.listed.key) for one in entries], block)
    read = [_read(entry, answer) for entry, answer in zip(entries, answers, strict=True)]
    read = await _with_symbols(node, chain, entries, read, block)
    store.confirmed(work.registry.id, read, unlisted, now)


async def _run(
    node: Quorum, wanted: Sequence[tuple[_Work, str]], block: BlockRef
) -> list[FoundMarket | MarketError | None]:
    """What the contracts say of each key. Those that fail together with others are read alone: one contract can use up
    the gas that the call of all has."""

    async def attempt(part: Sequence[tuple[_Work, str]]) -> list[FoundMarket | MarketError]:
        return await node.run([work.reader.confirm(work.registry, key) for work, key in part], block)

    found = await in_halves(wanted, attempt)
    failed = [place for place, one in enumerate(found) if isinstance(one, MarketError)]
    if 0 < len(failed) < len(wanted):
        for place in failed[:SYMBOLS_AT_ONCE]:
            (found[place],) = await in_halves([wanted[place]], attempt) if len(wanted) > 1 else (found[place],)
    return found


def _read(entry: Entry, answer: FoundMarket | MarketError | None) -> ReadEntry:
    if isinstance(answer, FoundMarket):
        return ReadEntry(replace(answer, key=entry.listed.key), not answer.denied)
    why = "its contract's answer is too long, or refused" if answer is None else one_line(str(answer), LONGEST)
    before = entry.found or FoundMarket(key=entry.listed.key, asset=entry.listed.asset)
    return ReadEntry(replace(before, fixed_rate=None, exit_cost=None, fault=f"cannot be read: {why}"), None)


async def _with_symbols(
    node: Quorum, chain: ChainSettings, entries: Sequence[Entry], read: Sequence[ReadEntry], block: BlockRef
) -> list[ReadEntry]:
    """The readings with the symbols that collaterals' contracts state. Symbols that were read before are kept."""
    ours = {str(token.address): symbol for symbol, token in chain.tokens.items()}
    before = {one.found.collateral: one.found.collateral_symbol for one in entries if one.found}
    names: dict[str, str] = {at: symbol for at, symbol in before.items() if at and symbol} | ours
    new = sorted({one.found.collateral for one in read if one.found.collateral} - names.keys())
    for start in range(0, len(new), SYMBOLS_AT_ONCE):
        part = new[start : start + SYMBOLS_AT_ONCE]
        try:
            answers = await node.run([_symbol(one) for one in part], block)
        except TransientError:
            continue  # one of these strangers' contracts answers what the node does not serve
        names |= {at: text for at, text in zip(part, answers, strict=True) if isinstance(text, str) and text}
    return [
        replace(one, found=replace(one.found, collateral_symbol=names.get(one.found.collateral, ""))) for one in read
    ]


def _symbol(token: str) -> Flow[str]:
    (answer,) = yield [abi("erc20").read(checksum(token), "symbol", optional=True)]
    return text_of(answer)
