"""Who approves a plan: a person, the policy inside its limits, a queue, or nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from yieldbot.execution.rehearsed import Rehearsed
from yieldbot.journal.events import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.plan import Declined, LegKind, Plan
from yieldbot.model.policy import Policy

NEVER = 2**62
"""Expiry of what is never wrong: a transfer of nothing to ourselves that takes a nonce, an allowance set to zero."""
GIVING = (LegKind.DEPOSIT, LegKind.SWAP)
"""Legs that give some of the asset away, and so may allow a contract to take it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is put to the approver: the plan, and how all its calls went on the fork."""

    plan: Plan
    rehearsal: Rehearsed

    @property
    def lines(self) -> tuple[str, ...]:
        """Every call in words, allowances included, in order."""
        return self.rehearsal.lines


@dataclass(frozen=True, slots=True)
class Approval:
    """A plan that may be executed until ``expires_at`` (unix seconds); ``approver``: who said so."""

    plan: Plan
    approver: str
    expires_at: int


class Approver(Protocol):
    """Decides about whole plans; each transaction of an approved one is then still judged by ``judge``."""

    async def approve(self, proposal: Proposal) -> Approval | Declined: ...


@dataclass(frozen=True, slots=True)
class DeclineAll:
    """Approves nothing: the wiring of a dry run."""

    reason: str = "nothing is signed in a dry run"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        return Declined("DRY_RUN", self.reason)


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks a person: ``ask`` shows the proposal and gives the answer."""

    journal: Journal
    ask: Callable[[Proposal], Awaitable[bool]]
    by: str = "terminal"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        written = PlanWritten(proposal.plan, proposal.lines)
        if not await self.ask(proposal):
            self.journal.append(written, PlanMarked(proposal.plan.id, PlanStatus.REJECTED, self.by))
            return Declined("HUMAN_REJECTED", "you said no")
        self.journal.append(written, PlanMarked(proposal.plan.id, PlanStatus.APPROVED, self.by))
        return Approval(proposal.plan, self.by, proposal.plan.expires_at)


@dataclass(frozen=True, slots=True)
class Auto:
    """Approves inside the policy's auto_max_move (each move) and auto_max_total (all of a plan's moves together)."""

    journal: Journal
    policy: Policy

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        plan = proposal.plan
        if (refused := self._beyond(plan)) is not None:
            return refused
        marked = PlanMarked(plan.id, PlanStatus.APPROVED, "auto")
        self.journal.append(PlanWritten(plan, proposal.lines), marked)
        return Approval(plan, "auto", plan.expires_at)

    def _beyond(self, plan: Plan) -> Declined | None:
        for leg in plan.legs:
            if leg.kind is LegKind.CLAIM and not leg.amount.token.parse(self.policy.auto_max_move):
                return Declined("POLICY_LIMIT", "auto_max_move = 0: a person must say, of claims too")
        whole: Amount | None = None
        for amount in _moved(plan):
            if amount.token.parse(self.policy.auto_max_move) < amount:
                limit = f"{self.policy.auto_max_move} {amount.token.symbol}"
                return Declined(
                    "POLICY_LIMIT", f"a move of {amount} is above auto_max_move = {limit}: a person must say"
                )
            whole = amount if whole is None else whole + amount
        if whole is not None and whole.token.parse(self.policy.auto_max_total) < whole:
            limit = f"{self.policy.auto_max_total} {whole.token.symbol}"
            return Declined("POLICY_LIMIT", f"{whole} in all is above auto_max_total = {limit}: a person must say")
        return None


@dataclass(frozen=True, slots=True)
class Queue:
    """Writes the plan down to wait for ``yieldbot approve ID``; plans of the account for the same asset expire.

    program: how the person calls us, for the hint.
    """

    journal: Journal
    program: str = "yieldbot"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        plan = proposal.plan
        older = [
            PlanMarked(stored.plan.id, PlanStatus.EXPIRED, "queue", f"a newer plan waits: {plan.id}")
            for stored in self.journal.plans(PlanStatus.QUEUED)
            if stored.plan.id != plan.id and (stored.plan.owner, stored.plan.asset) == (plan.owner, plan.asset)
        ]
        marked = PlanMarked(plan.id, PlanStatus.QUEUED, "queue")
        self.journal.append(*older, PlanWritten(plan, proposal.lines), marked)
        return Declined("QUEUED", f"plan {plan.id} waits: {self.program} approve {plan.id}")


@dataclass(frozen=True, slots=True)
class PreApproved:
    """Approves the one plan of the journal that a person named by its id, as it was stored."""

    journal: Journal
    plan_id: str
    by: str = "approve"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        stored = self.journal.plan(self.plan_id)
        if stored is None or proposal.plan != stored.plan:
            return Declined("NOT_THE_PLAN", f"what was rehearsed is not the stored plan {self.plan_id}")
        if stored.status not in (PlanStatus.QUEUED, PlanStatus.PROPOSED, PlanStatus.APPROVED):
            return Declined("PLAN_CLOSED", f"plan {self.plan_id} is {stored.status.value} already")
        self.journal.append(PlanMarked(self.plan_id, PlanStatus.APPROVED, self.by))
        return Approval(stored.plan, self.by, stored.plan.expires_at)


def in_time(approval: Approval, now: int) -> Declined | None:
    """Why an approval no longer lives; None while it does. Pure."""
    if now >= approval.expires_at:
        return Declined("EXPIRED", f"the approval of plan {approval.plan.id} ended {now - approval.expires_at} s ago")
    return None


def _moved(plan: Plan) -> list[Amount]:
    """The amounts a plan moves, in one token: its moves, what it sells in all, or its legs' where it names neither."""
    if plan.moves:
        return [move.amount for move in plan.moves]
    return [plan.sold] if plan.sold is not None else [leg.amount for leg in plan.legs]
