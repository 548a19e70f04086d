"""Calls that were queued before anybody looked: found by events of a bounded past, and asked about at the contracts.

OpenZeppelin's TimelockController (``isOperationPending``, ``getTimestamp``) and AccessManager (``getSchedule``),
Compound's Timelock (``queuedTransactions``), governors of OpenZeppelin and Compound (``state``), Aave's
PayloadsController (``getPayloadState``), Morpho's Vault V2 (``executableAt``), Maple's Globals and GovernorTimelock
(``scheduledCalls``, ``proposals``). A proposal under vote is news; one that was accepted is a queued call. Where a node
does not serve the events, Compound's governors are asked for their newest proposals by number. What such a contract
denies is not shown; what it does not answer counts as queued. Those that stand are asked about by every look, so that
an end whose event nobody served is seen too. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from yieldbot.model.controls import ControlEvent, Pending
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, EthLogs, LogSpan
from yieldbot.protocols.evm import vault_v2
from yieldbot.protocols.evm.abi import selector_of
from yieldbot.protocols.evm.control_events import LONGEST_DATA, DescribedEvent, described_one, topics_of
from yieldbot.protocols.evm.maple import DELAYS
from yieldbot.protocols.evm.proposal_reads import NumberReads
from yieldbot.protocols.evm.role_reads import FIRST_PARTS, LATER_PARTS, is_manager
from yieldbot.protocols.reads import ReadHandle, Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

PAST_SECONDS = 45 * 86_400
"""How far back queued calls are looked for: delays are hours to 30 days, and what was not made 14 days later is void at
Compound and Aave."""
PACE_SECONDS = 2.0
"""Seconds of a block where the chain's own pace is not known."""
OVERDUE_SECONDS = 30 * 86_400
"""A call that could have been made so long ago is taken for given up, as ``risk/controls.py`` takes it."""
MOST_CALLS = 40
"""Queued calls of one contract that are asked about, the newest."""
MOST_OPEN = 100
"""Calls that stand which are asked about again."""
QUEUED = (
    *("CallScheduled", "QueueTransaction", "ProposalQueued", "PayloadQueued", "OperationScheduled"),
    *("ProposalCreated", "Submit", "MapleCallScheduled", "MapleProposalScheduled"),
)
"""The events by which calls are queued, or proposed."""
ACCEPTED = "ProposalAccepted"
"""In place of an event: a proposal of which its governor says that it was accepted."""
PROPOSED, PASSED = (0, 1), (4, 5)
"""A governor's states: not yet voted on or under vote; accepted or queued (the others: ended)."""
ASKED = {
    "CallScheduled": ("isOperationPending(bytes32)", (1,)),
    "QueueTransaction": ("queuedTransactions(bytes32)", (1,)),
    "ProposalQueued": ("state(uint256)", (5,)),
    "PayloadQueued": ("getPayloadState(uint40)", (2,)),
    "OperationScheduled": ("getSchedule(bytes32)", ()),
    "ProposalCreated": ("state(uint256)", (*PROPOSED, *PASSED)),
    ACCEPTED: ("state(uint256)", PASSED),
    "Submit": ("executableAt(bytes)", ()),
    "MapleCallScheduled": ("scheduledCalls(address,address,bytes32)", ()),
    "MapleProposalScheduled": ("proposals(uint256)", ()),
}
"""By event, the view that says whether the call is still queued, and its answers that say so (none: any but 0)."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that stands."""

    contract: Address
    """Where it is queued."""
    what: str
    """The event that queued it."""
    id: str
    """``Pending.id``, or the same of a payload: "call/" and the id."""
    words: str = ""
    """What a proposal would do."""
    names: tuple[Address, ...] = ()
    """The contracts that a proposal's calls name, as ``Pending.names``."""


@dataclass(frozen=True, slots=True)
class KnownQueue:
    """How far back one contract's events were read."""

    since: int
    """The block from which they were."""
    floor: int
    """The block from which they are to be."""


