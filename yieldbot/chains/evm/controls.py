"""One look at what an EVM chain's markets stand on: the facts, and the events since the last look, at one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm import controls_kept as kept
from yieldbot.chains.evm import safe_queue
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear import Call, KnownNames, lines, read
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.controls import ControlEvent, Controls, Dependency, Look, Part
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Market
from yieldbot.model.native import native_token
from yieldbot.model.reads import EthLogs, Flow, LogSpan
from yieldbot.model.text import one_line
from yieldbot.protocols.evm.age_reads import Age, AgeReads, with_age
from yieldbot.protocols.evm.comet_queue import words_of_call
from yieldbot.protocols.evm.comet_search import AGAIN_SECONDS, CometSearch
from yieldbot.protocols.evm.control_events import DescribedEvent, ScheduledCall, described, topics
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import Reading, read_controls, remembered
from yieldbot.protocols.evm.payloads import actions_of, read_payloads
from yieldbot.protocols.evm.queue_reads import QueueReads, ended
from yieldbot.protocols.evm.role_reads import RoleReads, with_roles
from yieldbot.protocols.evm.standing import stands_on
from yieldbot.resources import folder
from yieldbot.rpc.flows import Flows, Handle

if TYPE_CHECKING:
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.amounts import BlockRef
    from yieldbot.model.settings import ChainSettings

ADDRESSES = 500
"""Contracts of one request for events."""
MOST_TIMES = 20
"""Blocks whose time is read because an event in them counts its delay from there; later ones count from the look."""
COMET = "compound_v3"
AGED = (Part.POOL, Part.ADMIN, Part.INSIDE)
"""Contracts whose age is read: those whose change can take the money."""
GONE = ("the market itself, which cannot be read now",)
"""What is missing of a lost market."""
LONGEST = 400
"""Characters of a decoded call."""


async def look(
    node: Node,
    chain: ChainSettings,
    markets: Sequence[Market],
    block: BlockRef,
    known: Mapping[str, Any],
    since: int | None,
    lost: Mapping[MarketId, Sequence[Dependency]],
    beside: Flows | None = None,
) -> Look:
    """The facts about everything that the markets, and those that are lost, stand on at ``block``, and the events after
    block ``since`` (None: of no block). known: ``Look.known`` of the last look, or nothing. beside: flows that run in
    the same rounds. Raises TransientError when the node fails."""
    tables = {table.name: table.params for table in chain.deployments}
    found, searched = kept.configurators_of(known)
    where = {}
    for market in markets:
        table = tables.get(market.deployment, {})
        where[market.id] = {**table, "configurator": table.get("configurator") or found.get(market.address)}
    stands = {market.id: stands_on(market, where[market.id]) for market in markets}
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
    logs = await _explained(node, chain, logs, block)
    events = await _dated(node, chain, logs, readings, block)
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


async def _explained(
    node: Node, chain: ChainSettings, logs: Sequence[DescribedEvent], block: BlockRef
) -> list[DescribedEvent]:
    """The events, with what queued payloads of Aave's governance would do."""
    named = [(one.event.contract, one.payload) for one in logs if one.payload]
    if not named:
        return list(logs)
    (answers,) = await node.run([read_payloads(named)], block)
    if isinstance(answers, MarketError):
        return list(logs)
    says = dict(zip(named, answers, strict=False))
    found = []
    for one in logs:
        event = one.event
        answer = says.get((event.contract, one.payload), b"")
        what, due = actions_of(answer, partial(decoded, chain, event.contract))
        if what:
            late = f", from {datetime.fromtimestamp(due, UTC):%Y-%m-%d %H:%M} UTC on" if due else ""
            event = replace(event, words=one_line(f"{event.words}{late}: {what}", LONGEST))
        found.append(replace(one, event=event))
    return found


async def _dated(
    node: Node,
    chain: ChainSettings,
    logs: Sequence[DescribedEvent],
    readings: Mapping[Address, Reading],
    block: BlockRef,
) -> list[ControlEvent]:
    """The events, announced calls decoded and with the time from which they may be made."""
    times: dict[int, int] = {}
    for one in logs:
        if one.delay_seconds is not None and one.event.block not in times and len(times) < MOST_TIMES:
            times[one.event.block] = (await node.block(one.event.block)).timestamp
    found = []
    for one in logs:
        event = one.event
        if event.pending is not None:
            pending = event.pending
            if one.delay_seconds is not None:
                start = times.get(event.block, block.timestamp)
                pending = replace(pending, due=start + one.delay_seconds)
            if one.call is not None:
                words = decoded(chain, event.contract, one.call)
                if changed := words_of_call(one.call, readings):
                    words = one_line(f"{words}: {changed}", 2 * LONGEST)
                pending = replace(pending, after=words, names=_names(one.call, frozenset(readings)))
            event = replace(event, pending=pending, words=pending.after if one.call is not None else event.words)
        found.append(event)
    return found


def decoded(chain: ChainSettings, sender: Address, call: ScheduledCall) -> str:
    """A scheduled call in words, by the decoder of ``yieldbot decode``; its bytes where that cannot read it."""
    raw = f"{call.target} 0x{call.data[:36].hex()}{'…' if len(call.data) > 36 else ''}"
    try:
        book = KnownNames.of(chain, native_token(chain))
        reading = read(Call(call.target, call.data, call.value, sender), book, abi_functions(folder("abis")), ())
        words = one_line("; ".join(lines(reading)), LONGEST)
        if reading.fault is not None or not reading.known:
            words = f"{words}: {raw}"
    except Exception:  # calldata of strangers: whatever it is, it is shown
        words = ""
    return f"scheduled call: {words or raw}"


def _names(call: ScheduledCall, looked_at: frozenset[Address]) -> tuple[Address, ...]:
    """The contracts looked at that a call would call or has among its words."""
    return tuple(one for one in sorted(looked_at) if one == call.target or bytes.fromhex(one[2:]) in call.data)
