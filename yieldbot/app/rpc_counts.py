"""What workers count of their requests to RPC endpoints, for doors."""

from __future__ import annotations

from yieldbot.rpc.counting import BUCKETS, Row

__all__ = ["BUCKETS", "Row"]
