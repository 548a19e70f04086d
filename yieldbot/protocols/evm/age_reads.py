"""How old contracts are: the block in which each got its code, by asking a node with history at past blocks.

The search asks several blocks at once (a round's probes ride in the batch that the round sends anyway) and narrows the
span in which a contract appeared, until that is a day; what one look leaves is narrowed by the next. What was found is
kept for good: code does not move. Where a node does not tell the past, a contract is at least as old as the oldest
block at which it was seen. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from yieldbot.model.controls import ContractFacts
from yieldbot.model.ids import Address
from yieldbot.model.reads import MOST_AT_ONCE, CodeAtBlock, EthCodeAtBlock
from yieldbot.protocols.evm.control_facts import runs_of
from yieldbot.protocols.reads import ReadHandle, Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

CLOSE_SECONDS = 86_400
"""A span so short is not narrowed further: grades count days."""
MOST_PROBES = 60
"""Reads of past blocks in one round."""
PROBES = 15
"""Blocks of one span that are asked about at once: it is a sixteenth afterwards."""
AGAIN_SECONDS = 7 * 86_400
"""A past that no node serves is asked for again after so long: an archive may have been named since."""
MOST_KEPT = 4000
"""Contracts whose age is kept."""


@dataclass(frozen=True, slots=True)
class Age:
    """When a contract appeared, as far as that is known."""

    without: int
    """The last block at which it is known not to have been there; -1: none is."""
    without_time: int
    """Its unix seconds; 0 where none is known."""
    since: int
    """The first block at which it is known to have been there."""
    time: int
    """Its unix seconds."""
    refused: int = 0
    """Unix seconds of the look that got no answer about the span between; 0: none did."""

    @property
    def found(self) -> bool:
        """Whether the span is as short as is asked for."""
        close = self.without >= 0 and self.time - self.without_time <= CLOSE_SECONDS
        return close or self.since - self.without <= 1


@dataclass(slots=True)
class AgeReads:
    """Narrows ages beside the rounds of ``read_controls``."""

    head: int
    """The block of the look."""
    now: int
    """Its unix seconds."""
    wanted: frozenset[Address]
    """The contracts whose age is asked for; whatever they run is asked for too."""
    known: Mapping[Address, Age] = field(default_factory=dict)
    """What earlier looks found."""
    ages: dict[Address, Age] = field(default_factory=dict)
    """What is known now."""
    probes: list[tuple[ReadHandle, int, tuple[Address, ...]]] = field(default_factory=list)
    """The round's reads, each with its block and its addresses."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """As of ``Companion``."""
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
        # The widest first: what is new, before what is nearly found.
        for (without, since), addresses in sorted(spans.items(), key=lambda one: one[0][0] - one[0][1]):
            parts = [tuple(addresses[n : n + MOST_AT_ONCE]) for n in range(0, len(addresses), MOST_AT_ONCE)]
            count = min(PROBES, max(1, MOST_PROBES // len(spans) // len(parts)), left // len(parts))
            for block in _between(without, since, count):
                for part in parts:
                    self.probes.append((reads.add(EthCodeAtBlock(part, block)), block, part))
                    left -= 1

    def hear(self, readings: Mapping[Address, Reading]) -> Iterable[tuple[Address, Address]]:
        """As of ``Companion``; it names nobody."""
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
        for block, time, there in sorted(answered, reverse=True):  # from its youngest: what went and came back is young
            if time > age.time:
                continue  # a block younger than one behind it: no answer
            if not there:
                return replace(age, without=block, without_time=time)
            age = replace(age, since=block, time=time)
        return age

    @property
    def pace(self) -> float | None:
        """Seconds of a block, by the oldest block that the search knows; None where it knows none."""
        known = [(one.without, one.without_time) for one in self.ages.values() if one.without_time]
        block, time = min([*known, *((one.since, one.time) for one in self.ages.values())], default=(self.head, 0))
        return (self.now - time) / (self.head - block) if block < self.head else None

    def remembered(self) -> dict[Address, Age]:
        """What the next look may take as known."""
        return dict(list(({**self.known, **self.ages}).items())[-MOST_KEPT:])


def _between(without: int, since: int, count: int) -> list[int]:
    """Blocks that part a span evenly, its ends left out."""
    low = max(without, -1)
    found = (low + (since - low) * n // (count + 1) for n in range(1, count + 1))
    return list(dict.fromkeys(block for block in found if low < block < since))


def with_age(facts: ContractFacts, ages: Mapping[Address, Age]) -> ContractFacts:
    """The facts with the age of the contract, or of what it runs where that is younger."""
    found = [ages.get(one) for one in (facts.address, facts.implementation) if one is not None]
    known = [one for one in found if one is not None]
    if len(known) < len(found) or not facts.code_hash:
        return facts
    youngest = max(known, key=lambda one: one.time)
    if any(one.without < 0 and one.since > 0 for one in known):
        return replace(facts, there_since=youngest.time)
    return replace(facts, created_at=youngest.time, created_block=youngest.since, there_since=youngest.time)
