"""How a leg ended, on any chain, and the status that its plan gets in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from yieldbot.execution.approvals import Approval
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.plan import OF_MARKET, Declined, Leg, LegFails
from yieldbot.model.tx import Confirmed, Outcome


@dataclass(frozen=True, slots=True)
class LegResult:
    """How a leg ended."""

    outcomes: tuple[Outcome, ...]
    """Outcomes of the transactions that were sent, in order."""
    declined: Declined | None = None
    """Why the leg stopped early; None: it did not."""

    @property
    def done(self) -> bool:
        """Whether every transaction of the leg was sent and succeeded."""
        return self.declined is None and all(isinstance(outcome, Confirmed) for outcome in self.outcomes)


def mark(journal: Journal, approval: Approval, index: int, result: LegResult) -> None:
    """Journal the plan's status after leg ``index``.

    The last leg succeeded: EXECUTED. A leg stopped because a person refused at the signing device or halted the bot:
    REJECTED. It stopped otherwise: FAILED, which the policy's ``max_failures`` counts. Plans that the journal does not
    hold (revocations) have no status.
    """
    if journal.plan(approval.plan.id) is None:
        return
    if not result.done:
        reason = result.declined.reason if result.declined else "a transaction did not succeed"
        refused_by_person = result.declined is not None and result.declined.code in ("HUMAN_REJECTED", "HALTED")
        status = PlanStatus.REJECTED if refused_by_person else PlanStatus.FAILED
        journal.append(PlanMarked(approval.plan.id, status, "execution", f"leg {index + 1}: {reason}"))
    elif index == len(approval.plan.legs) - 1:
        journal.append(PlanMarked(approval.plan.id, PlanStatus.EXECUTED, "execution"))


class WorkOfLeg(Protocol):
    """A leg that is ready to be built into transactions, on any chain."""

    @property
    def index(self) -> int:
        """The leg's place in its plan, from 0."""

    @property
    def leg(self) -> Leg:
        """The leg as it is carried out now."""


def of_leg(work: WorkOfLeg, why: Declined) -> Declined:
    """A refusal with the leg's number before its reason; a LegFails if the code is one of OF_MARKET, so that the plan
    can be made again without this leg."""
    message = f"leg {work.index + 1}: {why.reason}"
    return LegFails(why.code, message, work.leg) if why.code in OF_MARKET else Declined(why.code, message)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A Safe transaction that we have signed as one of the owners, and that the others must confirm."""

    hash: str
    """The Safe transaction's EIP-712 hash, with 0x."""
    threshold: int
    """How many owners must sign."""
    owners: tuple[Address, ...]
    """All owners of the Safe, ourselves included."""
    document: dict[str, Any]
    """The JSON object that Safe's transaction service takes for a new transaction."""
    further: tuple[Proposed, ...] = ()
    """Further Safe transactions of the same plan, by nonce; if one of them fails, the others can still be executed."""
    left_out: Mapping[int, Declined] = field(default_factory=dict)
    """Legs, by index, that no Safe transaction carries out because they cannot be carried out now, with the reason."""

    @property
    def every(self) -> tuple[Proposed, ...]:
        """All of the plan's Safe transactions, by nonce."""
        return (self, *self.further)

    @property
    def note(self) -> str:
        """The reason that the journal stores with HANDED_OVER; ``safe.waiting`` reads it."""
        return ", ".join(f"{one.hash} nonce {one.document['nonce']}" for one in self.every)
