"""``report --html``: the overview in one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.api.served import Served
from tests.kit.web.browsing import dangers
from tests.unit.api.conftest import FIRST, context, served
from yieldbot.app.report import ReportRequest, report
from yieldbot.errors import ConfigError
from yieldbot.web.report import html

__all__ = ["context", "served"]


def test_the_report_is_one_file_that_loads_runs_and_links_nothing(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = served.service.context
    monkeypatch.setattr("yieldbot.app.report.newest", lambda _context, _request: FIRST["newest"])  # made once a worker
    file = tmp_path / "r.html"
    done = report(ReportRequest(output=file, draw=html), context)
    text = file.read_text(encoding="utf-8")
    assert done.exit_code == 1 and any("nobody answers" in one for one in done.unread), "a chain is away, and named"
    assert "10,000.00" in text and "nobody answers" in text and done.bytes == len(text.encode())
    assert dangers(text) == ["style"] and not re.search(r"<(script|link|img|a |form)", text)
    assert file.stat().st_mode & 0o077 == 0, "it shows holdings: only its owner reads it"
    with pytest.raises(ConfigError, match="exists already"):
        report(ReportRequest(output=file, draw=html), context)
    with pytest.raises(ConfigError, match="no folder"):
        report(ReportRequest(output=tmp_path / "none" / "r.html", draw=html), context)
    with pytest.raises(ConfigError, match="regular file"):
        report(ReportRequest(output=tmp_path, draw=html), context)