@dataclass(slots=True)
class QueueReads:
    """Reads queues beside the rounds of ``read_controls``."""

    head: int
    """The block of the look."""
    now: int
    """Its unix seconds."""
    known: Mapping[Address, KnownQueue] = field(default_factory=dict)
    """What earlier looks read."""
    open: tuple[OpenCall, ...] = ()
    """Calls that stood after the last look."""
    pace: Callable[[], float | None] = lambda: None
    """Seconds of a block, as far as they are known."""
    spans: dict[Address, KnownQueue] = field(default_factory=dict)
    """What was read so far."""
    found: list[DescribedEvent] = field(default_factory=list)
    """Calls that past events announce and nobody denied."""
    over: list[OpenCall] = field(default_factory=list)
    """Calls that stood and do not any more."""
    logs: list[tuple[ReadHandle, tuple[Address, ...]]] = field(default_factory=list)
    """The round's reads of events."""
    asked: list[tuple[DescribedEvent, ReadHandle, ReadHandle]] = field(default_factory=list)
    """The round's questions about new ones: whether it is queued, and from when on it may be made."""
    new: list[DescribedEvent] = field(default_factory=list)
    """What is to be asked about in the next round."""
    standing: list[tuple[OpenCall, ReadHandle]] = field(default_factory=list)
    """The round's questions about those that stood."""
    begun: bool = False
    """Whether those that stood were asked about."""
    accepted: list[tuple[OpenCall, int]] = field(default_factory=list)
    """Proposals that stood and were accepted since, each with its state."""
    numbers: NumberReads = field(default_factory=NumberReads)
    """Reads of proposals by number."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """As of ``Companion``."""
        if not self.begun:
            self.begun = True
            for stood in self.open[:MOST_OPEN]:
                if (call := _question(stood.contract, stood.what, stood.id)) is not None:
                    self.standing.append((stood, reads.add(call)))
        groups: dict[tuple[int, int, bool], list[Address]] = {}
        queues = dict.fromkeys([*(one for one in at if one in self.known), *(a for a, r in readings.items() if _is(r))])
        for address in queues:
            if address in self.spans:
                continue
            floor = max(0, self.head - round(PAST_SECONDS / max(self.pace() or PACE_SECONDS, 0.05)))
            span = self.spans[address] = self.known.get(address, KnownQueue(self.head + 1, floor))
            if span.since > span.floor:
                groups.setdefault((span.floor, span.since - 1, address in self.known), []).append(address)
        for (first, last, later), addresses in groups.items():
            parts = LATER_PARTS if later else FIRST_PARTS
            read = EthLogs(tuple(addresses), topics_of(QUEUED), first, last, optional=True, past_parts=parts)
            self.logs.append((reads.add(read), tuple(addresses)))
        self.numbers.ask(reads, {stood.id for stood in self.open})
        for one in self.new:
            event = one.event
            id_ = event.pending.id if event.pending else one.payload
            call = _question(event.contract, event.what, id_)
            if call is None:
                self.found.append(one)
                continue
            when = EthCall(event.contract, selector_of("getTimestamp(bytes32)") + call.data[4:], optional=True)
            self.asked.append((one, reads.add(call), reads.add(when)))
        self.new = []

    def hear(self, readings: Mapping[Address, Reading]) -> Iterable[tuple[Address, Address]]:
        """As of ``Companion``; it names nobody."""
        for stood, handle in self.standing:
            if _queued(stood.what, handle.data) is False:
                self.over.append(stood)
            elif stood.what == "ProposalCreated" and (state := _state(handle.data)) in PASSED:
                self.accepted.append((stood, state))
        self.standing = []
        for one, is_queued, when in self.asked:
            if _queued(one.event.what, is_queued.data) is not False:
                self.found.append(self._due(_as(one, _state(is_queued.data)), when.data))
        self.asked = []
        self.found += [_as(one, state) for one, state in self.numbers.hear()]
        for handle, addresses in self.logs:
            if handle.data:
                self._heard(LogSpan.decoded(handle.data), addresses)
            for at in addresses:
                cut, reading = self.spans[at].since > self.spans[at].floor, readings.get(at)
                if cut and reading is not None and "votingPeriod" in reading.answers:
                    self.numbers.at.append(at)
        self.logs = []
        return ()

    def _heard(self, span: LogSpan, addresses: tuple[Address, ...]) -> None:
        for address in addresses:
            before = self.spans[address]
            self.spans[address] = replace(before, since=min(before.since, span.since))
        count: dict[str, int] = {}
        own = {one.lower() for one in addresses}
        for log in reversed(span.logs):
            at = log.address.lower()
            one = described_one(log) if at in own else None
            if one is None or not self._may_stand(one) or self._stood(one):
                continue
            count[at] = count.get(at, 0) + 1
            if count[at] <= MOST_CALLS:
                self.new.append(one)

    def _stood(self, one: DescribedEvent) -> bool:
        """Whether it is a proposal that an earlier look found in another way."""
        event = one.event
        ids = {(stood.contract, stood.id) for stood in self.open} if event.what == "ProposalCreated" else ()
        return event.pending is not None and (event.contract, event.pending.id) in ids

    def _may_stand(self, one: DescribedEvent) -> bool:
        pending = one.event.pending
        if pending is None:
            return bool(one.payload)
        return pending.due is None or pending.due + OVERDUE_SECONDS > self.now

    def _due(self, one: DescribedEvent, answer: bytes) -> DescribedEvent:
        """With the time from which a timelock says that it may be made."""
        pending = one.event.pending
        due = int.from_bytes(answer[:32], "big") if len(answer) >= 32 else 0
        if pending is None or one.event.what != "CallScheduled" or not 1 < due < 2**40:
            return one
        return replace(one, event=replace(one.event, pending=replace(pending, due=due)), delay_seconds=None)

    def result(self) -> list[DescribedEvent]:
        """The calls that stand from before; those that no round was left to ask about are among them."""
        found = [*self.found, *self.new, *(one for one, _, _ in self.asked)]
        return sorted(found, key=lambda one: (one.event.block, one.event.index))

    def remembered(self, events: Iterable[ControlEvent]) -> tuple[dict[Address, KnownQueue], tuple[OpenCall, ...]]:
        """What the next look may take as known. events: all of this look's."""
        standing = dict.fromkeys(one for one in self.open if one not in self.over)
        for event in events:
            if event.pending is not None and event.what in QUEUED:
                proposal = event.what == "ProposalCreated"
                words, names = (event.pending.after, event.pending.names) if proposal else ("", ())
                if OpenCall(event.contract, ACCEPTED, event.pending.id) not in standing:
                    standing[OpenCall(event.contract, event.what, event.pending.id, words, names)] = None
            elif event.pending is not None and event.what == ACCEPTED:
                for one in [one for one in standing if (one.contract, one.id) == (event.contract, event.pending.id)]:
                    del standing[one]
                standing[OpenCall(event.contract, ACCEPTED, event.pending.id)] = None
            elif event.closes:
                for one in [one for one in standing if (one.contract, one.id) == (event.contract, event.closes)]:
                    del standing[one]
        return {**self.known, **self.spans}, tuple(standing)[-MOST_OPEN:]


