"""Counts of requests to RPC endpoints in worker processes, for the metrics."""

from __future__ import annotations

from yieldbot.rpc.counting import BUCKETS, Row

__all__ = ["BUCKETS", "Row"]
