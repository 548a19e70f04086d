"""The answers of a snapshot's flows, on any chain: markets with their states, and those that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.contradiction import contradiction
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.market import Kind, Market, MarketState, Quarantined
from yieldbot.model.reads import Flow
from yieldbot.model.settings import Job
from yieldbot.rpc.flows import Flows, Handle, Runner

T = TypeVar("T")


async def row_by_row(
    node: Runner,
    lists: Iterable[tuple[Deployment, T | MarketError]],
    listing: Callable[[Deployment], Flow[T]],
    block: BlockRef,
) -> list[tuple[Deployment, T | MarketError]]:
    """The same lists, but where a deployment that names several markets could not be listed, each of its entries is
    listed alone, so that a wrong address loses its own market and no other. A deployment none of whose entries can be
    listed stays as it is. Entries cost further rounds only then. Raises TransientError when the node fails."""
    known = list(lists)
    flows = Flows()
    alone = [
        [(one, flows.add(listing(one))) for one in entries(table)] if isinstance(found, MarketError) else []
        for table, found in known
    ]
    if flows.handles:
        await flows.run(node, block)
    rows: list[tuple[Deployment, T | MarketError]] = []
    for whole, each in zip(known, alone, strict=True):
        read = [(one, handle.answer) for one, handle in each]
        rows += read if any(not isinstance(answer, MarketError) for _, answer in read) else [whole]
    return rows


def entries(table: Deployment) -> tuple[Deployment, ...]:
    """A deployment for each address that the table lists, or for each of its assets where it lists none; empty: it
    names one market."""
    lists = [key for key, value in table.params.items() if isinstance(value, list | tuple)]
    if len(lists) == 1:
        (key,) = lists
        listed: Sequence[str] = table.params[key]
        each = [replace(table, params={**table.params, key: [one]}, entry=str(one)) for one in listed]
    elif "pool" in table.params and not lists:
        pool = table.params["pool"]
        each = [replace(table, assets=(one,), entry=f"{pool}/{one.address}") for one in table.assets]
    else:
        each = []
    return tuple(each) if len(each) > 1 else ()


def listed_markets(
    lists: Iterable[tuple[Deployment, tuple[Market, ...] | MarketError]], job: Job
) -> tuple[list[Market], list[Quarantined]]:
    """The job's markets, and a placeholder for each deployment, or entry of one, whose markets could not be listed."""
    markets, quarantined = list[Market](), list[Quarantined]()
    for deployment, found in lists:
        if isinstance(found, MarketError):
            quarantined.append(Quarantined(_unlisted(deployment, job), str(found)))
        else:
            ours = [market for market in found if market.asset in job.assets]
            markets += [replace(market, deployment=deployment.name) for market in ours]
    return markets, quarantined


def states_of(
    reads: Iterable[tuple[Market, Handle[MarketState]]],
) -> tuple[dict[MarketId, MarketState], list[Quarantined]]:
    """The states of the markets that could be read and do not contradict themselves, and the other markets with the
    reason."""
    states, quarantined = dict[MarketId, MarketState](), list[Quarantined]()
    for market, handle in reads:
        state = handle.answer
        why = str(state) if isinstance(state, MarketError) else contradiction(state)
        if isinstance(state, MarketState) and why is None:
            states[state.market.id] = state
        else:
            quarantined.append(Quarantined(market, str(why)))
    return states, quarantined


def _unlisted(deployment: Deployment, job: Job) -> Market:
    """A placeholder market for a deployment, or an entry of one, whose markets could not be listed. The placeholder of
    an entry has the market's own id, by which our holding there is known."""
    entry = deployment.entry if job.chain.svm is not None else deployment.entry.lower()
    *_, last = deployment.entry.split("/")
    return Market(
        MarketId(f"{deployment.protocol}/{market_chain(deployment.chain)}/{entry or '?'}"),
        deployment.protocol,
        Kind.LENDING,
        deployment.chain,
        f"{deployment.name} {last[:6]}…{last[-4:]}" if entry else deployment.name,
        job.asset,
        Address(last) if entry else job.asset.address,
        deployment=deployment.name,
    )
