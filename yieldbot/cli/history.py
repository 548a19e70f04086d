"""``yieldbot history``: journal entries, or plans with their status; and memory's readings of markets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yieldbot.app import history as use
from yieldbot.app.formatting import short_hash, when
from yieldbot.app.history_documents import EventsDocument, HistoryDocument, PlansDocument, VerifiedDocument
from yieldbot.cli.flags import natural
from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from yieldbot.app.history_documents import JournalEvent
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen
    from yieldbot.model.settings import Settings

OF_MEMORY = ("import", "show", "backfill", "verify", "compact")
"""The commands below ``history``, whose module is imported for them alone."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser("history")
    parser.add_argument(
        "--limit", type=natural, default=50, metavar="N", help="print the last N entries (default 50; 0: all)"
    )
    parser.add_argument("--plans", action="store_true", help="list plans with their status instead of entries")
    parser.add_argument(
        "--waiting", action="store_true", help="list the plans that wait for approval, with their calls"
    )
    parser.add_argument(
        "--verify", action="store_true", help="check that no entry was changed, and print the last entry's hash"
    )
    parser.set_defaults(command="history", whole=False, handler=history)
    actions = parser.add_subparsers(title="what memory holds of markets", metavar="COMMAND", required=False)
    if listed.names(*OF_MEMORY, "-h", "--help"):
        from yieldbot.cli.memory import register_history

        register_history(actions)
    else:
        for name in OF_MEMORY:
            actions.add_parser(name, flags=False)


def history(args: argparse.Namespace, context: Screen) -> int:
    request = use.HistoryRequest(limit=args.limit, plans=args.plans, waiting=args.waiting, verify=args.verify)
    found = use.history(request, context)
    context.show(found.as_json(), lambda: _rendered(found, args.waiting, context.settings))
    return 0


def _rendered(found: HistoryDocument, waiting: bool, settings: Settings) -> Any:
    match found:
        case VerifiedDocument():
            return f"{found.journal}: {found.rows} entries, none changed; the last one's hash is {found.head_hash}"
        case PlansDocument():
            return _plans(found, waiting, settings)
        case EventsDocument():
            return _entries(found, {str(one.chain): name for name, one in settings.chains.items()})


def _entries(found: EventsDocument, names: Mapping[str, str]) -> Any:
    """The journal's entries. names: of chains, by identifier."""
    made = TextTable("Journal", ">#", "When", "Entry", "Plan or transaction", "What")
    for event in found.events:
        short = short_hash(event.plan_id or event.tx_hash or "")
        made.add_row(str(event.seq), when(event.at), event.kind, short, _whose(event, names) + event.text)
    if not found.events:
        return "the journal has no entries yet: `yieldbot run` writes what it does"
    times, last = sum(one.times for one in found.unchanged), max((one.at for one in found.unchanged), default=0)
    note = f"{times} more that changed nothing, the last at {when(last)}: of these one a day is written"
    if not found.unchanged:
        return made
    from rich.console import Group
    from rich.text import Text

    return Group(made, Text(note))


def _whose(event: JournalEvent, names: Mapping[str, str]) -> str:
    """The job whose run has ended; empty for other entries, whose texts name what they are about."""
    if event.kind != "run.ended":
        return ""
    chain = event.chain or ""
    return f"{event.body['wallet']}: {', '.join(event.body['assets'])} on {names.get(chain, chain)}: "


def _plans(found: PlansDocument, waiting: bool, settings: Settings) -> Any:
    wallets: dict[str, str] = {wallet.address: wallet.name for wallet in settings.wallets.values()}
    chains: dict[str, str] = {job.chain.chain: job.chain.name for job in settings.jobs}
    made = TextTable("Plans", "Id", "Where", "Status", ">Gain a year", ">Cost", "Valid until", "Calls")
    for plan in found.plans:
        status = plan.status + (f" ({plan.reason})" if plan.reason else "")
        gain, cost = f"{plan.gain_per_year:z,.2f}", f"{plan.cost:z,.4f}"
        signed = (f"signed by {', '.join(plan.signed_by)}",) if plan.signed_by else ()
        asked = (f"asked for by {plan.asked_by}",) if plan.asked_by else ()
        whole = (f"in all {', '.join(plan.changes)}",) if plan.changes else ()
        beside = (*whole, *plan.risks, *asked, f"digest {plan.digest}", *signed)
        lines = (*plan.calls, *beside) if waiting else plan.calls
        where = f"{wallets.get(plan.owner, plan.owner)} on {chains.get(plan.chain, plan.chain)}"
        made.add_row(plan.id, where, status, gain, cost, when(plan.expires_at), "\n".join(lines))
    nothing = "no plan waits for approval" if waiting else "no plan has been made yet"
    return made if found.plans else nothing
