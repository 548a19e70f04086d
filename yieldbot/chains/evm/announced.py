"""Describes what events of an EVM chain announce: decodes scheduled and proposed calls, reads the values that they
would change, and finds the time from which each call may be executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear import Call, KnownNames, lines, read
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.controls import UNREADABLE, ControlEvent, Pending
from yieldbot.model.ids import Address
from yieldbot.model.native import native_token
from yieldbot.model.text import one_line
from yieldbot.protocols.evm import maple, vault_v2
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.comet_queue import words_of_call
from yieldbot.protocols.evm.control_events import MOST_CALLS, DescribedEvent, ScheduledCall
from yieldbot.protocols.evm.control_reads import Reading
from yieldbot.protocols.evm.payloads import actions_of, read_payloads
from yieldbot.resources import folder

if TYPE_CHECKING:
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.settings import ChainSettings

MOST_TIMES = 20
"""Most blocks whose time is fetched at one look, for events whose delay begins at their block; for further events the
delay is counted from the look's block."""
MOST_INPUTS = 10
"""Most transactions whose calldata is fetched at one look, for events that hold only a hash of the announced call."""
LONGEST = 400
"""Most characters of one decoded call."""
Readings = Mapping[Address, Reading]


async def explained(
    node: Node,
    chain: ChainSettings,
    logs: Sequence[DescribedEvent],
    readings: Readings,
    assets: Mapping[Address, Token],
    block: BlockRef,
) -> list[ControlEvent]:
    """The events, with announced calls decoded and the time from which each may be executed. assets: the asset by
    vault, in which amounts are shown. Where a read fails, the event is shown as it was emitted. Raises TransientError
    when the node fails."""
    logs = await _payloads(node, chain, logs, block)
    logs = await _by_hash(node, logs, readings, block)
    calls = [one.call for one in logs if one.event.what == "Submit" and one.call is not None]
    answers = await node.run([vault_v2.read_values(calls)], block) if calls else [[]]
    values = [] if isinstance(answers[0], MarketError) else answers[0]
    in_force = dict(zip(calls, values, strict=False))
    times: dict[int, int] = {}
    for one in logs:
        if one.delay_seconds is not None and one.event.block not in times and len(times) < MOST_TIMES:
            times[one.event.block] = (await node.block(one.event.block)).timestamp
    found = []
    for one in logs:
        event = one.event
        if one.call is not None or one.calls:
            event = replace(event, calls=_selectors(one))
        if event.pending is not None:
            pending = event.pending
            if one.delay_seconds is not None:
                pending = replace(pending, due=times.get(event.block, block.timestamp) + one.delay_seconds)
            if event.what == "Submit" and one.call is not None:
                words = vault_v2.words_of(one.call, in_force.get(one.call, b""), assets.get(event.contract))
                words = words or decoded(chain, event.contract, one.call)
                stands = None if vault_v2.harmless(one.call) else replace(pending, what="change", after=words)
                found.append(replace(event, pending=stands, words=one_line(f"announced: {words}", LONGEST)))
                continue
            if one.calls:
                pending = _proposed(chain, one, pending, readings)
            elif one.call is not None:
                words = in_words(chain, event.contract, one.call, readings)
                if event.what == "MapleCallScheduled":
                    words = one_line(f"{event.words}: {words.removeprefix('scheduled call: ')}", 2 * LONGEST)
                pending = replace(pending, after=words, names=_names(one.call, frozenset(readings)))
            event = replace(event, pending=pending, words=pending.after if one.call or one.calls else event.words)
        found.append(event)
    return found


def _selectors(one: DescribedEvent) -> tuple[str, ...]:
    """The functions that an event's calls are of, as ``ControlEvent.calls``; what a proposal has beyond the calls that
    are decoded is unreadable."""
    if one.call is not None:
        return (one.call.selector,)
    return (*(call.selector for call in one.calls), *((UNREADABLE,) if len(one.calls) == MOST_CALLS else ()))


def in_words(chain: ChainSettings, sender: Address, call: ScheduledCall, readings: Readings) -> str:
    """A line that describes a scheduled call, with the present values that it would change, where these were read."""
    words = decoded(chain, sender, call)
    if changed := words_of_call(call, readings):
        words = one_line(f"{words}: {changed}", 2 * LONGEST)
    return words


def _proposed(chain: ChainSettings, one: DescribedEvent, pending: Pending, readings: Readings) -> Pending:
    """The pending change with its proposal's calls described, and with the contracts that these calls concern."""
    sender, looked_at = one.event.contract, frozenset(readings)
    words = "; ".join(in_words(chain, sender, call, readings).removeprefix("scheduled call: ") for call in one.calls)
    names = dict.fromkeys(name for call in one.calls for name in _names(call, looked_at))
    return replace(pending, after=one_line(f"{pending.after}: {words}", 3 * LONGEST), names=tuple(names))


