"""Reads the newest proposals of Compound's governors (Alpha and Bravo) by number, if the node does not serve the events
that announce them: ``proposalCount()``, then ``state`` and ``getActions`` of each. Pure; never raises, whatever
contracts answer.

Source: compound-finance/compound-protocol, GovernorAlpha.sol, GovernorBravoDelegate.sol.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field

from yieldbot.model.controls import ControlEvent, Pending
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.protocols.evm.abi import selector_of
from yieldbot.protocols.evm.control_events import DescribedEvent, ScheduledCall, calls_of
from yieldbot.protocols.reads import ReadHandle, Reads

MOST_NUMBERS = 10
"""Most proposals of one governor that are read, the newest ones."""
STANDS = (0, 1, 4, 5)
"""Values of ``state`` for proposals that are pending, under vote, accepted or queued (ProposalState)."""


@dataclass(slots=True)
class NumberReads:
    """Reads proposals by number in two rounds."""

    at: list[Address] = field(default_factory=list)
    """Addresses of the governors to read."""
    counts: list[tuple[Address, ReadHandle]] = field(default_factory=list)
    """The round's reads of ``proposalCount``, by governor."""
    numbers: list[tuple[Address, int]] = field(default_factory=list)
    """Proposals to read in the next round, as (governor, number)."""
    asked: list[tuple[Address, int, ReadHandle, ReadHandle]] = field(default_factory=list)
    """The round's reads: (governor, number, read of the state, read of the calls)."""

    def ask(self, reads: Reads, known: Collection[str]) -> None:
        """Add the round's reads. known: ids of proposals that are read elsewhere."""
        for at in dict.fromkeys(self.at):
            self.counts.append((at, reads.add(EthCall(at, selector_of("proposalCount()"), optional=True))))
        self.at = []
        for at, number in self.numbers:
            if f"call/{number}" not in known:
                word = number.to_bytes(32, "big")
                state = reads.add(EthCall(at, selector_of("state(uint256)") + word, optional=True))
                calls = reads.add(EthCall(at, selector_of("getActions(uint256)") + word, optional=True))
                self.asked.append((at, number, state, calls))
        self.numbers = []

    def hear(self) -> list[tuple[DescribedEvent, int]]:
        """Take the round's answers; returns the proposals that have not ended, each with its state."""
        for at, handle in self.counts:
            count = int.from_bytes(handle.data[:32], "big") if len(handle.data) == 32 else 0
            if count < 2**64:
                self.numbers += [(at, number) for number in range(max(1, count - MOST_NUMBERS + 1), count + 1)]
        self.counts = []
        found = []
        for at, number, state, calls in self.asked:
            word = int.from_bytes(state.data[:32], "big") if len(state.data) == 32 else None
            if word in STANDS:
                found.append((_told(at, number, _calls(calls.data)), word))
        self.asked = []
        return found


def _told(at: Address, number: int, calls: tuple[ScheduledCall, ...]) -> DescribedEvent:
    words = f"proposal {number}"
    pending = Pending(what="proposal", after=words, source=f"getActions({number}) of {at}", id=f"call/{number}")
    event = ControlEvent(contract=at, what="ProposalCreated", words=words, block=0, index=number, pending=pending)
    return DescribedEvent(event, calls=calls)


def _calls(answer: bytes) -> tuple[ScheduledCall, ...]:
    from eth_abi.abi import decode

    try:
        return calls_of(*decode(["address[]", "uint256[]", "string[]", "bytes[]"], answer))
    except Exception:  # a contract may answer anything
        return ()
