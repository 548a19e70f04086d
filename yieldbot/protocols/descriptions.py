"""Descriptions of calls, shared by protocols of both families, for the person who approves."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import Pool, tokens_along


def swap_description(pools: Sequence[Pool], given: Amount, least: Amount) -> str:
    """What a swap does, for the person who approves."""
    between = [token.symbol for token in tokens_along(pools, given.token, least.token)[1:-1]]
    through = f" through {', '.join(between)}" if between else ""
    return f"swap {given} for at least {least}{through} on {', then '.join(pool.name for pool in pools)}"
