"""Tables of ``yieldbot risk --calibration`` and ``--signals``. Imported only when one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app.formatting import when
from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    from yieldbot.app.risk_record_documents import CalibrationDocument, SignalsDocument


def calibration(found: CalibrationDocument) -> Group:
    """How often harm followed each letter, and the Brier score."""
    lines = [Text(line) for line in found.notes]
    if not found.rows:
        return Group(*lines)
    days = f"{found.window_days:g} days"
    sheet = TextTable(
        f"What followed within {days} of a grade", "Grade", ">Days", ">Windows", ">Lock", ">Loss", ">Depeg", ">Harm",
        ">Stated", ">Locked h/y", ">Lost bp/y", ">Expected (80 %)",
    )  # fmt: skip
    for row in found.rows:
        sheet.add_row(
            row.letter, str(row.days), str(row.windows), str(row.locks), str(row.losses), str(row.depegs),
            f"{row.harmed / row.days:z.1%}", f"{row.stated:z.1%}", _figure(row.locked_hours_a_year),
            _figure(row.loss_bps_a_year),
            f"{_figure(row.expected_loss_bps)} ({_figure(row.expected_low_bps)}-{_figure(row.expected_high_bps)})",
        )  # fmt: skip
    parts: list[Any] = [sheet]
    if found.brier is not None and found.brier_constant is not None:
        parts.append(
            Text(
                f"Brier score of harm within {days}: {found.brier:z.4f}; of the observed rate for all: "
                f"{found.brier_constant:z.4f}. Less is better."
            )
        )
    left = f"{found.graded} graded days, {found.unfinished} whose window is not over, {found.unseen} hardly read since."
    return Group(*parts, Text(left), *lines)


def signals(found: SignalsDocument) -> Group:
    """What followed each signal."""
    lines = [Text(line) for line in found.notes]
    if not found.rows or found.first is None or found.last is None:
        return Group(*lines)
    made = "made anew day by day" if found.source == "replay" else "as they were remembered"
    sheet = TextTable(
        f"What followed signals, {made}, {when(found.first)} to {when(found.last)}", ">Days", "Class", "Signal",
        ">Signals", ">Markets", ">Windows", ">Paid", ">Median", ">Above it", ">Hits", ">90 % of draws", ">Plain rule",
    )  # fmt: skip
    for row in found.rows:
        draws = "" if row.low is None or row.high is None else f"{row.low:z.0%}-{row.high:z.0%}"
        sheet.add_row(
            str(row.horizon_days), row.market_class, row.signal, str(row.signals), str(row.markets), str(row.windows),
            f"{row.mean:z.2%}", f"{row.median:z.2%}", f"{row.above:z.0%}", _part(row.hits), draws, _part(row.plain),
        )  # fmt: skip
    explained = (
        "Hits: enter paid more than the median of the markets of its asset, leave less. Plain rule: a market stays on "
        "the side of the median that its quote is on."
    )
    return Group(sheet, Text(explained), *lines)


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:z.0%}"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:z.1f}"
