"""``yieldbot alert list | add | remove``: alerts when a measure of a market, token or wallet passes a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app import alerts as use
from yieldbot.app.formatting import when
from yieldbot.cli.tables import TextTable
from yieldbot.model.alerts import FRACTIONS, Measure
from yieldbot.model.numbers import significant

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.alert_documents import AlertRow, AlertsDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    group = listed.add_parser("alert")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    what = "list all alerts with their last values"
    parser = actions.add_parser("list", help=what, description=what)
    parser.set_defaults(command="alert-list", whole=False, handler=list_)

    what = "make an alert; it is measured whenever chains are read, and sent as a notice"
    parser = actions.add_parser("add", help=what, description=what)
    parser.add_argument("measure", choices=[one.value for one in Measure], help="what is measured")
    parser.add_argument("subject", metavar="NAME", help="a market's name or id, a token's symbol, or a wallet's name")
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument(
        "--above", metavar="VALUE", help="the alert begins above this value: 5%% or 50bp; a price, a grade, an amount"
    )
    side.add_argument("--below", metavar="VALUE", help="the alert begins below this value")
    parser.add_argument(
        "--hysteresis",
        metavar="VALUE",
        help="the alert ends when the value is back past the threshold by this much (default: 0)",
    )
    parser.add_argument("--chain", metavar="NAME", help="measure only on this chain")
    parser.add_argument(
        "--asset",
        metavar="SYMBOL",
        help="with wealth: count only this asset, in its own units (default: all assets, in USD)",
    )
    parser.add_argument(
        "--severity",
        default="warning",
        choices=["info", "warning", "critical"],
        help="how grave the notice is (default: warning)",
    )
    parser.set_defaults(command="alert-add", handler=add)

    what = "remove an alert"
    parser = actions.add_parser("remove", help=what, description=what)
    parser.add_argument("id", metavar="ID", help="the alert's id")
    parser.set_defaults(command="alert-remove", whole=False, handler=remove)


def add(args: argparse.Namespace, context: Screen) -> int:
    request = use.NewAlertRequest(
        measure=args.measure,
        subject=args.subject,
        above=args.above,
        below=args.below,
        hysteresis=args.hysteresis,
        chain=args.chain,
        asset=args.asset,
        severity=args.severity,
    )
    done = use.add(request, context)
    lines = [f"alert {done.alert.id}: {done.alert.condition}"]
    if not context.settings.notices:
        lines.append(
            "There is no [[notices]] table yet, so only `yieldbot alert list` shows this alert (docs/notices.md)."
        )
    context.show(done.as_json(), lambda: "\n".join(lines))
    return 0


def remove(args: argparse.Namespace, context: Screen) -> int:
    done = use.remove(args.id, context)
    context.show(done.as_json(), lambda: f"alert {done.id} is removed")
    return 0


def list_(args: argparse.Namespace, context: Screen) -> int:
    found = use.list_(context)
    context.show(found.as_json(), lambda: _table(found) if found.alerts else "no alerts: `yieldbot alert add --help`")
    return 0


def _table(found: AlertsDocument) -> TextTable:
    table = TextTable("Alerts", "Id", "Stands", "Alert", "Last measured", "When", "Made by")
    for one in found.alerts:
        for row in _rows(one):
            table.add_row(*row)
    return table


def _rows(one: AlertRow) -> list[tuple[str, ...]]:
    if not one.values:
        return [(one.id, "-", one.condition, "not measured yet: nothing of this name was read", "", one.made_by)]
    percent = one.measure in {measure.value for measure in FRACTIONS}
    return [
        (
            one.id if not index else "",
            f"since {when(value.since)}" if value.stands else "no",
            one.condition if not index else "",
            f"{value.name}: {f'{value.value * 100:.4g} %' if percent else significant(value.value, 6)}",
            when(value.at),
            one.made_by if not index else "",
        )
        for index, value in enumerate(one.values)
    ]
