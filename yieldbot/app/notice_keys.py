"""Findings about keys of the REST interface: a key ends soon, or has expired."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.access.database import FILE
from yieldbot.errors import YieldbotError
from yieldbot.model.notices import Finding, Severity, Topic

if TYPE_CHECKING:
    from yieldbot.access.keys import StoredKey
    from yieldbot.app.context import Context

DAY = 86_400
ENDED_DAYS = 7
"""Days after its end during which a key is reported as ended."""
AGAIN_SECONDS = 3 * DAY


def of_keys(context: Context, now: int) -> tuple[Finding, ...]:
    """Findings of the keys in data_dir; none where there are no keys, or they cannot be read (which the server reports
    by itself)."""
    data_dir = context.settings.data_dir
    if not (data_dir / FILE).exists():
        return ()
    try:
        from yieldbot.access.ring import KeyRing

        keys = KeyRing.of(data_dir).all()
    except (YieldbotError, ModuleNotFoundError):
        return ()
    return ending(keys, now, context.program)


def ending(keys: Sequence[StoredKey], now: int, program: str) -> tuple[Finding, ...]:
    """Keys that end within a week and have no successor, and keys that ended by themselves in the last days. Pure."""
    lasting = {one.name for one in keys if one.ended(now) is None and not one.ends_soon(now)}
    found = []
    for one in keys:
        if one.revoked_at is not None or one.name in lasting:
            continue
        end, why = one.end()
        on = time.strftime("%Y-%m-%d", time.gmtime(max(0, min(end, 2**33))))
        remedy = f"`{program} key rotate {one.name}` makes its successor"
        if one.ends_soon(now):
            text = f"key {one.name} (yb_{one.prefix}) ends on {on}: {why}; {remedy}"
            key, again = f"key-ends:{one.prefix}:{on}", AGAIN_SECONDS
        elif end <= now < end + ENDED_DAYS * DAY:
            text = f"key {one.name} (yb_{one.prefix}) ended on {on}: {one.ended(now)}"
            key, again = f"key-ended:{one.prefix}", 10**10
        else:
            continue
        found.append(
            Finding(key=key, topic=Topic.ACCESS, severity=Severity.WARNING, text=text, at=now, again_seconds=again)
        )
    return tuple(found)
