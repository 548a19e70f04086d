"""Finds calls that were queued before the first look, by events of a bounded past, and checks at the contracts whether
they are still queued.

OpenZeppelin's TimelockController (``isOperationPending``, ``getTimestamp``) and AccessManager (``getSchedule``),
Compound's Timelock (``queuedTransactions``), governors of OpenZeppelin and Compound (``state``), Aave's
PayloadsController (``getPayloadState``), Morpho's Vault V2 (``executableAt``), Maple's Globals and GovernorTimelock
(``scheduledCalls``, ``proposals``). A proposal under vote is only reported; an accepted one counts as a queued call. If
the node does not serve the events, the newest proposals of Compound's governors are read by number. A call that the
contract says is not queued is left out; without an answer it counts as queued. Every look checks the open calls again,
so that their end is noticed even if its event was not served. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from yieldbot.model.controls import ControlEvent, Pending
from yieldbot.model.dataclass import dataclass
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
"""How far back, in seconds, queued calls are searched: delays last hours to 30 days, and at Compound and Aave calls not
made within 14 days after that are void."""
PACE_SECONDS = 2.0
"""Assumed seconds between blocks if the chain's own are not known."""
OVERDUE_SECONDS = 30 * 86_400
"""Seconds after its due time from which a call counts as abandoned, as in ``risk/controls.py``."""
MOST_CALLS = 40
"""Most queued calls of one contract that are checked, the newest ones."""
MOST_OPEN = 100
"""Most open calls that each look checks again."""
QUEUED = (
    *("CallScheduled", "QueueTransaction", "ProposalQueued", "PayloadQueued", "OperationScheduled"),
    *("ProposalCreated", "Submit", "MapleCallScheduled", "MapleProposalScheduled"),
)
"""Names of the events by which calls are queued or proposed."""
ACCEPTED = "ProposalAccepted"
"""Stands for an event's name: a proposal that is accepted according to its governor's ``state``."""
PROPOSED, PASSED = (0, 1), (4, 5)
"""Values of a governor's ``state``: pending or under vote; accepted or queued. All others mean that the proposal has
ended."""
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
"""By event, (the view that shows whether the call is still queued, its answers that mean yes; empty: any number but
0)."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A queued call that has not ended."""

    contract: Address
    """The contract at which it is queued."""
    what: str
    """The event that queued the call."""
    id: str
    """As ``Pending.id``; for a payload of Aave "call/" and its number."""
    words: str = ""
    """A text about what a proposal would do; empty for other calls."""
    names: tuple[Address, ...] = ()
    """The contracts that a proposal's calls concern, as ``Pending.names``."""
    calls: tuple[str, ...] = ()
    """A proposal's calls, as ``ControlEvent.calls``."""


@dataclass(frozen=True, slots=True)
class KnownQueue:
    """The blocks whose events of one contract were read."""

    since: int
    """The first block whose events were read."""
    floor: int
    """The first block whose events are to be read."""