async def _by_hash(
    node: Node, logs: Sequence[DescribedEvent], readings: Readings, block: BlockRef
) -> list[DescribedEvent]:
    """The events, with the calls of those that hold only a hash of their call (Maple), decoded from their transactions'
    calldata. Calls that a stranger scheduled at Maple's Globals are reported but raise no alarm, since anybody may
    schedule there."""
    wanted = [one for one in logs if one.hash][-MOST_INPUTS:]
    if not wanted:
        return list(logs)
    txs = list(dict.fromkeys(one.event.tx for one in wanted))
    globals_ = [one for one in wanted if one.event.what == "MapleCallScheduled" and one.event.pending is not None]
    ids = [bytes.fromhex(one.event.pending.id.removeprefix("call/")) for one in globals_ if one.event.pending]
    try:
        said = await node.batch([("eth_getTransactionByHash", [tx]) for tx in txs])
        asked = [(one.event.contract, id_) for one, id_ in zip(globals_, ids, strict=True)]
        (delays,) = await node.run([maple.read_delays(asked)], block) if asked else [[]]
    except TransientError:
        said, delays = [], []
    inputs = {tx: _input(answer) for tx, answer in zip(txs, said, strict=False)}
    waits = [] if isinstance(delays, MarketError) else delays
    delay = dict(zip((one.event.key for one in globals_), waits, strict=False))
    found = []
    for one in logs:
        event, pending = one.event, one.event.pending
        if not one.hash or pending is None:
            found.append(one)
            continue
        target, strange = None, False
        if event.what == "MapleCallScheduled":
            id_ = bytes.fromhex(pending.id.removeprefix("call/"))
            caller, target = (checksum(f"0x{id_[at : at + 20].hex()}") for at in (12, 44))
            strange = caller not in readings
        call = maple.call_in(inputs.get(event.tx, b""), one.hash, event.contract, target)
        if strange:
            found.append(replace(one, event=replace(event, pending=None), delay_seconds=None))
        elif call is not None:
            pending = replace(pending, what="scheduled call")
            late = delay.get(event.key)
            found.append(replace(one, event=replace(event, pending=pending), call=call, delay_seconds=late))
        else:  # its effect is unknown, so it concerns all markets that depend on the contract
            names = (target,) if target is not None else (event.contract,)
            after = f"{event.words}: what it would do cannot be read"
            pending = replace(pending, what="scheduled call", after=after, names=names)
            found.append(replace(one, event=replace(event, pending=pending, words=after)))
    return found


def _input(answer: object) -> bytes:
    data = answer.get("input") if isinstance(answer, Mapping) else None
    try:
        return bytes.fromhex(str(data).removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""


async def _payloads(
    node: Node, chain: ChainSettings, logs: Sequence[DescribedEvent], block: BlockRef
) -> list[DescribedEvent]:
    """The events, with the actions of queued payloads of Aave's governance described."""
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
        what, due, calls = actions_of(answer, partial(decoded, chain, event.contract))
        if what:
            late = f", from {datetime.fromtimestamp(due, UTC):%Y-%m-%d %H:%M} UTC on" if due else ""
            event = replace(event, words=one_line(f"{event.words}{late}: {what}", LONGEST), calls=calls)
        found.append(replace(one, event=event))
    return found


def decoded(chain: ChainSettings, sender: Address, call: ScheduledCall) -> str:
    """A line that describes a scheduled call, by the decoder of ``yieldbot decode``; its target and first bytes where
    that cannot decode it."""
    raw = f"{call.target} 0x{call.data[:36].hex()}{'…' if len(call.data) > 36 else ''}"
    try:
        book = KnownNames.of(chain, native_token(chain))
        reading = read(Call(call.target, call.data, call.value, sender), book, abi_functions(folder("abis")), ())
        words = one_line("; ".join(lines(reading)), LONGEST)
        if reading.fault is not None or not reading.known:
            words = f"{words}: {raw}"
    except Exception:  # a stranger's calldata may be anything: it is shown undecoded
        words = ""
    return f"scheduled call: {words or raw}"


def _names(call: ScheduledCall, looked_at: frozenset[Address]) -> tuple[Address, ...]:
    """Those of the contracts in ``looked_at`` that are the call's target or appear in its calldata."""
    return tuple(one for one in sorted(looked_at) if one == call.target or bytes.fromhex(one[2:]) in call.data)
