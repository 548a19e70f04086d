"""Counts requests to RPC endpoints by provider and outcome, for metrics. A provider is named by its chain and number,
as ``base-1``, since hosts and URLs may hold keys."""

from __future__ import annotations

from typing import Any

BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram's buckets, in seconds."""
OTHER = "other"
"""The provider of an endpoint that has no name."""
Row = tuple[str, str, list[int], float]
"""(provider, outcome, number of requests in each latency bucket, the last one above all bounds; sum of their
seconds)."""

_counts: dict[tuple[str, str], tuple[list[int], float]] = {}


def note(provider: str, outcome: str, seconds: float) -> None:
    """Count one request."""
    classes, before = _counts.get((provider, outcome), ([0] * (len(BUCKETS) + 1), 0.0))
    classes[sum(seconds > bound for bound in BUCKETS)] += 1
    _counts[provider, outcome] = classes, before + seconds


def taken() -> list[Row]:
    """Removes and returns the counts since the last call."""
    rows = [(provider, outcome, classes, seconds) for (provider, outcome), (classes, seconds) in _counts.items()]
    _counts.clear()
    return rows


def outcome_of(failure: BaseException) -> str:
    """The kind of an error: ``refused`` (a JSON-RPC error), ``http_429``, ``http_4xx``, ``http_5xx``, or
    ``unreachable``: no usable answer."""
    status: Any = getattr(failure, "status", None)
    if type(failure).__name__ == "NodeRefused":
        return "refused"
    if not status:
        return "unreachable"
    return "http_429" if status == 429 else f"http_{int(status) // 100}xx"
