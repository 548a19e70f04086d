"""What persons decide of the assistant's proposals over the network: who may, and what then happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from yieldbot.app import proposals
from yieldbot.app.admission import Scope
from yieldbot.app.proposal_documents import ProposalDocument, ProposalRow, ProposalsDocument
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.admission import Caller
    from yieldbot.app.service import Service


@dataclass(frozen=True, slots=True)
class Decider:
    """Somebody who decides."""

    caller: Caller
    """Their rights."""
    name: str
    """Their name in the audit and at what they make."""
    registered: bool
    """Whether they are a person of the register of approvers, and not an API key."""
    where: str
    """Their network address."""


def why_not(row: ProposalRow, caller: Caller, registered: bool) -> str | None:
    """Why somebody may not accept a proposal; None: they may. An alert takes the scope ``plan``, as making one does. An
    exit changes what later runs do, and a setting the configuration: both take a person of the register."""
    if row.kind == "alert":
        return None if Scope.PLAN in caller.scopes else "accepting an alert takes the scope plan"
    if registered and Scope.APPROVE in caller.scopes:
        return None
    what = "an exit" if row.kind == "exit" else "a setting"
    return f"{what} is accepted by a person who has signed in with a passkey, or at the terminal"


def seen(service: Service, caller: Caller) -> ProposalsDocument:
    """The proposals that a caller may see, the newest first. Raises ConfigError where they cannot be read."""
    return proposals.list_(service.context, caller.accounts)


async def accept(proposal_id: str, service: Service, who: Decider) -> tuple[ProposalDocument, str | None]:
    """Carry out a proposal; also the id of the plan that waits for approval then, None where there is none.

    Raises ConfigError where it waits no more, SafetyError where they may not or it would not be safer any more, and
    WorkerFailed where an exit could not be ordered; the proposal then waits on."""
    row = await asyncio.to_thread(_waiting, proposal_id, service, who)
    if (why := why_not(row, who.caller, who.registered)) is not None:
        raise SafetyError("NOT_ALLOWED", why)
    plan = None
    if row.kind == "exit":
        jobs = {"wallet": row.wallet, "chain": row.chain}
        found = await service.leave({"market": row.market_id, "jobs": jobs, "by": who.name})
        done = proposals.ordered(found, service.context)
        waiting = [(job.get("plan") or {}).get("id") for job in found["jobs"] if job["exit_code"] == 3]
        plan = next((one for one in waiting if one), None)
    else:
        done = await asyncio.to_thread(proposals.carry_out, row, service.context, who.name)
    made = await asyncio.to_thread(proposals.ended, row, "accepted", service.context)
    service.admission.note(who.caller.name, who.where, f"proposal {row.id} ({row.kind})", "accepted")
    await service.write_audit()
    return ProposalDocument(proposal=made, done=done), plan


async def reject(proposal_id: str, service: Service, who: Decider) -> ProposalDocument:
    """Reject a proposal. Raises ConfigError where it waits no more."""
    await asyncio.to_thread(_waiting, proposal_id, service, who)
    return await asyncio.to_thread(proposals.reject, proposal_id, service.context, who.caller.name, who.where)


def _waiting(proposal_id: str, service: Service, who: Decider) -> ProposalRow:
    """The proposal, if it waits and is the person's to see."""
    if all(row.id != proposal_id for row in seen(service, who.caller).proposals):
        raise ConfigError("there is no such proposal")
    return proposals.waiting(proposal_id, service.context)
