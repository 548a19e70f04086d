"""Events about control of a contract, and about changes of its settings, as text. Pure.

Logs may hold anything; one that cannot be decoded is shown by its name alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from yieldbot.model.controls import UNREADABLE, ControlEvent, Pending
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import EthLog
from yieldbot.model.text import one_line
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.control_event_words import BY_ITSELF, CLOSES, EVENTS, OPENS, SIGNATURES
from yieldbot.protocols.evm.role_reads import numbers
from yieldbot.protocols.evm.vault_v2 import name_of

MOST_OF_ONE = 50
"""Most events of one contract in one look that are shown individually; more are summed in one line, and the worst
case is assumed."""
LONGEST = 200
"""Most characters of an event's text."""
MOST_CALLS = 10
"""Most calls of one proposal that are decoded."""
LONGEST_DATA = 1000
"""Most bytes of calldata in the key of an announced change."""


@dataclass(frozen=True, slots=True)
class ScheduledCall:
    """A call that an event announces."""

    target: Address
    """The contract that would be called."""
    value: int
    """Wei sent with the call."""
    data: bytes
    """Calldata."""

    @property
    def selector(self) -> str:
        """As in ``ControlEvent.calls``."""
        return f"0x{self.data[:4].hex()}"


@dataclass(frozen=True, slots=True)
class DescribedEvent:
    """An event as text, and the call that it announces."""

    event: ControlEvent
    """The event."""
    call: ScheduledCall | None = None
    """The announced call; None: it announces none."""
    delay_seconds: int | None = None
    """Seconds after the event's block from which the call may be made; None: the event states a time, or none."""
    payload: str = ""
    """For an Aave payload, "call/" and its number: its calls are in a contract of its own; empty for other events."""
    calls: tuple[ScheduledCall, ...] = ()
    """The calls that a proposal would make, MOST_CALLS at most."""
    hash: bytes = b""
    """The call's hash, if the event announces a call by hash only (Maple); else empty."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of event."""

    name: str
    """The event's name."""
    words: str
    """Text that describes the event, with names of arguments in braces."""
    fields: tuple[tuple[str, str, bool], ...]
    """Each argument's type, name, and whether it is indexed."""


@cache
def kinds() -> Mapping[bytes, tuple[_Kind, ...]]:
    """Events by first topic. Several may share one topic, with different arguments indexed."""
    found: dict[bytes, tuple[_Kind, ...]] = {}
    for signature, words in EVENTS.items():
        name, inside = signature.rstrip(")").split("(")
        parts = [part.split() for part in re.split(r",\s*", inside)]
        fields = tuple((part[0], part[-1], len(part) == 3) for part in parts)
        signature = SIGNATURES.get(name, f"{name}({','.join(kind for kind, _, _ in fields)})")
        topic = keccak(signature.encode())
        found[topic] = (*found.get(topic, ()), _Kind(name, words, fields))
    return found


def topics() -> tuple[bytes, ...]:
    """The first topics of all events that are read."""
    return tuple(kinds())


def topics_of(names: Sequence[str]) -> tuple[bytes, ...]:
    """The first topics of the events of some names."""
    return tuple(topic for topic, found in kinds().items() if any(one.name in names for one in found))


def described(logs: Sequence[EthLog]) -> list[DescribedEvent]:
    """The events as text, in order; too many events of one contract are one line."""
    counts: dict[str, int] = {}
    for log in logs:
        counts[log.address.lower()] = counts.get(log.address.lower(), 0) + 1
    found: list[DescribedEvent] = []
    flooded = set[str]()
    for log in logs:
        at = log.address.lower()
        if counts[at] <= MOST_OF_ONE:
            if (one := described_one(log)) is not None:
                found.append(one)
        elif at not in flooded:
            flooded.add(at)
            found.append(_flood(log, counts[at]))
    return found


def _flood(log: EthLog, count: int) -> DescribedEvent:
    words = f"{count:,} events in one look, more than {MOST_OF_ONE}: not told one by one, the worst is assumed"
    pending = Pending(what="anything", after=words, source=f"events of {log.address}", id=f"flood/{log.block}")
    return DescribedEvent(
        ControlEvent(
            contract=_checksum(log.address),
            what="flood",
            words=words,
            block=log.block,
            index=log.index,
            tx=log.tx,
            pending=pending,
        )
    )


def described_one(log: EthLog) -> DescribedEvent | None:
    """One event as text; None: it is not among ``EVENTS``."""
    candidates = kinds().get(log.topics[0] if log.topics else b"", ())
    if not candidates:
        return None
    kind = next((one for one in candidates if sum(i for _, _, i in one.fields) == len(log.topics) - 1), candidates[0])
    contract = _checksum(log.address)
    event = ControlEvent(
        contract=contract, what=kind.name, words=f"{kind.name}, unreadable", block=log.block, index=log.index, tx=log.tx
    )
    try:
        values = _values(kind, log)
        shown = {name: _shown(kind_of, name, values[name]) for kind_of, name, _ in kind.fields}
        event = replace(event, words=one_line(kind.words.format(**shown), LONGEST))
    except Exception:  # an event is shown whatever its log holds
        return DescribedEvent(replace(event, calls=(UNREADABLE,)))
    key = _key(values)
    if kind.name in CLOSES:
        return DescribedEvent(replace(event, closes=key))
    if kind.name not in OPENS:
        return DescribedEvent(event, payload=key if kind.name == "PayloadQueued" else "")
    return _opened(event, values, key)


