"""Transactions that the owners of Safes behind our markets are preparing, as Safe's transaction service reports them: a
web service's claim, never a fact.

A transaction that still lacks signatures is only shown; one that could be executed is a pending change. A service that
fails or answers nonsense is named in the notes and stops nothing; its last answer stays in force until it gives
another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from yieldbot.errors import TransientError
from yieldbot.model.controls import ControlEvent, ControllerKind, Pending
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.text import one_line
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.control_events import ScheduledCall
from yieldbot.protocols.evm.control_facts import controller_of
from yieldbot.protocols.evm.control_reads import SAFE_PROXIES, Reading
from yieldbot.rpc.service import get

MOST_SAFES, MOST_EACH = 20, 20
"""Safes that are queried in one look, and transactions of each."""
SECONDS = 8.0
"""Timeout of one answer."""
LONGEST = 400
"""Most characters of a transaction in words."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction that the owners are preparing, according to the service."""

    safe: Address
    """The Safe."""
    nonce: int
    """Its nonce in the Safe."""
    hash: str
    """The service's id of it (safeTxHash), 32 bytes in hex."""
    call: ScheduledCall
    """The call that it would make."""
    delegates: bool
    """Whether it is a DELEGATECALL, which runs the target's code as the Safe's own."""
    signers: frozenset[str]
    """Who has signed it according to the service, in lower case."""


@dataclass(frozen=True, slots=True)
class QueueLook:
    """The service's answers in one look."""

    events: tuple[ControlEvent, ...] = ()
    """Transactions that are prepared now, and those that no longer are."""
    standing: tuple[tuple[Address, str], ...] = ()
    """(Safe, id) of each transaction that could be executed, for the next look."""
    notes: tuple[str, ...] = ()
    """What could not be queried."""


@dataclass(slots=True)
class _Taken:
    """``QueueLook`` under construction."""

    events: list[ControlEvent] = field(default_factory=list)
    """See ``QueueLook.events``."""
    standing: list[tuple[Address, str]] = field(default_factory=list)
    """See ``QueueLook.standing``."""
    notes: list[str] = field(default_factory=list)
    """See ``QueueLook.notes``."""


async def ask(
    url: str | None,
    readings: Mapping[Address, Reading],
    before: Collection[tuple[Address, str]],
    decoded: Callable[[Address, ScheduledCall], str],
    block: int,
) -> QueueLook:
    """What is prepared in each Safe that was read. Raises nothing.

    before: ``QueueLook.standing`` of the last look. decoded: gives a sender's call in words.
    """
    if not url:
        return QueueLook()
    safes = [at for at, one in readings.items() if one.code is not None and one.code.hash.hex() in SAFE_PROXIES]
    safes = [at for at in safes if controller_of(at, readings).kind is ControllerKind.SAFE][:MOST_SAFES]
    asked = [partial(_of, url, at, readings[at].word("nonce") or 0) for at in safes]
    answers = await asyncio.gather(*(asyncio.to_thread(one) for one in asked))
    taken = _Taken()
    for at, answer in zip(safes, answers, strict=True):
        mine = [id_ for safe, id_ in before if safe == at]
        if isinstance(answer, str):
            taken.notes.append(answer)
            taken.standing += [(at, id_) for id_ in mine]
            continue
        own = controller_of(at, readings)
        needed, owners = own.threshold or 1, {one.lower() for one in own.owners}
        signed = {_id(one): len(one.signers & owners) for one in answer}
        ready = [id_ for id_, count in signed.items() if count >= needed]
        taken.standing += [(at, id_) for id_ in ready]
        taken.events += [
            _event(one, f"{min(signed[_id(one)], needed)} of {needed} signatures", readings, decoded, ready, block)
            for one in answer
            if _id(one) not in mine
        ]
        taken.events += [_over(at, id_, block) for id_ in mine if id_ not in ready]
    left = [one for one in before if one[0] not in safes]
    return QueueLook(tuple(taken.events), (*taken.standing, *left), tuple(dict.fromkeys(taken.notes)))


def _of(url: str, safe: Address, nonce: int) -> list[Prepared] | str:
    """What is prepared in one Safe, or why that is unknown."""
    path = f"{url.rstrip('/')}/api/v1/safes/{safe}/multisig-transactions/"
    try:
        answer = get(f"{path}?executed=false&nonce__gte={nonce}&ordering=nonce&limit={MOST_EACH}", SECONDS)
    except TransientError as failure:
        return f"Safe's service: {failure}"
    rows = answer.get("results") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        return f"Safe's service: {urlsplit(url).hostname} answers what is no list of transactions"
    found = [prepared(safe, nonce, row) for row in rows[:MOST_EACH]]
    return [one for one in found if one is not None]


def prepared(safe: Address, least: int, row: Any) -> Prepared | None:
    """One row of the service's answer; None where it belongs to another Safe, is executed or outdated, or cannot be
    read."""
    try:
        if row.get("isExecuted") or row["safe"].lower() != safe.lower():
            return None
        nonce, value, operation = int(row["nonce"]), int(row["value"]), int(row["operation"])
        name, data = bytes.fromhex(row["safeTxHash"][2:]), bytes.fromhex((row.get("data") or "0x")[2:])
        signers = {str(one["owner"]).lower() for one in row.get("confirmations") or ()}
        target = checksum(row["to"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if not least <= nonce < 2**64 or not 0 <= value < 2**256 or len(name) != 32:
        return None
    return Prepared(safe, nonce, name.hex(), ScheduledCall(target, value, data), operation == 1, frozenset(signers))


def _id(one: Prepared) -> str:
    return f"safe/{one.nonce}/{one.hash}"


def _event(
    one: Prepared,
    state: str,
    readings: Mapping[Address, Reading],
    decoded: Callable[[Address, ScheduledCall], str],
    all_ready: Collection[str],
    block: int,
) -> ControlEvent:
    """The event of one transaction. One that lacks signatures has the same key in every look; one that can be executed
    gets a new key each time it becomes so."""
    what = decoded(one.safe, one.call).removeprefix("scheduled call: ")
    how = "run the code of" if one.delegates else "call"
    words = one_line(f"Safe's service claims: transaction {one.nonce} would {how} {what} ({state})", LONGEST)
    ready = _id(one) in all_ready
    data = one.call.data
    names = tuple(at for at in sorted(readings) if at == one.call.target or bytes.fromhex(at[2:]) in data)
    pending = Pending(
        what="scheduled call", after=words, source=f"Safe's service, of {one.safe}", id=_id(one), names=names
    )
    event = ControlEvent(
        contract=one.safe,
        what="SafeReady" if ready else "SafePrepared",
        words=words,
        block=block if ready else 0,
        index=one.nonce,
        tx=one.hash,
        calls=("delegatecall",) if one.delegates else (one.call.selector,),
    )
    return replace(event, pending=pending) if ready else event


def _over(safe: Address, id_: str, block: int) -> ControlEvent:
    words = f"Safe's service claims: transaction {id_.split('/')[1]} is not waiting any more"
    return ControlEvent(contract=safe, what="SafeOver", words=words, block=block, tx=id_, closes=id_)
