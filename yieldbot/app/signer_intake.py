"""Answers the requests at the signer's socket. It opens no key: accepted plans wait in the signer's own journal, and
another process carries them out (``app/signer_work.py``).

Callers may be hostile. A plan is accepted only with enough signatures of persons in the signer's own register over
exactly this plan; everything else is judged when it is carried out, as by ``approve``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from yieldbot import __version__
from yieldbot.app.halt import HaltRequest, halt
from yieldbot.app.other_wallets import job_of
from yieldbot.app.signer_requests import (
    CANNOT_NOW,
    MOST_ROWS,
    CarryOut,
    Halt,
    Malformed,
    Reject,
    Since,
    Status,
    framed,
    problem,
    request_of,
)
from yieldbot.errors import SafetyError, YieldbotError
from yieldbot.execution.halt import halted, refuse_if_halted
from yieldbot.execution.persons import missing, to_approve
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.execution.register import read_register
from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven
from yieldbot.journal.codec import plan_from_doc, plan_to_doc
from yieldbot.journal.fold import StoredPlan
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.plan import plan_id
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.signer_requests import Request
    from yieldbot.journal.store import Journal
    from yieldbot.model.amounts import Token
    from yieldbot.model.plan import Plan
    from yieldbot.model.settings import Job

BY = "signer"
"""The name under which the signer changes the status of plans in the journal."""
CLOCK_SECONDS = 300
"""Most seconds by which the clocks of server and signer may differ."""
MOST_NOTED = 32
"""Most different lines of the audit between two writes; further ones are counted together in one line."""


class Intake:
    """Answers requests, one at a time."""

    def __init__(self, context: Context, journal: Journal, now: Callable[[], float] = time.time) -> None:
        """journal: the signer's own, open; now: returns unix seconds."""
        self._context, self._journal, self._now = context, journal, now
        self._noted: dict[tuple[str, str, str], int] = {}
        self.came: Callable[[], None] = lambda: None
        """Called when a plan was accepted."""

    def answer(self, body: bytes, who: str) -> bytes:
        """The answer to a request's JSON, as a frame. who: the caller's user by the operating system, for the audit."""
        what = "a request"
        try:
            request = request_of(body)
            what = request.request
            return framed({"answer": self._done(request, who)})
        except SafetyError as refusal:
            self.note(who, what, refusal.code)
            return problem(refusal.code, self._context.redacted(str(refusal).removeprefix(f"{refusal.code}: ")))
        except YieldbotError as failure:
            self._context.complain(f"{what}: {failure}")
            return problem(CANNOT_NOW, "the signer cannot do this now: its log says why")
        except Exception as bug:
            self._context.complain(f"{what}: a bug: {type(bug).__name__}")
            return problem("BROKEN", "a bug of the signer's: its log has its kind")

    def note(self, who: str, what: str, outcome: str) -> None:
        """Add a line to the audit, which ``write_audit`` writes; equal lines are counted as one."""
        line = (who, what, outcome)
        if line not in self._noted and len(self._noted) >= MOST_NOTED:
            line = ("many", "requests of many kinds", "refused")
        self._noted[line] = self._noted.get(line, 0) + 1

    @property
    def noted(self) -> bool:
        """Whether there are lines for ``write_audit``."""
        return bool(self._noted)

    def write_audit(self) -> None:
        """Write the audit's lines into the journal. Raises as ``Journal.append``; the lines are then kept for the next
        attempt."""
        lines = tuple(self._noted.items())
        if lines:
            self._journal.append(
                *(
                    AccessNoted(by=who, where="socket", what=what, outcome=outcome, times=times)
                    for (who, what, outcome), times in lines
                )
            )
            for line, times in lines:
                self._noted[line] -= times  # more may have come meanwhile
                if not self._noted[line]:
                    del self._noted[line]

    def work_waits(self) -> bool:
        """Whether there is something to carry out or to settle."""
        active = (PlanStatus.QUEUED, PlanStatus.APPROVED)
        return any(one.status in active for one in self._journal.plans_not_ended()) or bool(self._open())

    def _done(self, request: Request, who: str) -> dict[str, Any]:
        match request:
            case CarryOut():
                return self._carry_out(request, who)
            case Since(seq=seq):
                rows, head = self._journal.rows_after(seq, MOST_ROWS), self._journal.head()
                return {"rows": [list(row) for row in rows], "head": list(head)}
            case Status():
                return self._status()
            case Halt(reason=reason):
                self.note(who, request.request, "done")
                halt(HaltRequest(reason=one_line(f"{who}: {reason}", 300)), self._context)
                return {"halted": True}
            case Reject():
                return self._reject(request, who)

    def _status(self) -> dict[str, Any]:
        settings = self._context.settings
        return {
            "version": __version__,
            "accounts": sorted({f"{job.chain.chain}:{job.wallet.address}" for job in settings.jobs}),
            "halted": halted(settings.data_dir),
            "needed": settings.policy.approvals_needed,
            "open": self._open(),
            "head": list(self._journal.head()),
        }

    def _open(self) -> list[str]:
        return [tx.signed.hash for tx in self._journal.open_transactions()]

    def _reject(self, request: Reject, who: str) -> dict[str, Any]:
        stored = self._journal.plan(request.plan_id)
        if stored is None:
            return {"plan_id": None, "status": None}
        if stored.status is not PlanStatus.QUEUED:
            raise SafetyError("PLAN_CLOSED", stored.over)
        reason = one_line(f"{who}: {request.reason}", 500)
        self._journal.append(PlanMarked(stored.plan.id, PlanStatus.REJECTED, BY, reason))
        return {"plan_id": stored.plan.id, "status": PlanStatus.REJECTED.value}

    def _carry_out(self, request: CarryOut, who: str) -> dict[str, Any]:
        plan = _plan(request.plan)
        stored = self._journal.plan(plan.id)
        if stored is not None:
            if plan_to_doc(stored.plan) != request.plan:
                raise SafetyError("OTHER_CONTENT", f"another plan is known as {plan.id}")
            if stored.status is not PlanStatus.PROPOSED:
                return _result(stored)
        settings = self._context.settings
        refuse_if_halted(halted(settings.data_dir))
        self._refuse(plan)
        if tuple(request.lines) != plan_lines(plan):
            raise SafetyError("OTHER_LINES", "what persons were shown is not what the plan does")
        given = self._signed(plan, request)
        older = (
            PlanMarked(one.plan.id, PlanStatus.EXPIRED, BY, f"superseded by {plan.id}")
            for one in self._journal.plans(PlanStatus.QUEUED)
            if (one.plan.owner, one.plan.asset) == (plan.owner, plan.asset)
        )
        self._journal.append(
            *older, PlanWritten(plan, plan_lines(plan)), *given, PlanMarked(plan.id, PlanStatus.QUEUED, BY)
        )
        self.note(who, f"{request.request} {plan.id}", "taken")
        self._context.say(f"plan {plan.id}: signed by {', '.join(one.approver for one in given)}")
        for line in request.rehearsal[:20]:
            self._context.say(f"  the server says: {one_line(line, 200)}")
        self.came()
        found = self._journal.plan(plan.id)
        assert found is not None
        return _result(found)

    def _refuse(self, plan: Plan) -> None:
        """Raises SafetyError for a plan of an account that is not ours, that has expired or is valid for too long, or
        that is older than another plan of its account and asset."""
        settings, now = self._context.settings, self._now()
        try:
            job = job_of(settings, plan)
        except YieldbotError:
            raise SafetyError("NOT_OURS", "the signer has no job for this account, chain and asset") from None
        for token in _tokens(plan):
            _refuse_token(token, plan, job)
        if now >= plan.expires_at:
            raise SafetyError("EXPIRED", f"plan {plan.id} has expired")
        if plan.expires_at > now + settings.policy.plan_ttl_seconds + CLOCK_SECONDS:
            raise SafetyError("EXPIRES_TOO_LATE", "it is valid for longer than policy.plan_ttl_seconds")
        if any(
            (one.plan.owner, one.plan.asset) == (plan.owner, plan.asset)
            and one.plan.id != plan.id
            and one.plan.block.height > plan.block.height
            for one in self._journal.plans()
        ):
            raise SafetyError("SUPERSEDED", f"a newer plan than {plan.id} is known")

    def _signed(self, plan: Plan, request: CarryOut) -> tuple[ApprovalGiven, ...]:
        """The valid signatures. Raises SafetyError if they are fewer than the policy needs."""
        settings = self._context.settings
        register, needed = read_register(settings.data_dir), settings.policy.approvals_needed
        asked = to_approve(StoredPlan(plan, (), PlanStatus.PROPOSED, "", "", 0))
        found = dict[str, ApprovalGiven]()
        for one in request.approvals:
            person = register.get(one.approver)
            if person is not None and one.approver not in found and person.signed(asked, one.signature):
                found[one.approver] = ApprovalGiven(plan_id=plan.id, approver=one.approver, signature=one.signature)
        if not needed or len(found) < needed:
            raise SafetyError("APPROVALS_MISSING", missing(tuple(found), needed))
        return tuple(found.values())


