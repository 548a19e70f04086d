"""``approve --signed`` and ``approve --all``: carry out several plans, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from yieldbot.app import job_reports
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.app.run import ApproveRequest, RunAnswer, approve
from yieldbot.app.run_documents import ApproveDocument
from yieldbot.app.signer_work import close
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.execution.approvals import Proposal


def approve_signed(context: Context, *, show: Callable[[Proposal], None]) -> RunAnswer:
    """Carries out every plan that waits and that enough persons have signed, the oldest first; for cron. One that
    fails ends no other. Raises ConfigError where the policy needs no signatures."""
    if not context.settings.policy.approvals_needed:
        raise ConfigError(
            "approve --signed needs policy.approvals_needed = 1 or more; without it name a plan: `yieldbot approve ID`"
        )
    with suppress(YieldbotError):  # another run: each plan is refused for it below
        close(context)
    return _each(signed_plans(context), context, show, None)


def approve_all(
    context: Context, *, show: Callable[[Proposal], None], ask: Callable[[], bool | None] | None
) -> RunAnswer:
    """Carries out every plan that waits, the oldest first; a person is asked about each. One that fails ends no
    other."""
    return _each(waiting_ids(context), context, show, ask)


def latest(context: Context) -> str:
    """The id of the newest plan that waits. Raises ConfigError if none does."""
    if not (found := waiting_ids(context)):
        raise ConfigError("no plan waits: `yieldbot run --approve queue` makes one where moving pays")
    return found[-1]


def waiting_ids(context: Context) -> tuple[str, ...]:
    """Ids of the plans that wait and have not expired, the oldest first."""
    file, now = context.settings.data_dir / JOURNAL, int(time.time())
    if not file.exists():
        return ()
    with Journal.read(file, appended=True) as journal:
        return tuple(one.plan.id for one in journal.plans(PlanStatus.QUEUED) if one.plan.expires_at > now)


def _each(
    ids: Sequence[str], context: Context, show: Callable[[Proposal], None], ask: Callable[[], bool | None] | None
) -> RunAnswer:
    done, codes = list[RunAnswer](), list[int]()
    for plan_id in ids:
        try:
            done.append(approve(ApproveRequest(plan_id=plan_id), context, show=show, ask=ask))
            codes.append(done[-1].document.exit_code)
        except YieldbotError as failure:
            context.complain(f"plan {plan_id}: {failure}")
            codes.append(failure.exit_code)
    rows = tuple(row for one in done for row in one.document.jobs)
    document = ApproveDocument(exit_code=job_reports.worst(codes), jobs=rows, across_chains=())
    chains = {chain: name for one in done for chain, name in one.chains.items()}
    reports = tuple(report for one in done for report in one.reports)
    return RunAnswer(document=document, reports=reports, across=(), chains=chains)
