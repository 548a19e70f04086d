"""The overview as one file: the style is written into it, and it has no script and no link."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

from markupsafe import Markup

from yieldbot.app.report import ReportParts
from yieldbot.web import summary
from yieldbot.web.rendering import templates

STYLE = Path(__file__).parent / "static" / "style.css"


def html(parts: ReportParts) -> str:
    """The file's content."""
    style = STYLE.read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    shown = summary.of(
        wealth=parts.read["wealth"].rows,
        positions=parts.read["positions"].rows,
        plans=parts.plans,
        runs=parts.runs,
        accounts=parts.accounts,
        chains=parts.chains,
        unread=parts.read["markets"].unread,
    )
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    return (
        templates()
        .get_template("report.html")
        .render(title="Overview", shown=shown, inline=True, style=Markup(style), policy=policy, at=parts.at)
    )
