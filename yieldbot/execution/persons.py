"""Plans that persons approve by signature: who has signed a plan, and the approver that counts valid signatures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yieldbot.access.approvers import Approver, ToApprove, plan_digest
from yieldbot.errors import SafetyError
from yieldbot.execution.approvals import Approval, PreApproved, Proposal
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.codec import plan_to_doc
from yieldbot.journal.fold import StoredPlan
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Declined
from yieldbot.model.policy import Policy


def to_approve(stored: StoredPlan) -> ToApprove:
    """The text of a stored plan that a person signs. Its lines are made from the plan, and not those stored with it."""
    plan = stored.plan
    lines = plan_lines(plan)
    digest = plan_digest(plan_to_doc(plan), lines)
    return ToApprove(plan.id, digest, plan.owner, plan.block.chain, plan.expires_at, lines)


def signers(journal: Journal, stored: StoredPlan, register: Mapping[str, Approver]) -> tuple[str, ...]:
    """Names of the persons whose signature over exactly this plan is in the journal, each once, in the order in which
    they signed. Rows signed by somebody else, or by a person who is no longer in the register, do not count."""
    return signers_among(journal.approvals(stored.plan.id), stored, register)


def signers_among(
    approvals: Iterable[ApprovalGiven], stored: StoredPlan, register: Mapping[str, Approver]
) -> tuple[str, ...]:
    """The persons among the given signatures whose signature is valid (see ``signers``). approvals: the signatures on
    this plan, in order."""
    asked = to_approve(stored)
    found = dict[str, None]()
    for given in approvals:
        person = register.get(given.approver)
        if person is not None and given.approver not in found and person.signed(asked, given.signature):
            found[given.approver] = None
    return tuple(found)


def alone(policy: Policy) -> None:
    """Raises SafetyError where the policy does not let one person at a terminal approve without others."""
    if policy.approvals_needed:
        raise SafetyError(
            "APPROVALS_NEEDED",
            f"policy.approvals_needed = {policy.approvals_needed}: a plan waits until that many persons have signed it",
        )


@dataclass(frozen=True, slots=True)
class BySignatures:
    """Approves the named plan once enough persons have signed it."""

    journal: Journal
    """Where plan and signatures are kept."""
    plan_id: str
    """Id of the named plan."""
    needed: int
    """How many persons must have signed."""
    register: Mapping[str, Approver]
    """Who may approve."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        """See ``Approver``."""
        stored = self.journal.plan(self.plan_id)
        if stored is None or proposal.plan != stored.plan:
            return Declined("NOT_THE_PLAN", f"what was rehearsed is not the stored plan {self.plan_id}")
        names = signers(self.journal, stored, self.register)
        if len(names) < self.needed:
            return Declined("APPROVALS_MISSING", missing(names, self.needed))
        return await PreApproved(self.journal, self.plan_id, by=", ".join(names)).approve(proposal)


def missing(names: tuple[str, ...], needed: int) -> str:
    """A text about the approvals that a plan still needs."""
    by = f" ({', '.join(names)})" if names else ""
    return f"{len(names)} of {needed} persons have signed it{by}: `yieldbot approver sign ID --as NAME` adds one"
