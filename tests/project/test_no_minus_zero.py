"""No number is ever shown as "-0.00": what is rounded is written with ``z`` (PEP 682), as f"{value:z.2f}"."""

from __future__ import annotations

import re

from tests.kit import ROOT

ROUNDED = re.compile(r"""(?<=[^\\%]):(?P<spec>[^\s{}'":]*(?:\{\w+\})?[^\s{}'":]*\.(?:\d+|\{[^{}]+\})[f%])\}""")
"""The format of a number with a fixed number of places, in an f-string or a ``format`` call."""


def rounded(text: str) -> list[tuple[int, str]]:
    """(line, format) of each rounded number that may be shown as minus zero."""
    found = ((text.count("\n", 0, one.start()) + 1, one["spec"]) for one in ROUNDED.finditer(text))
    return [(line, spec) for line, spec in found if "z" not in spec]


def test_every_rounded_number_is_written_without_a_minus_before_zero() -> None:
    for wrong in ("{loss:,.2f}", "{loss:>{wide}.1f}", "{loss:+.{places}f}", "{loss:>8.2%}"):
        assert rounded(f'f"{wrong}"'), wrong
    assert rounded('f"{loss:z,.2f} {loss:>{wide}z.1f} {loss:+z.{places}f} {at:%H:%M}"') == []
    files = sorted((ROOT / "yieldbot").rglob("*.py"))
    found = [f"{one.relative_to(ROOT)}:{line}: {spec}" for one in files for line, spec in rounded(one.read_text())]
    assert found == [], 'write f"{value:z.2f}", or a small loss is shown as -0.00: ' + ", ".join(found)
    script = (ROOT / "yieldbot" / "web" / "static" / "page.js").read_text()
    assert script.count('"NumberFormat"') == 1 and "signDisplay" in script and "toFixed" not in script
