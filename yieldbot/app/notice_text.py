"""Makes text fit for a notice: one printable line without secrets, URLs or invisible characters."""

from __future__ import annotations

import re
from collections.abc import Iterable

from yieldbot.app.telemetry import HIDDEN, redacted
from yieldbot.model.text import clipped, one_line

LONGEST = 300
"""Most characters of a finding."""
_URL = re.compile(r"([A-Za-z0-9+.-]{0,16})://(?:[^\s/?#@]*@)?([^\s/?#@:\"'<>]*)[^\s]*")
_KEYS = re.compile(r"\byb_[A-Za-z0-9_-]{6,}|\b\d{6,12}:[A-Za-z0-9_-]{30,}|\bBearer\s+\S+", re.IGNORECASE)
"""Patterns of keys: our API keys, Telegram's bot tokens, and bearer tokens in headers."""


def safe(text: str, secrets: Iterable[str] = (), longest: int = LONGEST) -> str:
    """The text as one printable line of at most ``longest`` characters, secrets hidden, URLs reduced to their host."""
    known = tuple(secrets)
    line = one_line(redacted(text, known), 10 * longest)
    line = _KEYS.sub(HIDDEN, _URL.sub(lambda hit: f"{hit[1] or 'an'} address at {hit[2] or 'a host'}", line))
    return clipped(redacted(line, known), longest)
