"""What the text of a notice may be: one printable line, without a secret, a URL or an invisible sign."""

from __future__ import annotations

import re
from collections.abc import Iterable

from yieldbot.app.telemetry import HIDDEN, redacted
from yieldbot.model.text import clipped, one_line

LONGEST = 300
"""Characters of a finding."""
_URL = re.compile(r"([A-Za-z0-9+.-]{0,16})://(?:[^\s/?#@]*@)?([^\s/?#@:\"'<>]*)[^\s]*")
_KEYS = re.compile(r"\byb_[A-Za-z0-9_-]{6,}|\b\d{6,12}:[A-Za-z0-9_-]{30,}|\bBearer\s+\S+", re.IGNORECASE)
"""Forms of keys: our own, Telegram's, and any that a header has."""


def safe(text: str, secrets: Iterable[str] = ()) -> str:
    """The text as one printable line: secrets hidden, of URLs the host alone, cut at LONGEST characters."""
    known = tuple(secrets)
    line = one_line(redacted(text, known), 10 * LONGEST)
    line = _KEYS.sub(HIDDEN, _URL.sub(lambda hit: f"{hit[1] or 'an'} address at {hit[2] or 'a host'}", line))
    return clipped(redacted(line, known), LONGEST)
