"""The audit is written at once while its lines are few, and a flood cannot fill the journal."""

from __future__ import annotations

from pathlib import Path

from tests.kit.signer import Signer
from yieldbot.app.audit_pace import AT_ONCE, AuditPace
from yieldbot.journal.access_entries import AccessNoted


def test_few_lines_are_written_at_once_and_many_are_gathered() -> None:
    pace = AuditPace(10.0)
    assert all(pace.due(100.0) for _ in range(AT_ONCE)) and not pace.due(100.0)
    assert [pace.due(100.0 + second) for second in range(1, 41)].count(True) == 4, "one each ten seconds"
    assert all(pace.due(10_000.0 + second * 10) for second in range(50)), "a line now and then is never late"


def test_what_is_noted_while_lines_are_written_is_not_lost(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "signer")
    signer.intake.note("uid 1", "a request", "MALFORMED")
    append = signer.journal.append

    def slow(*entries: AccessNoted) -> None:
        append(*entries)
        signer.intake.note("uid 1", "a request", "MALFORMED")  # as another thread would

    signer.journal.append = slow  # type: ignore[method-assign,assignment]
    signer.intake.write_audit()
    signer.journal.append = append  # type: ignore[method-assign]
    assert signer.intake.noted
    signer.intake.write_audit()
    rows = [one.entry for one in signer.journal.history() if isinstance(one.entry, AccessNoted)]
    assert sum(row.times for row in rows if row.outcome == "MALFORMED") == 2 and not signer.intake.noted
    signer.journal.close()