def _opened(event: ControlEvent, values: Mapping[str, Any], key: str) -> DescribedEvent:
    """The event with the change that it announces and the call or calls that would make it. key: see ``_key``."""
    eta, delay = values.get("eta"), values.get("delay")
    due = int(eta) if eta is not None and int(eta) < 2**40 else None
    call, proposed = _call(event, values), event.what == "ProposalCreated"
    pending = Pending(
        what="proposal" if proposed else "scheduled call" if call is not None else "change",
        after=event.words,
        due=due,
        source=f"{event.what} of {event.contract}, block {event.block}",
        id=key,
        itself=event.what in BY_ITSELF,
    )
    event = replace(event, pending=pending)
    wait = int(delay) if delay is not None and int(delay) < 2**40 else None
    if proposed:
        return DescribedEvent(
            event, calls=calls_of(values["targets"], values["values"], values["signatures"], values["calldatas"])
        )
    return DescribedEvent(event, call, wait, hash=bytes(values.get("hash", b"")))


def _call(event: ControlEvent, values: Mapping[str, Any]) -> ScheduledCall | None:
    """The call among an event's arguments; None if there is none."""
    if event.what == "Submit":  # of its own function
        return ScheduledCall(event.contract, 0, bytes(values["data"]))
    if "target" not in values or "data" not in values:
        return None
    return calls_of([values["target"]], [values.get("value", 0)], [values.get("signature", "")], [values["data"]])[0]


def calls_of(
    targets: Sequence[str], values: Sequence[int], signatures: Sequence[str], datas: Sequence[bytes]
) -> tuple[ScheduledCall, ...]:
    """Calls from lists of equal length, as governors store them; a function's signature, if given, becomes the selector
    before its data."""
    found = []
    for target, value, signature, data in zip(targets, values, signatures, datas, strict=False):
        if signature:
            from yieldbot.protocols.evm.abi import selector_of

            data = selector_of(one_line(str(signature), LONGEST)) + bytes(data)
        found.append(ScheduledCall(_checksum(target), int(value), bytes(data)))
    return tuple(found[:MOST_CALLS])


def _key(values: Mapping[str, Any]) -> str:
    """The key of an announced change: equal in the event that announces it and in the one that ends it."""
    if "selector" in values and "data" in values:
        return f"call/{bytes(values['data'])[:LONGEST_DATA].hex()}"
    if "caller" in values and "name" in values:
        parts = (bytes.fromhex(values["caller"][2:]), bytes.fromhex(values["target"][2:]), values["name"])
        return f"call/{b''.join(part.rjust(32, bytes(1)) for part in parts).hex()}"
    number = values.get("id", values.get("market"))
    return "implementation" if number is None else f"call/{number.hex() if isinstance(number, bytes) else number}"


def _values(kind: _Kind, log: EthLog) -> dict[str, Any]:
    """The arguments by name. Raises if the log is of another kind."""
    from eth_abi.abi import decode

    indexed = [(name, type_) for type_, name, is_indexed in kind.fields if is_indexed]
    inside = [(name, type_) for type_, name, is_indexed in kind.fields if not is_indexed]
    if len(log.topics) - 1 > len(indexed):  # a newer version indexes what an older one did not
        extra = len(log.topics) - 1 - len(indexed)
        indexed, inside = indexed + inside[:extra], inside[extra:]
    found = {name: decode([type_], topic)[0] for (name, type_), topic in zip(indexed, log.topics[1:], strict=True)}
    found |= dict(zip((name for name, _ in inside), decode([t for _, t in inside], log.data), strict=True))
    return found


def _shown(kind: str, name: str, value: Any) -> str:
    if kind == "address":
        return "nobody" if int(value, 16) == 0 else checksum(value)
    if kind == "bool":
        return "yes" if value else "no"
    if kind == "bytes32" and name == "name":
        text = value.rstrip(b"\0").decode("ascii", "replace")
        return one_line(text, 40) if text.isprintable() else f"0x{value.hex()[:8]}…"
    if kind == "bytes4":
        return name_of(value)
    if kind == "bytes32":
        return _role(value) if name in ("role", "before", "after") else f"0x{value.hex()[:8]}…"
    if kind == "bytes":
        words = [int.from_bytes(value[at : at + 32], "big") for at in range(0, min(len(value), 128), 32)]
        return ", ".join(map(str, words))
    return one_line(str(value) if name != "id" or value < 10**12 else f"{str(value)[:8]}…", 80)


def _role(value: bytes) -> str:
    return numbers().get(int.from_bytes(value, "big"), f"0x{value.hex()[:8]}…")


def _checksum(address: str) -> Address:
    try:
        return checksum(address)
    except ValueError:
        return Address(address)