def _plan(doc: Mapping[str, Any]) -> Plan:
    """The plan in a document. Raises Malformed unless the document is exactly what the journal writes for that plan."""
    try:
        plan = plan_from_doc(doc)
        exact = plan_to_doc(plan) == doc
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise Malformed("plan: it is none") from None
    if not exact or not plan.legs or plan.id != plan_id(plan):
        raise Malformed("plan: it is not what its id says, or has more or less in it than a plan")
    if not all(map(math.isfinite, (plan.gain_per_year, plan.cost))):
        raise Malformed("plan: its gain or cost is no number")
    if any(amount.raw < 0 for leg in plan.legs for amount in (leg.amount, leg.gets, leg.gives) if amount is not None):
        raise Malformed("plan: an amount is negative")
    return plan


def _tokens(plan: Plan) -> Iterator[Token]:
    yield plan.asset
    for leg in plan.legs:
        yield leg.amount.token
        yield from (amount.token for amount in (leg.gets, leg.gives) if amount is not None)


def _refuse_token(token: Token, plan: Plan, job: Job) -> None:
    """Raises SafetyError for a token whose decimals or symbol differ from the chain's file, since persons would be
    shown wrong amounts."""
    if token.chain != plan.block.chain:
        raise SafetyError("NOT_OURS", "a token is on another chain")
    for known in (*job.assets, *job.chain.tokens.values()):
        if known.address.lower() == token.address.lower() and (known.address, known.symbol, known.decimals) != (
            token.address,
            token.symbol,
            token.decimals,
        ):
            raise SafetyError("OTHER_TOKEN", f"{known.symbol} is described otherwise than in the chain's file")


def _result(stored: StoredPlan) -> dict[str, Any]:
    return {
        "plan_id": stored.plan.id,
        "status": stored.status.value,
        "by": stored.by,
        "reason": stored.reason,
        "at": stored.at,
    }
