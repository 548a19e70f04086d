"""``report`` in an install without a server's packages."""

from __future__ import annotations

import subprocess
import sys

HIDDEN = "('starlette', 'fastapi', 'uvicorn', 'anthropic', 'mcp')"


def test_the_report_needs_no_server() -> None:
    code = f"import sys; sys.modules |= dict.fromkeys({HIDDEN});import yieldbot.web.report, yieldbot.cli.report_file"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
