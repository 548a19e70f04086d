"""Days and times as people write them, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from yieldbot.errors import ConfigError


def day(text: str | None, flag: str) -> int | None:
    """The start of a day written as 2026-01-31, in unix seconds; None if there is no text. flag: name of the flag, for
    messages. Raises ConfigError."""
    if not text:
        return None
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ConfigError(f"{flag} {text}: write a day as 2026-01-31") from None


def moment(text: str | None, *, end: bool = False) -> int | None:
    """A day or time in unix seconds, UTC unless it names a zone; None if there is no text. end: use the last second of
    a day. Raises ConfigError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time: write a day as 2026-01-31, or 2026-01-31T12:00") from None
    whole_day = len(text) == len("2026-01-31") and end
    seconds = int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    return seconds + 86_399 if whole_day else seconds
