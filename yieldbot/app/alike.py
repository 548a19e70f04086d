"""The same reason for several jobs, accounts or chains is said once, with all that it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.errors import YieldbotError
    from yieldbot.model.settings import Job

MOST_NAMED = 5
"""Most jobs that a line about their chain names."""
_TRIES = re.compile(r" \(\d+ tries in [\d.]+ s\)")


def by_reason(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, list[str], str]]:
    """(chain, those whom it concerns, reason) for each chain and reason, in their order. rows: chain, who and reason;
    how often and how long was tried makes no reason another."""
    alike: dict[tuple[str, str], tuple[list[str], str]] = {}
    for chain, who, reason in rows:
        alike.setdefault((chain, _TRIES.sub("", reason)), ([], reason))[0].append(who)
    return [(chain, who, reason) for (chain, _), (who, reason) in alike.items()]


def together(names: Sequence[str], what: str = "job") -> str:
    """Several names with their number, as "7 jobs (a, b, c, d, e and 2 more)"; one name alone."""
    if len(names) == 1:
        return names[0]
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return f"{counted(len(names), what)} ({', '.join(names[:MOST_NAMED])}{more})"


def skips(rows: Iterable[tuple[str, str, str]], what: str = "job") -> list[str]:
    """A line for each chain that could not be served and each reason, with those whom it concerns. rows: chain, who and
    reason; what: the word for one of them."""
    return [
        f"{together(names, what)} on {chain} skipped: {reason}; `yieldbot check` says more"
        for chain, names, reason in by_reason(rows)
    ]


def complain(context: Context, failures: Iterable[tuple[Job, YieldbotError]]) -> None:
    """Complain of jobs that ended with an error, once for each chain and reason."""
    rows = [(job.chain.name, f"{job.wallet.name}: {job.asset.symbol}", str(failure)) for job, failure in failures]
    for chain, names, reason in by_reason(rows):
        context.complain(f"{together(names)} on {chain}: {reason}")
