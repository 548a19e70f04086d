"""Finds a Comet's Configurator if the chain's file names none. No view of Comet names it, so the search is for the
event by which a Configurator announced the implementation that Comet runs. Pure.

The first contract that announced that implementation is taken, if its proxy has the same admin as Comet's and it
returns a configuration for Comet. Its parameters are only compared with Comet's, so a false Configurator can stop new
money and do no other harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, EthLogs, EthSlot, LogSpan
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.comet_queue import asked, configuration
from yieldbot.protocols.evm.control_events import topics_of
from yieldbot.protocols.evm.control_facts import runs_of
from yieldbot.protocols.evm.control_reads import SLOTS
from yieldbot.protocols.evm.role_reads import FIRST_PARTS
from yieldbot.protocols.reads import ReadHandle, Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

AGAIN_SECONDS = 7 * 86_400
"""Seconds after which a Configurator that was not found is searched again."""
MOST_CANDIDATES = 5
"""Most candidates that are read for one Comet."""


@dataclass(slots=True)
class CometSearch:
    """A ``Companion`` of ``read_controls`` that finds Configurators."""

    head: int
    """The block of the look."""
    comets: frozenset[Address]
    """The Comets whose Configurator is not known."""
    floors: Mapping[Address, int] = field(default_factory=dict)
    """Blocks before which contracts did not exist, where that is known."""
    found: dict[Address, Address] = field(default_factory=dict)
    """The Configurators by Comet."""
    spans: dict[Address, ReadHandle] = field(default_factory=dict)
    """The round's reads of events by Comet."""
    candidates: dict[Address, list[Address]] = field(default_factory=dict)
    """Candidates to read in the next round, by Comet."""
    questions: list[tuple[Address, Address, ReadHandle, ReadHandle]] = field(default_factory=list)
    """The round's reads: (Comet, candidate, read of its admin slot, read of its configuration)."""
    begun: bool = False
    """Whether the events were requested."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """See ``Companion.ask``."""
        if not self.begun:
            self.begun = True
            for comet in self.comets:
                second = (bytes(12) + bytes.fromhex(comet[2:]),)
                first, topics = self.floors.get(comet, 0), topics_of(("CometDeployed",))
                read = EthLogs((), topics, first, self.head, optional=True, past_parts=FIRST_PARTS, second=second)
                self.spans[comet] = reads.add(read)
        for comet, candidates in self.candidates.items():
            for one in candidates:
                admin = reads.add(EthSlot(one, SLOTS["admin"], optional=True))
                self.questions.append((comet, one, admin, reads.add(EthCall(one, asked(comet)[1], optional=True))))
        self.candidates = {}

    def hear(self, readings: Mapping[Address, Reading]) -> Iterable[tuple[Address, Address]]:
        """See ``Companion.hear``; returns no addresses to read."""
        for comet, one, admin, answer in self.questions:
            own = readings[comet].slots.get("admin") if comet in readings else None
            same = bool(own) and int.from_bytes(admin.data, "big") == own
            if comet not in self.found and same and configuration(answer.data) is not None:
                self.found[comet] = one
        self.questions = []
        for comet, handle in self.spans.items():
            runs = runs_of(readings[comet], readings) if comet in readings else None
            if not handle.data or runs is None:
                continue
            word = bytes(12) + bytes.fromhex(runs[2:])
            logs = LogSpan.decoded(handle.data).logs
            named = [one.address for one in logs if len(one.topics) == 3 and one.topics[2] == word]
            self.candidates[comet] = list(dict.fromkeys(map(checksum, filter(_sane, named))))[:MOST_CANDIDATES]
        self.spans = {}
        return ()


def _sane(address: str) -> bool:
    return len(address) == 42 and all(letter in "0123456789abcdefABCDEF" for letter in address[2:])
