"""Reads a cluster's registries: a program's accounts for the mints of the chain's file, as every node lists them, and
then each account, which alone says what it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.chains.discovered import AT_ONCE, MOST_ENTRIES, Discovered, RegistryReading, chosen, in_halves
from yieldbot.chains.solana.node.connect import connect
from yieldbot.errors import MarketError, TransientError
from yieldbot.history.found_store import Entry, FoundStore, ReadEntry
from yieldbot.model.discovery import FoundMarket, Listed, Registry
from yieldbot.model.text import one_line
from yieldbot.protocols.registries import svm_registries

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.chains.solana.node.quorum import Quorum
    from yieldbot.model.amounts import Token
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import ChainSettings
    from yieldbot.protocols.solana.registries.base import SvmRegistryReader

LONGEST = 200
"""Most characters of a fault."""


async def discover(
    chain: ChainSettings, store: FoundStore, near: Collection[Token], now: int, say: Callable[[str], None]
) -> Discovered:
    """Read every registry of the chain's file, and store what they list. near: not used, since the pools of a cluster
    are those that its file names. now: unix seconds. say: called with lines of progress. A registry that cannot be read
    is reported in its reading.

    Raises TransientError if the cluster cannot be read, ConfigError if the store cannot be used.
    """
    del near
    async with connect(chain) as nodes:
        await nodes.verify_chain()
        block = await nodes.first.block()
        readings = [await _reading(nodes, chain, registry, store, now) for registry in chain.registries]
        return Discovered(block=block, readings=tuple(readings), left_out=nodes.left_out)


async def _reading(
    nodes: Quorum, chain: ChainSettings, registry: Registry, store: FoundStore, now: int
) -> RegistryReading:
    reader, notes = svm_registries()[registry.kind], list[str]()
    previous = store.known(registry.id).last_run
    try:
        listed, why = await _list(nodes, chain, registry, reader)
        cut = f"it lists more than {MOST_ENTRIES:,} markets" if len(listed) > MOST_ENTRIES else ""
        notes += why
        store.add(registry.id, listed[:MOST_ENTRIES], None)
        there = {one.key for one in listed}
        every = store.entries(registry.id)
        entries = chosen([one for one in every if one.listed.key in there], _mints(chain))
        answers = await _run(nodes.first, registry, reader, entries)
        read = [_read(entry, answer) for entry, answer in zip(entries, answers, strict=True)]
        unlisted = [one.listed.key for one in every if one.listed.key not in there] if not why and not cut else []
        store.confirmed(registry.id, read, unlisted, now)
    except TransientError as failure:
        return RegistryReading(registry=registry, failure=str(failure), previous_run=previous)
    if not cut and not why:
        store.finished(registry.id, now)
    entries = list(store.entries(registry.id))
    return RegistryReading(
        registry=registry,
        entries=tuple(one for one in entries if one.first_time is not None and one.listed.asset in _mints(chain)),
        total=len(entries),
        cut=cut,
        previous_run=previous,
        notes=tuple(notes),
    )


def _mints(chain: ChainSettings) -> list[str]:
    return [str(token.address) for token in chain.tokens.values()]


async def _list(
    nodes: Quorum, chain: ChainSettings, registry: Registry, reader: SvmRegistryReader
) -> tuple[list[Listed], list[str]]:
    """(the accounts that any node lists, what nodes did not list). An account that only one node names is listed too,
    since it is confirmed before it counts; one that a node leaves out is named by the others."""
    found, notes = dict[str, Listed](), list[str]()
    for token in chain.tokens.values():
        answers = await nodes.each(lambda node, mint=token.address: _accounts(node, registry, reader, mint))  # type: ignore[misc]
        refused = [
            f"{node.host} does not list {token.symbol}: {keys}" for node, keys in answers if isinstance(keys, str)
        ]
        if len(refused) == len(answers):
            notes.append(refused[0])
        sets = [keys for _, keys in answers if not isinstance(keys, str)]
        for key in dict.fromkeys(key for keys in sets for key in keys):
            found.setdefault(key, Listed(key, token.address))
    if len(notes) == len(chain.tokens):
        raise TransientError(notes[0])
    return list(found.values()), notes


async def _accounts(
    node: Node, registry: Registry, reader: SvmRegistryReader, mint: Address
) -> tuple[Address, ...] | str:
    """The accounts for a mint, as one node lists them; or why it does not."""
    wanted = reader.accounts(registry, mint)
    options = {
        "encoding": "base64",
        "commitment": node.commitment,
        "dataSlice": {"offset": 0, "length": 0},
        "filters": [
            {"dataSize": wanted.size},
            *({"memcmp": {"offset": offset, "bytes": key}} for offset, key in wanted.at),
        ],
    }
    try:
        rows = await node.request("getProgramAccounts", [registry.address, options])
        return tuple(_key(row["pubkey"]) for row in rows[: MOST_ENTRIES + 1])
    except (TransientError, KeyError, TypeError, ValueError) as failure:
        return one_line(str(failure), LONGEST)


def _key(text: object) -> Address:
    from yieldbot.model.address import parse_key

    return parse_key(str(text))


async def _run(
    node: Node, registry: Registry, reader: SvmRegistryReader, entries: Sequence[Entry]
) -> list[FoundMarket | MarketError | None]:
    """What each account states, in parts of one slot each."""

    async def attempt(part: Sequence[Entry]) -> list[FoundMarket | MarketError]:
        return await node.run([reader.confirm(registry, one.listed.key) for one in part], await node.block())

    found = list[FoundMarket | MarketError | None]()
    for start in range(0, len(entries), AT_ONCE):
        found += await in_halves(entries[start : start + AT_ONCE], attempt)
    return found


def _read(entry: Entry, answer: FoundMarket | MarketError | None) -> ReadEntry:
    if isinstance(answer, FoundMarket):
        return ReadEntry(answer, not answer.denied)
    why = "the node does not serve it" if answer is None else one_line(str(answer), LONGEST)
    before = entry.found or FoundMarket(key=entry.listed.key, asset=entry.listed.asset)
    return ReadEntry(replace(before, fault=f"cannot be read: {why}"), None)
