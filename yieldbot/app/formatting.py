"""Times and amounts as text, the same in every interface."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.app.backtest_documents import BacktestRow
    from yieldbot.model.amounts import Amount

MOST_SHARE = 10.0
"""Above this, the ratio to foresight's gain only says that foresight gained almost nothing, and is not shown as a
number."""

MOST_APART_SECONDS = 3600
"""How far a chain's clock may be from ours without a word."""


def when(unix_seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(unix_seconds)) + " UTC"


def valid_until(expires_at: int, chain_seconds: int, now: float | None = None) -> str:
    """Until when a plan may be carried out, by this machine's clock. Where the chain's differs by more than an hour, as
    in a sandbox whose time was moved, both are named. chain_seconds: the block's time; now: None: the present."""
    found = f"valid until {when(expires_at)}"
    if abs((time.time() if now is None else now) - chain_seconds) <= MOST_APART_SECONDS:
        return found
    return f"{found} by this machine's clock (the chain's says {when(chain_seconds)})"


def share_words(row: BacktestRow) -> str:
    """The ratio of the gain to foresight's, as a range: from its ratio to the bound to its ratio to the best strategy
    found."""
    shares = [share for share in (row.share_of_bound, row.share_of_foresight) if share is not None]
    if not shares:
        return "-"
    if max(map(abs, shares)) > MOST_SHARE:
        return "> 999%" if max(shares) > MOST_SHARE else "< -999%"
    low, high = (f"{share:z.0%}" for share in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"


def leaving(requested: Amount, ready: Amount, back: Amount, until: int | None, entry: bool = False) -> str:
    """Describe money of ours that is leaving a market in two steps: requested, ready to collect, cancelled. entry:
    it is a deposit by request."""
    end = "somebody serves the request" if until is None else when(until)
    waits, returned = "in exit until", "cancelled, to be put in again"
    if entry:
        waits, returned = "to be deposited once", "deposited by request, to be claimed"
    parts = [f"{requested} {waits} {end}"] if requested else []
    parts += [f"{ready} to be collected"] if ready else []
    parts += [f"{back} {returned}"] if back else []
    return ", ".join(parts)


def number(value: float | None) -> float | None:
    """A float for JSON; None for infinity and NaN, which JSON cannot hold."""
    return float(value) if value is not None and math.isfinite(value) else None


def short_hash(text: str) -> str:
    """A hash with its middle left out; --json has all of it."""
    return text if len(text) < 20 else f"{text[:10]}…{text[-6:]}"


def run_words(command: str, by: str) -> str:
    """A run's command, and who asked for it: a schedule or a caller of the server. At a terminal, or by cron, that goes
    without saying."""
    return command if by == "terminal" else f"{command} for {by}"
