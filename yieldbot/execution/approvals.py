"""Who approves a plan: a person, the policy inside its limits, a queue, or nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Protocol

from yieldbot.execution.rehearsed import Rehearsed
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.names import POOLS
from yieldbot.model.plan import Declined, LegKind, Plan
from yieldbot.model.policy import Policy

NEVER = 2**62
"""``expires_at`` (unix seconds) of transactions that need no valid approval because they can do no harm: an empty
transfer to ourselves that cancels a nonce, an allowance set to zero."""
GIVING = (LegKind.DEPOSIT, LegKind.SWAP)
"""Kinds of legs that pay some of the asset away. Only they may give a contract an allowance."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan that is submitted to the approver."""

    plan: Plan
    """The plan."""
    rehearsal: Rehearsed
    """How the plan's calls went on a fork, exits included."""
    risks: tuple[str, ...] = ()
    """The risk of each market that gets money, a line each."""
    names: Mapping[MarketId, str] = field(default_factory=dict)
    """Names of the markets that money leaves or goes to."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The description of every call, allowances included, in order."""
        return self.rehearsal.lines

    @property
    def written(self) -> PlanWritten:
        """The plan for the journal, with everything that the approving person is shown."""
        changes = tuple(
            f"{'+' if change.raw > 0 else ''}{Amount(change.token, change.raw)}"
            for change in self.rehearsal.deltas
            if change.raw
        )
        return PlanWritten(self.plan, self.lines, changes, self.risks)


@dataclass(frozen=True, slots=True)
class Approval:
    """The consent to one plan. Each of its transactions is still judged by ``judge`` before it is signed."""

    plan: Plan
    """The approved plan; nothing else may be done."""
    approver: str
    """Who approved it: terminal, auto, approve, or the name of an interface."""
    expires_at: int
    """Unix seconds of the chain from which nothing more of the plan is signed."""


