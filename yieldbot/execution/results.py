"""How a leg ended, on any chain, and the mark that it leaves in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from yieldbot.execution.approvals import Approval
from yieldbot.journal.events import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.plan import OF_MARKET, Declined, Leg, LegFails
from yieldbot.model.tx import Confirmed, Outcome


@dataclass(frozen=True, slots=True)
class LegResult:
    """The outcomes of the transactions that were sent, in order, and why the leg stopped early (None: it did not)."""

    outcomes: tuple[Outcome, ...]
    declined: Declined | None = None

    @property
    def done(self) -> bool:
        """Every transaction of the leg was sent and succeeded."""
        return self.declined is None and all(isinstance(outcome, Confirmed) for outcome in self.outcomes)


def mark(journal: Journal, approval: Approval, index: int, result: LegResult) -> None:
    """The plan's mark after a leg: executed after its last one; when it stopped on the way, rejected where a person did
    that (at the signing device, by a halt) and failed otherwise, which the policy's max_failures counts."""
    if journal.plan(approval.plan.id) is None:
        return
    if not result.done:
        reason = result.declined.reason if result.declined else "a transaction did not succeed"
        refused_by_person = result.declined is not None and result.declined.code in ("HUMAN_REJECTED", "HALTED")
        status = PlanStatus.REJECTED if refused_by_person else PlanStatus.FAILED
        journal.append(PlanMarked(approval.plan.id, status, "execution", f"leg {index + 1}: {reason}"))
    elif index == len(approval.plan.legs) - 1:
        journal.append(PlanMarked(approval.plan.id, PlanStatus.EXECUTED, "execution"))


class Numbered(Protocol):
    """A leg's work, on any chain. index: the leg's place in its plan, from 0."""

    @property
    def index(self) -> int: ...

    @property
    def leg(self) -> Leg: ...


def of_leg(work: Numbered, why: Declined) -> Declined:
    """Why a leg does not go through, said of it; LegFails where that is its own market's doing."""
    message = f"leg {work.index + 1}: {why.reason}"
    return LegFails(why.code, message, work.leg) if why.code in OF_MARKET else Declined(why.code, message)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A signed proposal: its hash, who must still agree, and the document that Safe's transaction service takes."""

    hash: str
    threshold: int
    owners: tuple[Address, ...]
    document: dict[str, Any]

    @property
    def note(self) -> str:
        """What the journal keeps of it; ``waiting`` reads it again."""
        return f"{self.hash} nonce {self.document['nonce']}"
