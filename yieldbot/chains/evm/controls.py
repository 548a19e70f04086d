"""One look at the contracts that an EVM chain's markets depend on: facts about them at one block, and their events
since the last look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm import controls_kept as kept
from yieldbot.chains.evm import safe_queue
from yieldbot.chains.evm.announced import decoded, explained
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.controls import Controls, Dependency, Look, Part
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Market
from yieldbot.model.reads import EthLogs, Flow, LogSpan
from yieldbot.protocols.evm.age_reads import Age, AgeReads, with_age
from yieldbot.protocols.evm.comet_search import AGAIN_SECONDS, CometSearch
from yieldbot.protocols.evm.control_events import DescribedEvent, described, topics
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import Reading, read_controls, remembered
from yieldbot.protocols.evm.maple import with_manager
from yieldbot.protocols.evm.queue_reads import QueueReads, ended, passed
from yieldbot.protocols.evm.role_reads import RoleReads, with_roles
from yieldbot.protocols.evm.standing import backers, stands_on, with_configurator
from yieldbot.rpc.flows import Flows, Handle

if TYPE_CHECKING:
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.amounts import BlockRef
    from yieldbot.model.look_through import Backing
    from yieldbot.model.settings import ChainSettings

ADDRESSES = 500
"""Most contracts in one request for events."""
COMET = "compound_v3"
AGED = (Part.POOL, Part.ADMIN, Part.INSIDE)
"""Parts of a market for which the age of the contract's code is read: those whose replacement could take the money."""
GONE = ("the market itself, which cannot be read now",)
"""``missing`` of a market that cannot be read any more."""


async def look(
    node: Node,
    chain: ChainSettings,
    markets: Sequence[Market],
    block: BlockRef,
    known: Mapping[str, Any],
    since: int | None,
    lost: Mapping[MarketId, Sequence[Dependency]],
    beside: Flows | None = None,
    backing: Mapping[MarketId, Backing] | None = None,
) -> Look:
    """Facts about the contracts that the markets (and those in ``lost``, which cannot be read any more) depend on at
    ``block``, and their events after block ``since`` (None: no events). known: ``Look.known`` of the last look, or
    empty. backing: what the last look found behind markets, whose tokens are read too. beside: further flows, whose
    reads are made in the same rounds. Raises TransientError when the node fails."""
    tables = {table.name: table.params for table in chain.deployments}
    found, searched = kept.configurators_of(known)
    where = {}
    for market in markets:
        table = tables.get(market.deployment, {})
        where[market.id] = {**table, "configurator": table.get("configurator") or found.get(market.address)}
    stands = {
        market.id: _once((*stands_on(market, where[market.id]), *backers((backing or {}).get(market.id))))
        for market in markets
    }
    unknown = {m.address for m in markets if m.protocol == COMET and not where[m.id]["configurator"]}
    search = frozenset(one for one in unknown if block.timestamp - searched.get(one, 0) >= AGAIN_SECONDS)
    stands |= {market: tuple(named) for market, named in lost.items()}
    wanted = dict[Address, Dependency]()
    for one in (one for named in stands.values() for one in named):
        first = wanted.get(one.address)
        views = dict([*(first.views if first else ()), *one.views])
        wanted[one.address] = replace(first or one, views=tuple(views.items()))
    memory = kept.code_of(known)
    before = kept.ages_of(known)
    counted = frozenset(at for at, one in wanted.items() if one.part in AGED)
    ages = AgeReads(block.height, block.timestamp, counted, before)
    roles = RoleReads(block.height, kept.roles_of(known), {at: age.without + 1 for at, age in before.items()})
    spans_of, stood = kept.queues_of(known)
    queues = QueueReads(block.height, block.timestamp, spans_of, stood, lambda: ages.pace)
    comets = CometSearch(block.height, search, roles.floors)
    flows: list[Flow[Any]] = [read_controls(tuple(wanted.values()), memory, (roles, ages, queues, comets))]
    if since is not None and since < block.height:
        listened = list(dict.fromkeys([*wanted, *(one for one in memory.next)]))
        for start in range(0, len(listened), ADDRESSES):
            flows.append(_events(tuple(listened[start : start + ADDRESSES]), since + 1, block.height))
    own, together = [Handle(flow) for flow in flows], Flows()
    together.handles.extend([*own, *(beside.handles if beside else ())])
    await together.run(node, block)
    readings, *spans = (handle.answer for handle in own)
    if isinstance(readings, MarketError):
        raise TransientError(f"{node.host}: who controls {chain.name}'s markets cannot be read: {readings}")
    readings = with_roles(readings, roles)
    complete, cut, logs = since + 1 if since is not None else block.height + 1, "", list[DescribedEvent]()
    for span in spans:
        if isinstance(span, MarketError):
            cut, complete = str(span), block.height + 1
        else:
            logs += described(span.logs)
            cut, complete = cut or span.cut, max(complete, span.since)
    logs = list({one.event.key: one for one in (*logs, *queues.result())}.values())
    logs.sort(key=lambda one: (one.event.block, one.event.index))
    stands = {market: with_configurator(with_manager(named, readings), readings) for market, named in stands.items()}
    assets = {market.address: market.asset for market in markets}
    events = await explained(node, chain, logs, readings, assets, block)
    events += passed(queues.accepted, block.height)
    events += ended(queues.over, events, block.height)
    say = partial(decoded, chain)
    said = await safe_queue.ask(chain.safe_service_url, readings, kept.safes_of(known), say, block.height)
    events += said.events
    controls = {
        market: _controls(market, named, readings, ages.ages, block, GONE if market in lost else ())
        for market, named in stands.items()
    }
    return Look(
        block=block.height,
        time=block.timestamp,
        controls=controls,
        events=tuple(events),
        since=complete,
        cut=cut,
        known=kept.document(
            remembered(tuple(wanted.values()), readings),
            roles.remembered(),
            ages.remembered(),
            queues.remembered(events),
            ({**found, **comets.found}, {**searched, **dict.fromkeys(search, block.timestamp)}),
            said.standing,
        ),
        notes=said.notes,
    )


def _once(named: Sequence[Dependency]) -> tuple[Dependency, ...]:
    """Each contract once, in the first part that it has."""
    return tuple({one.address: one for one in reversed(named)}.values())[::-1]


def _controls(
    market: MarketId,
    named: Sequence[Dependency],
    readings: Mapping[Address, Reading],
    ages: Mapping[Address, Age],
    block: BlockRef,
    missing: tuple[str, ...],
) -> Controls:
    contracts = tuple(with_age(facts_of(one, readings, block.height), ages) for one in named)
    return Controls(market=market, contracts=contracts, block=block.height, time=block.timestamp, missing=missing)


def _events(addresses: tuple[Address, ...], first: int, last: int) -> Flow[LogSpan]:
    (answer,) = yield [EthLogs(addresses, topics(), first, last, optional=True)]
    if not answer:
        raise MarketError(f"no node tells the events of blocks {first} to {last}")
    return LogSpan.decoded(answer)