def ended(over: Iterable[OpenCall], events: Iterable[ControlEvent], block: int) -> list[ControlEvent]:
    """An event for each call that stood and does not any more, where no event of the chain says so."""
    said = {(event.contract, event.closes) for event in events}
    return [
        ControlEvent(
            contract=one.contract,
            what="ended",
            words=f"a queued call ({one.id[:24]}…) is not queued any more",
            block=block,
            index=place,
            closes=one.id,
        )
        for place, one in enumerate(over)
        if (one.contract, one.id) not in said
    ]


def passed(accepted: Iterable[tuple[OpenCall, int]], block: int) -> list[ControlEvent]:
    """An event for each proposal that stood and was accepted since: a call that is going to be made."""
    found = []
    for place, (one, state) in enumerate(accepted):
        words = f"accepted{' and queued' if state == PASSED[1] else ''}: {one.words}"
        source = f"state() of {one.contract}, block {block}"
        pending = Pending(what="scheduled call", after=words, source=source, id=one.id, names=one.names)
        found.append(
            ControlEvent(contract=one.contract, what=ACCEPTED, words=words, block=block, index=place, pending=pending)
        )
    return found


def _as(one: DescribedEvent, state: int | None) -> DescribedEvent:
    """A proposal as what its state makes of it."""
    pending = one.event.pending
    if one.event.what != "ProposalCreated" or state not in PASSED or pending is None:
        return one
    words = f"accepted{' and queued' if state == PASSED[1] else ''}: {one.event.words}"
    pending = replace(pending, what="scheduled call", after=words)
    return replace(one, event=replace(one.event, what=ACCEPTED, words=words, pending=pending))


def _is(reading: Reading) -> bool:
    """Whether calls may be queued at a contract."""
    if "nonsense" in reading.answers:
        return False
    views = ("getMinDelay", "delay", "votingPeriod", "executorSettings", DELAYS)
    if any(view in reading.answers for view in views):
        return True
    return is_manager(reading) or vault_v2.holds(reading.address, reading.answers)


def _question(contract: Address, what: str, id_: str) -> EthCall | None:
    """The read that says whether a call is queued; None where its id is none of that kind."""
    if what not in ASKED:
        return None
    text = id_.removeprefix("call/")
    try:
        if what == "Submit":
            raw = bytes.fromhex(text)
            if len(raw) >= LONGEST_DATA:
                return None
            data = (32).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw + bytes(-len(raw) % 32)
        elif what == "MapleCallScheduled":
            data = bytes.fromhex(text)
        else:
            hexadecimal = what in ("CallScheduled", "QueueTransaction", "OperationScheduled")
            data = int(text, 16 if hexadecimal else 10).to_bytes(32, "big")
    except (ValueError, OverflowError):
        return None
    return EthCall(contract, selector_of(ASKED[what][0]) + data, optional=True)


def _queued(what: str, answer: bytes) -> bool | None:
    """Whether a call is queued, by the view's answer; None where it gave none."""
    if len(answer) < 32:
        return None
    number, wanted = int.from_bytes(answer[:32], "big"), ASKED[what][1]
    return number in wanted if wanted else number > 0


def _state(answer: bytes) -> int | None:
    return int.from_bytes(answer[:32], "big") if len(answer) >= 32 else None
