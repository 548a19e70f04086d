"""Whether an alert's market exists: by chains/*.toml, by memory, or by a reading of the chains."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.names import matches
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import Job

MOST_NAMED = 8
"""Most names that a message lists."""


@dataclass(frozen=True, slots=True)
class Known:
    """Markets of a reading."""

    rows: Sequence[Mapping[str, Any]]
    """Each with ``id``, ``name`` and ``protocol``."""
    unread: tuple[str, ...] = ()
    """What could not be read, a line each."""


def check_market(name: str, jobs: Collection[Job], context: Context, known: Known | None) -> None:
    """Raises ConfigError where no market of these jobs has this name. known: the newest reading; None: there is none,
    and the chains are read now, unless chains/*.toml or memory knows the name."""
    if _of_tables(name, jobs) or _of_memory(name, jobs, context):
        return
    found = known or _read(context)
    if any(matches(name, row["id"], (row["name"], row["protocol"])) for row in found.rows):
        return
    if not found.rows and (known is None or known.unread):  # nothing was read: it may exist
        context.say(
            f"{one_line(name, 80)}: the chains cannot be read now, so nobody knows whether there is such a market"
        )
        return
    hint = did_you_mean(name, {str(row[part]) for row in found.rows for part in ("name", "protocol")})
    unread = f"; not read: {'; '.join(found.unread[:3])}" if found.unread else ""
    raise ConfigError(f"no market {one_line(name, 80)}: {hint} (`yieldbot markets` lists them{unread})")


def _of_tables(name: str, jobs: Iterable[Job]) -> bool:
    """Whether it is a protocol, a flavour or a name of a table in chains/*.toml, or the name of one with a token's
    behind it."""
    tables = [one for job in jobs for one in job.chain.deployments]
    return any(
        name in (one.protocol, str(one.params.get("flavour", "")), one.name) or name.startswith(f"{one.name} ")
        for one in tables
    )


def _of_memory(name: str, jobs: Iterable[Job], context: Context) -> bool:
    from yieldbot.app.memory import folder_of

    folder = folder_of(context, None)
    if not folder.exists():
        return False
    from yieldbot.history.market_spans import markets
    from yieldbot.history.store import Store

    chains = {job.chain.chain for job in jobs}
    spans = markets(Store(folder), faults=[])
    return any(span.key.chain in chains and matches(name, span.key.market, (span.key.protocol,)) for span in spans)


def _read(context: Context) -> Known:
    from yieldbot.app.markets import MarketsRequest, markets

    try:
        found = markets(MarketsRequest(), context).document.as_json()
    except YieldbotError as failure:
        context.complain(str(failure))
        return Known(())
    return Known([row for job in found["jobs"] for row in job.get("markets", ())])