class Approver(Protocol):
    """Decides about whole plans."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """The approval, or why it is refused. A refusal is a value and raises nothing."""


@dataclass(frozen=True, slots=True)
class DeclineAll:
    """Approves nothing: the approver of a dry run."""

    reason: str = "nothing is signed in a dry run"
    """Why it refuses, for a person."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """See ``Approver``."""
        return Declined("DRY_RUN", self.reason)


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks a person, and journals the answer."""

    journal: Journal
    """Where plan and answer are kept."""
    ask: Callable[[Proposal], Awaitable[bool | Declined]]
    """Shows the proposal and returns the person's answer, or why none counts."""
    by: str = "terminal"
    """Where the person is asked, as recorded in the journal."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """See ``Approver``."""
        written = proposal.written
        if isinstance(answer := await self.ask(proposal), Declined):
            return answer
        if not answer:
            self.journal.append(written, PlanMarked(proposal.plan.id, PlanStatus.REJECTED, self.by))
            return Declined("HUMAN_REJECTED", "you said no")
        self.journal.append(written, PlanMarked(proposal.plan.id, PlanStatus.APPROVED, self.by))
        return Approval(proposal.plan, self.by, proposal.plan.expires_at)


@dataclass(frozen=True, slots=True)
class Auto:
    """Approves by itself what stays within the policy's ``auto_max_move`` (each move) and ``auto_max_total`` (all moves
    of the plan together); everything above is declined with POLICY_LIMIT, for a person to approve."""

    journal: Journal
    """Where plan and approval are kept."""
    policy: Policy
    """The policy with the automatic limits."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """See ``Approver``."""
        plan = proposal.plan
        if (refused := self._beyond(plan)) is not None:
            return refused
        marked = PlanMarked(plan.id, PlanStatus.APPROVED, "auto")
        self.journal.append(proposal.written, marked)
        return Approval(plan, "auto", plan.expires_at)

    def _beyond(self, plan: Plan) -> Declined | None:
        for leg in plan.legs:
            if leg.kind is LegKind.CLAIM and not leg.amount.token.parse(self.policy.auto_max_move):
                return Declined("POLICY_LIMIT", "auto_max_move = 0: a person must approve, claims included")
        whole: Amount | None = None
        for amount in _moved(plan):
            if amount.token.parse(self.policy.auto_max_move) < amount:
                limit = f"{self.policy.auto_max_move} {amount.token.symbol}"
                return Declined(
                    "POLICY_LIMIT", f"a move of {amount} is above auto_max_move = {limit}: a person must approve"
                )
            whole = amount if whole is None else whole + amount
        if whole is not None and whole.token.parse(self.policy.auto_max_total) < whole:
            limit = f"{self.policy.auto_max_total} {whole.token.symbol}"
            return Declined("POLICY_LIMIT", f"{whole} in all is above auto_max_total = {limit}: a person must approve")
        return None


@dataclass(frozen=True, slots=True)
class ExitsAtOnce:
    """Approves by itself a plan that only takes money out of markets into our own wallet (``policy.auto_exit``); every
    other plan goes to the ``other`` approver. The automatic limits do not apply to such an exit; the signer's rules and
    fee ceiling do."""

    journal: Journal
    """Where plan and approval are kept."""
    other: Approver
    """Approves the other plans."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """See ``Approver``."""
        plan = proposal.plan
        if not only_out(plan):
            return await self.other.approve(proposal)
        self.journal.append(proposal.written, PlanMarked(plan.id, PlanStatus.APPROVED, "auto_exit"))
        return Approval(plan, "auto_exit", plan.expires_at)


def only_out(plan: Plan) -> bool:
    """Whether a plan does nothing but exit into our own wallet, judged by its legs and not by what it says of itself.
    Leaving a pool swaps, so such a plan does not count. Pure."""
    return plan.is_exit and not any(leg.market_id.partition("/")[0].endswith(POOLS) for leg in plan.legs)


@dataclass(frozen=True, slots=True)
class Queue:
    """Journals the plan, which then waits for ``yieldbot approve ID``. Older plans of the account for the same asset
    that still wait are marked as expired, with the id of this one. A plan that waits already is not written again."""

    journal: Journal
    """Where the plan is kept."""
    program: str = "yieldbot"
    """The command that the hint names."""
    page: Callable[[str], str | None] = lambda plan_id: None
    """Gives the URL of the page where a plan is signed, by its id; None: there is none."""

    async def approve(self, proposal: Proposal) -> Declined:
        """See ``Approver``."""
        plan = proposal.plan
        waiting = self.journal.plans(PlanStatus.QUEUED)
        older = [
            PlanMarked(stored.plan.id, PlanStatus.EXPIRED, "queue", f"superseded by {plan.id}")
            for stored in waiting
            if stored.plan.id != plan.id and (stored.plan.owner, stored.plan.asset) == (plan.owner, plan.asset)
        ]
        marked = PlanMarked(plan.id, PlanStatus.QUEUED, "queue")
        if any(stored.plan == plan for stored in waiting):
            self.journal.append(*older)
        else:
            self.journal.append(*older, proposal.written, marked)
        page = self.page(plan.id)
        more = f", or sign it at {page}" if page is not None else ""
        return Declined("QUEUED", f"plan {plan.id} waits: {self.program} approve {plan.id}{more}")


def lets_wait(approver: Approver, plan: Plan) -> bool:
    """Whether this approver lets the plan wait for a person. Pure."""
    if isinstance(approver, ExitsAtOnce):
        return not only_out(plan) and lets_wait(approver.other, plan)
    return isinstance(approver, Queue)


@dataclass(frozen=True, slots=True)
class PreApproved:
    """Approves the plan that a person named by its id, if the rehearsed plan equals the journal's."""

    journal: Journal
    """Where the plan was stored."""
    plan_id: str
    """The id that the person named."""
    by: str = "approve"
    """Who approved, for the journal."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """See ``Approver``."""
        stored = self.journal.plan(self.plan_id)
        if stored is None or proposal.plan != stored.plan:
            return Declined("NOT_THE_PLAN", f"what was rehearsed is not the stored plan {self.plan_id}")
        if stored.status not in (PlanStatus.QUEUED, PlanStatus.PROPOSED, PlanStatus.APPROVED):
            return Declined("PLAN_CLOSED", stored.over)
        self.journal.append(PlanMarked(self.plan_id, PlanStatus.APPROVED, self.by))
        return Approval(stored.plan, self.by, stored.plan.expires_at)


def in_time(approval: Approval, now: int) -> Declined | None:
    """Why an approval has expired at ``now`` (unix seconds of the chain); None while it is valid. Pure."""
    if now >= approval.expires_at:
        return Declined("EXPIRED", f"the approval of plan {approval.plan.id} ended {now - approval.expires_at} s ago")
    return None


def _moved(plan: Plan) -> list[Amount]:
    """The amounts that the automatic limits apply to: the plan's moves; without moves, the total that it sells; without
    a sale, the amounts of its legs."""
    if plan.moves:
        return [move.amount for move in plan.moves]
    return [plan.sold] if plan.sold is not None else [leg.amount for leg in plan.legs]