@dataclass(slots=True)
class QueueReads:
    """A ``Companion`` of ``read_controls`` that reads queued calls."""

    head: int
    """The block of the look."""
    now: int
    """Time of block ``head``, in unix seconds."""
    known: Mapping[Address, KnownQueue] = field(default_factory=dict)
    """The blocks that earlier looks read, by contract."""
    open: tuple[OpenCall, ...] = ()
    """Calls that were open after the last look."""
    pace: Callable[[], float | None] = lambda: None
    """Returns the mean seconds between blocks; None if unknown."""
    spans: dict[Address, KnownQueue] = field(default_factory=dict)
    """The blocks that were read so far, by contract."""
    found: list[DescribedEvent] = field(default_factory=list)
    """Calls that past events announced and that are still queued, or whose contract gave no answer."""
    over: list[OpenCall] = field(default_factory=list)
    """Calls that were open and no longer are."""
    logs: list[tuple[ReadHandle, tuple[Address, ...]]] = field(default_factory=list)
    """The round's reads of events."""
    asked: list[tuple[DescribedEvent, ReadHandle, ReadHandle]] = field(default_factory=list)
    """The round's reads about new calls: (call, read of whether it is queued, read of the time from which it may be
    made)."""
    new: list[DescribedEvent] = field(default_factory=list)
    """New calls to check in the next round."""
    standing: list[tuple[OpenCall, ReadHandle]] = field(default_factory=list)
    """The round's reads about open calls: (call, read of whether it is queued)."""
    begun: bool = False
    """Whether the reads about open calls were added."""
    accepted: list[tuple[OpenCall, int]] = field(default_factory=list)
    """Proposals that were accepted since the last look, each with its state."""
    numbers: NumberReads = field(default_factory=NumberReads)
    """Reads of proposals by number."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """See ``Companion.ask``."""
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
        """See ``Companion.hear``; returns no addresses to read."""
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
        """Whether it is a proposal that is among the open calls already."""
        event = one.event
        ids = {(stood.contract, stood.id) for stood in self.open} if event.what == "ProposalCreated" else ()
        return event.pending is not None and (event.contract, event.pending.id) in ids

    def _may_stand(self, one: DescribedEvent) -> bool:
        pending = one.event.pending
        if pending is None:
            return bool(one.payload)
        return pending.due is None or pending.due + OVERDUE_SECONDS > self.now

    def _due(self, one: DescribedEvent, answer: bytes) -> DescribedEvent:
        """The call with the time from which it may be made according to the timelock (``getTimestamp``)."""
        pending = one.event.pending
        due = int.from_bytes(answer[:32], "big") if len(answer) >= 32 else 0
        if pending is None or one.event.what != "CallScheduled" or not 1 < due < 2**40:
            return one
        return replace(one, event=replace(one.event, pending=replace(pending, due=due)), delay_seconds=None)

    def result(self) -> list[DescribedEvent]:
        """Events of past calls that are still queued, in order of time; those for whose check no round was left are
        included."""
        found = [*self.found, *self.new, *(one for one, _, _ in self.asked)]
        return sorted(found, key=lambda one: (one.event.block, one.event.index))

    def remembered(self, events: Iterable[ControlEvent]) -> tuple[dict[Address, KnownQueue], tuple[OpenCall, ...]]:
        """(blocks read by contract, open calls) to store for the next look. events: all events of this look."""
        standing = dict.fromkeys(one for one in self.open if one not in self.over)
        for event in events:
            if event.pending is not None and event.what in QUEUED:
                proposal = event.what == "ProposalCreated"
                words, names = (event.pending.after, event.pending.names) if proposal else ("", ())
                if OpenCall(event.contract, ACCEPTED, event.pending.id) not in standing:
                    calls = event.calls if proposal else ()
                    standing[OpenCall(event.contract, event.what, event.pending.id, words, names, calls)] = None
            elif event.pending is not None and event.what == ACCEPTED:
                for one in [one for one in standing if (one.contract, one.id) == (event.contract, event.pending.id)]:
                    del standing[one]
                standing[OpenCall(event.contract, ACCEPTED, event.pending.id)] = None
            elif event.closes:
                for one in [one for one in standing if (one.contract, one.id) == (event.contract, event.closes)]:
                    del standing[one]
        return {**self.known, **self.spans}, tuple(standing)[-MOST_OPEN:]


def ended(over: Iterable[OpenCall], events: Iterable[ControlEvent], block: int) -> list[ControlEvent]:
    """An event for each call that is no longer queued although no event on the chain shows its end."""
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
    """An event for each proposal that was accepted since the last look: its calls count as queued now."""
    found = []
    for place, (one, state) in enumerate(accepted):
        words = f"accepted{' and queued' if state == PASSED[1] else ''}: {one.words}"
        source = f"state() of {one.contract}, block {block}"
        pending = Pending(what="scheduled call", after=words, source=source, id=one.id, names=one.names)
        found.append(
            ControlEvent(
                contract=one.contract,
                what=ACCEPTED,
                words=words,
                block=block,
                index=place,
                pending=pending,
                calls=one.calls,
            )
        )
    return found


def _as(one: DescribedEvent, state: int | None) -> DescribedEvent:
    """The proposal; as a queued call if its governor's ``state`` says that it was accepted."""
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
    """The read that shows whether a call is still queued; None if its id does not fit the event."""
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
    """Whether a call is still queued, by the view's answer; None without an answer."""
    if len(answer) < 32:
        return None
    number, wanted = int.from_bytes(answer[:32], "big"), ASKED[what][1]
    return number in wanted if wanted else number > 0


def _state(answer: bytes) -> int | None:
    return int.from_bytes(answer[:32], "big") if len(answer) >= 32 else None
