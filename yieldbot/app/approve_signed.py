"""``approve --signed``: carries out what enough persons have signed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from yieldbot.app import job_reports
from yieldbot.app.approvers import signed_plans
from yieldbot.app.run import ApproveRequest, RunAnswer, approve
from yieldbot.app.run_documents import ApproveDocument
from yieldbot.app.signer_work import close
from yieldbot.errors import ConfigError, YieldbotError

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
    done, codes = list[RunAnswer](), list[int]()
    for plan_id in signed_plans(context):
        try:
            done.append(approve(ApproveRequest(plan_id=plan_id), context, show=show, ask=lambda: True))
            codes.append(done[-1].document.exit_code)
        except YieldbotError as failure:
            context.complain(f"plan {plan_id}: {failure}")
            codes.append(failure.exit_code)
    rows = tuple(row for one in done for row in one.document.jobs)
    document = ApproveDocument(exit_code=job_reports.worst(codes), jobs=rows, across_chains=())
    chains = {chain: name for one in done for chain, name in one.chains.items()}
    reports = tuple(report for one in done for report in one.reports)
    return RunAnswer(document=document, reports=reports, across=(), chains=chains)
