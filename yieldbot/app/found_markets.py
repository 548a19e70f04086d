"""Reads found markets in full, as if they were in the chain's file: their yield after our own deposit and their grade.
The settings with which that is done exist only here; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from yieldbot.app.account_entries import journalled
from yieldbot.app.judged import judged
from yieldbot.chains.discovered import in_halves
from yieldbot.chains.open import watch
from yieldbot.config.chain import ADAPTERS, REGISTRIES
from yieldbot.errors import TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.families import family_of
from yieldbot.model.ids import MarketId, market_chain
from yieldbot.model.market import Kind
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.chains.discovered import RegistryReading
    from yieldbot.history.found_store import Entry
    from yieldbot.model.amounts import Token
    from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
    from yieldbot.model.market import MarketState, Snapshot
    from yieldbot.model.settings import ChainSettings, Job

LONGEST = 200
"""Most characters of a reason."""

Row = "tuple[RegistryReading, Entry, Token]"


@dataclass(frozen=True, slots=True)
class Full:
    """Markets that were read in full."""

    states: Mapping[tuple[str, str], MarketState]
    """State and grade by chain name and key."""
    unread: Mapping[tuple[str, str], str]
    """Why a market could not be read, likewise."""


def place_of(registry: Registry, found: FoundMarket) -> tuple[PinnedRow | None, str | None]:
    """(the row that pins a market, why there is none)."""
    reader = REGISTRIES[family_of(registry.chain)]()[registry.kind]
    row = reader.pinned(registry, found)
    if row is None or row.protocol not in ADAPTERS[family_of(registry.chain)]():
        return None, "; ".join(found.limits) or "no adapter reads it"
    return row, None


def deployments_of(rows: Sequence[tuple[PinnedRow, Token]], chain: ChainSettings) -> list[Deployment]:
    """Deployments that hold the rows' markets, one for each table and asset. Rows that their adapter refuses are left
    out."""
    tables: dict[tuple[str, ...], list[tuple[PinnedRow, Token]]] = {}
    for row, token in rows:
        alone = row.value if row.listed_in is None else ""
        tables.setdefault((row.protocol, token.address, alone, *sorted(row.same.values())), []).append((row, token))
    found = []
    for some in tables.values():
        row, token = some[0]
        given = {**row.same, **row.extra}
        if row.listed_in is not None:
            given[row.listed_in] = [one.value for one, _ in some]
        try:
            schema = ADAPTERS[family_of(chain.chain)]()[row.protocol].params
            params = schema.model_validate(given).model_dump(mode="python")
        except ValidationError:
            continue
        found.append(Deployment(row.protocol, chain.chain, row.name, params, (token,)))
    return found


async def full_readings(
    jobs: Sequence[Job], rows: Sequence[tuple[RegistryReading, Entry, Token]], most: int, context: Context
) -> Full:
    """The largest markets of each asset, read in full. rows: by asset, the largest first. most: of each asset."""
    states: dict[tuple[str, str], MarketState] = {}
    unread: dict[tuple[str, str], str] = {}
    chain = jobs[0].chain
    for token in dict.fromkeys(token for _, _, token in rows):
        job = next(one for one in jobs if token in one.assets)
        some = [
            (row, entry.found)
            for reading, entry, of in rows
            if of == token and entry.found is not None and not entry.found.fault and entry.gone_time is None
            if (row := place_of(reading.registry, entry.found)[0]) is not None
        ][:most]

        async def attempt(
            part: Sequence[tuple[PinnedRow, FoundMarket]], job: Job = job, token: Token = token
        ) -> list[MarketState | str]:
            return await _observed(job, token, part, context)

        if not some:
            continue
        try:
            answers = await in_halves(some, attempt)
        except TransientError as failure:
            context.say(f"{chain.name}: {token.symbol} markets are shown without yields: {failure}")
            continue
        for (_, found), answer in zip(some, answers, strict=True):
            if answer is None or isinstance(answer, str):
                unread[chain.name, found.key] = answer or "its contracts' answers are too long, or refused"
            else:
                states[chain.name, found.key] = answer
    return Full(states, unread)


async def _observed(
    job: Job, token: Token, rows: Sequence[tuple[PinnedRow, FoundMarket]], context: Context
) -> list[MarketState | str]:
    """Each market's state with its grade, or why it could not be read."""
    deployments = deployments_of([(row, token) for row, _ in rows], job.chain)
    assumed = replace(job.chain, deployments=tuple(deployments))
    alone = replace(job, chain=assumed, asset=token, others=(), base=None, sale=None)
    number = market_chain(job.chain.chain)
    full = {MarketId(f"{row.protocol}/{number}/{key}") for row, found in rows for key in (found.key, found.key.lower())}
    async with watch(alone) as live:
        snapshot = await live.observe((), full)
    settings = context.settings
    snapshot = judged(
        snapshot, settings.data_dir, settings.policy, context.complain, journalled(context, alone), keep=False
    )
    return [_state_of(found, snapshot) for _, found in rows]


def _state_of(found: FoundMarket, snapshot: Snapshot) -> MarketState | str:
    key = found.key.lower()
    for state in snapshot.states.values():
        if state.market.kind is not Kind.IDLE and key in state.market.id.lower():
            return state
    for bad in snapshot.quarantined:
        if key in bad.market.id.lower():
            return one_line(bad.reason, LONGEST)
    return "its adapter does not list it"
