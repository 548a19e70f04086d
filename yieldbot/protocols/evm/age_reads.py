"""The age of contracts: finds the block in which each got its code, by reads at past blocks, which need a node with
history.

The search reads several blocks of a span at once (in the batch that a round sends anyway) and narrows the span in which
a contract was created, until it is at most a day; each look goes on where the last one ended. A result is kept for
good, since code does not change its address. If the node serves no past state, a contract counts as created at the
oldest block at which it was seen. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from yieldbot.model.controls import ContractFacts
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.reads import MOST_AT_ONCE, CodeAtBlock, EthCodeAtBlock
from yieldbot.protocols.evm.control_facts import runs_of
from yieldbot.protocols.reads import ReadHandle, Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

CLOSE_SECONDS = 86_400
"""Length in seconds of a span that is not narrowed further, since grades count days."""
MOST_PROBES = 60
"""Most reads of past blocks in one round."""
PROBES = 15
"""Blocks of one span that are read at once, so that a round leaves a sixteenth of it."""
AGAIN_SECONDS = 7 * 86_400
"""Seconds after which past blocks that no node served are requested again, since an archive node may have been
configured meanwhile."""
MOST_KEPT = 4000
"""Most contracts whose age is stored."""


@dataclass(frozen=True, slots=True)
class Age:
    """The span of blocks in which a contract was created."""

    without: int
    """The last block at which it is known not to have existed; -1: none is known."""
    without_time: int
    """The time of block ``without``, in unix seconds; 0 if none is known."""
    since: int
    """The first block at which it is known to have existed."""
    time: int
    """Time of block ``since``, in unix seconds."""
    refused: int = 0
    """Unix seconds of the look to which the node served no block of the span; 0: there was none."""

    @property
    def found(self) -> bool:
        """Whether the span is short enough (CLOSE_SECONDS)."""
        close = self.without >= 0 and self.time - self.without_time <= CLOSE_SECONDS
        return close or self.since - self.without <= 1


@dataclass(slots=True)
class AgeReads:
    """A ``Companion`` of ``read_controls`` that narrows the spans in which contracts were created."""

    head: int
    """The block of the look."""
    now: int
    """Time of block ``head``, in unix seconds."""
    wanted: frozenset[Address]
    """The contracts whose age is searched, and with them the implementations that they run."""
    known: Mapping[Address, Age] = field(default_factory=dict)
    """Spans by contract, from earlier looks."""
    ages: dict[Address, Age] = field(default_factory=dict)
    """Spans by contract, as narrowed so far."""
    probes: list[tuple[ReadHandle, int, tuple[Address, ...]]] = field(default_factory=list)
    """The round's reads as (handle, block, addresses)."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """See ``Companion.ask``."""
        runs = {runs_of(readings[one], readings) for one in self.wanted if one in readings}
        for one in (*self.wanted, *sorted(one for one in runs if one is not None)):
            if one not in self.ages:
                self.ages[one] = self.known.get(one, Age(-1, 0, self.head, self.now))
        spans: dict[tuple[int, int], list[Address]] = {}
        for address, age in self.ages.items():
            code = readings[address].code if address in readings else None
            gone = address in readings and (code is None or not code.size)
            if not gone and not age.found and self.now - age.refused >= AGAIN_SECONDS:
                spans.setdefault((age.without, age.since), []).append(address)
        left = MOST_PROBES
        # The widest spans first: new contracts before those whose age is nearly known.
        for (without, since), addresses in sorted(spans.items(), key=lambda one: one[0][0] - one[0][1]):
            parts = [tuple(addresses[n : n + MOST_AT_ONCE]) for n in range(0, len(addresses), MOST_AT_ONCE)]
            count = min(PROBES, max(1, MOST_PROBES // len(spans) // len(parts)), left // len(parts))
            for block in _between(without, since, count):
                for part in parts:
                    self.probes.append((reads.add(EthCodeAtBlock(part, block)), block, part))
                    left -= 1

    def hear(self, readings: Mapping[Address, Reading]) -> Iterable[tuple[Address, Address]]:
        """See ``Companion.hear``; returns no addresses to read."""
        answered: dict[Address, list[tuple[int, int, bool] | None]] = {}
        for handle, block, addresses in self.probes:
            answer = CodeAtBlock.of(handle.data, len(addresses))
            for place, address in enumerate(addresses):
                sane = answer is not None and answer.time <= self.now
                seen = (block, answer.time, answer.there[place]) if answer is not None and sane else None
                answered.setdefault(address, []).append(seen)
        self.probes = []
        for address, answers in answered.items():
            self.ages[address] = self._narrowed(self.ages[address], [one for one in answers if one is not None])
        return ()

    def _narrowed(self, age: Age, answered: list[tuple[int, int, bool]]) -> Age:
        if not answered:
            return replace(age, refused=self.now)
        # from the newest block: code that was removed and deployed again is young
        for block, time, there in sorted(answered, reverse=True):
            if time > age.time:
                continue  # the time of a block cannot be later than that of a newer one: ignore it
            if not there:
                return replace(age, without=block, without_time=time)
            age = replace(age, since=block, time=time)
        return age

    @property
    def pace(self) -> float | None:
        """Mean seconds between blocks since the oldest block whose time is known; None if none is known."""
        known = [(one.without, one.without_time) for one in self.ages.values() if one.without_time]
        block, time = min([*known, *((one.since, one.time) for one in self.ages.values())], default=(self.head, 0))
        return (self.now - time) / (self.head - block) if block < self.head else None

    def remembered(self) -> dict[Address, Age]:
        """Spans to store for the next look."""
        return dict(list(({**self.known, **self.ages}).items())[-MOST_KEPT:])


def _between(without: int, since: int, count: int) -> list[int]:
    """Up to ``count`` blocks strictly between two blocks, evenly spaced."""
    low = max(without, -1)
    found = (low + (since - low) * n // (count + 1) for n in range(1, count + 1))
    return list(dict.fromkeys(block for block in found if low < block < since))


def with_age(facts: ContractFacts, ages: Mapping[Address, Age]) -> ContractFacts:
    """The facts with the time at which the contract was created, or its implementation if that is younger."""
    found = [ages.get(one) for one in (facts.address, facts.implementation) if one is not None]
    known = [one for one in found if one is not None]
    if len(known) < len(found) or not facts.code_hash:
        return facts
    youngest = max(known, key=lambda one: one.time)
    if any(one.without < 0 and one.since > 0 for one in known):
        return replace(facts, there_since=youngest.time)
    return replace(facts, created_at=youngest.time, created_block=youngest.since, there_since=youngest.time)
