"""Times and amounts as text, the same at every door."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.model.amounts import Amount


def when(unix_seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(unix_seconds)) + " UTC"


def leaving(requested: Amount, ready: Amount, back: Amount, until: int | None) -> str:
    """Describe money of ours that is leaving a market in two steps: requested, ready to collect, cancelled."""
    end = "somebody serves the request" if until is None else when(until)
    parts = [f"{requested} in exit until {end}"] if requested else []
    parts += [f"{ready} to be collected"] if ready else []
    parts += [f"{back} cancelled, to be put in again"] if back else []
    return ", ".join(parts)
