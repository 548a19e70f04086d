"""When an observation, or the end of a cycle, only repeats the one before: such rows are counted, not written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from yieldbot.journal.run_entries import RunEnded
from yieldbot.model.units import DAY_SECONDS

DRIFT = 0.005
"""Part by which a holding may grow or shrink (interest) and count as unchanged."""
RATE_DRIFT = 0.005
"""By how much the rate expected of a holding may differ and count as unchanged: an annual fraction."""
REPEATED = ("held", "queued")
"""Outcomes of cycles that are not written again while nothing changes. Failures and refusals always are."""
UNASKED = ("terminal", "schedule")
"""Who asks for such cycles; a caller over the network finds each of its runs in the journal."""

_PLAN_ID = re.compile(r"\b[0-9a-f]{16}\b")
"""Ids of plans, which say nothing of why a plan was refused."""
_NUMBER = re.compile(r"[0-9][0-9.,:]*")

Seen = dict[str, Any]
"""What one entry is compared by, as a JSON object."""


def observed(doc: Mapping[str, Any]) -> Seen | None:
    """What an observation is compared by; None: it is always written, since it has more than holdings."""
    facts = doc["facts"]
    if "forecasts" not in facts or "predicted" in facts or "paper" in facts:
        return None
    held = {market: [int(one["held_raw"]), float(one["apr"])] for market, one in facts["forecasts"].items()}
    return {"day": doc["block"]["timestamp"] // DAY_SECONDS, "held": held, "idle": facts.get("idle_raw")}


def same_holdings(before: Seen, now: Seen) -> bool:
    """Whether an observation shows the same holdings as an earlier one, but for interest."""
    held = before["held"]
    if before["idle"] != now["idle"] or held.keys() != now["held"].keys():
        return False
    for market, (raw, apr) in now["held"].items():
        was_raw, was_apr = held[market]
        if abs(raw - was_raw) > DRIFT * was_raw or abs(apr - was_apr) > RATE_DRIFT:
            return False
    return True


def ended(doc: Mapping[str, Any], plan_id: str) -> tuple[str, Seen] | None:
    """(whose cycle, what it is compared by) of the end of a cycle; None: it is always written. Numbers in the reason
    do not count."""
    if doc["outcome"] not in REPEATED or doc["by"] not in UNASKED:
        return None
    whose = "|".join((doc["wallet"], ",".join(doc["assets"]), doc["command"], doc["by"]))
    said = [doc["outcome"], doc["code"], _NUMBER.sub("0", doc["reason"]), plan_id]
    return whose, {"day": doc["began"] // DAY_SECONDS, "said": said}


def same_end(before: RunEnded, now: RunEnded) -> bool:
    """Whether two cycles of one job ended in the same way on one day (UTC). Numbers and ids of plans do not count."""
    said = [
        (one.began // DAY_SECONDS, one.outcome, one.code, _NUMBER.sub("0", _PLAN_ID.sub("", one.reason)))
        for one in (before, now)
    ]
    return said[0] == said[1]
