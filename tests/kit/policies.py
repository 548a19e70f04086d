"""Policies for tests."""

from __future__ import annotations

from typing import Any

from yieldbot.model.policy import Policy


def loose(**changes: Any) -> Policy:
    """The shipped policy without its limit on what one market may hold: all of the money may lie in one."""
    return Policy(**{"max_share_market": 1.0} | changes)
