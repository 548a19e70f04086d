"""Policies for tests."""

from __future__ import annotations

from typing import Any

from yieldbot.model.policy import Policy


def loose(**changes: Any) -> Policy:
    """The shipped policy without its limit on one market: everything may be in a single market."""
    return Policy(**{"max_share_market": 1.0} | changes)
