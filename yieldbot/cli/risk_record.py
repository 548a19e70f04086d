"""Tables of ``yieldbot risk --calibration`` and ``--signals``. Imported only when one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    from yieldbot.app.risk_record_documents import CalibrationDocument


def calibration(found: CalibrationDocument) -> Group:
    """What followed each letter, and the Brier score."""
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
            f"{row.harmed / row.days:.1%}", f"{row.stated:.1%}", _figure(row.locked_hours_a_year),
            _figure(row.loss_bps_a_year),
            f"{_figure(row.expected_loss_bps)} ({_figure(row.expected_low_bps)}-{_figure(row.expected_high_bps)})",
        )  # fmt: skip
    parts: list[Any] = [sheet]
    if found.brier is not None and found.brier_constant is not None:
        parts.append(
            Text(
                f"Brier score of harm within {days}: {found.brier:.4f}; of the observed rate for all: "
                f"{found.brier_constant:.4f}. Less is better."
            )
        )
    left = f"{found.graded} graded days, {found.unfinished} whose window is not over, {found.unseen} hardly read since."
    return Group(*parts, Text(left), *lines)


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"
