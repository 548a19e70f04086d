"""``reject``: a plan that waits is refused, and its steps are not proposed again for a time or below a gain."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from yieldbot.app.run_documents import RejectDocument
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.execution.lock import run_lock
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectRequest:
    """Reject a plan that waits for approval."""

    plan_id: str
    """The plan's identifier."""
    reason: str = ""
    """Why; kept in the journal."""
    by: str = "terminal"
    """Who rejects it, as in the journal."""
    not_again_seconds: int | None = None
    """Seconds in which the same steps are not proposed again; None: nothing is said of that. At the terminal also for
    a plan that is rejected already, from now on."""
    until_gain: str = ""
    """The gain at which the same steps may be proposed again: whole tokens of the asset a year, as ``500``, or how much
    more than this plan's, as ``+50%``; empty: nothing is said of that. With a time too: whichever comes first."""


def reject(request: RejectRequest, context: Context) -> RejectDocument:
    """Marks the plan as rejected. Raises ConfigError for an unknown plan or a gain that is none, SafetyError for a plan
    that no longer waits."""
    with run_lock(context.settings.data_dir, "reject"), Journal.open(context.settings.data_dir / JOURNAL) as journal:
        stored = journal.plan(request.plan_id)
        if stored is None:
            raise ConfigError(
                f"no plan {request.plan_id} in the journal: `yieldbot history --waiting` lists those that wait"
            )
        gain = gain_of(request.until_gain, stored.plan)
        again = stored.status is PlanStatus.REJECTED and (request.not_again_seconds is not None or gain > 0)
        again = again and request.by == "terminal"
        if stored.status not in (PlanStatus.QUEUED, PlanStatus.PROPOSED) and not again:
            raise SafetyError("PLAN_CLOSED", stored.over)
        reason = one_line(request.reason, 500) or (stored.reason if again else "")
        until = int(time.time()) + request.not_again_seconds if request.not_again_seconds else 0
        journal.append(PlanMarked(request.plan_id, PlanStatus.REJECTED, request.by, reason, until, gain))
    reached = 0 < gain <= stored.plan.gain_per_year
    return RejectDocument(plan_id=request.plan_id, not_before=until or None, until_gain=gain or None, reached=reached)


def gain_of(text: str, plan: Plan) -> float:
    """Whole tokens a year that a text names: ``500``, or ``+50%`` more than the plan gains; 0 for an empty text. Raises
    ConfigError for another one."""
    number, relative = parsed_gain(text)
    return max(0.0, plan.gain_per_year) * (1 + number / 100) if relative else number


def parsed_gain(text: str) -> tuple[float, bool]:
    """(number, whether it is percent more than the plan gains); (0, False) for an empty text. Raises ConfigError for
    another one."""
    if not text:
        return 0.0, False
    relative = text.startswith("+") and text.endswith("%")
    try:
        number = float(text[1:-1] if relative else text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0) or (text.startswith("+") and not relative):
        raise ConfigError(
            f"{one_line(text, 40)}: write a gain a year as 500 (in the plan's asset), or as +50% (more than it gains)"
        )
    return number, relative
