"""Settings of a job of several assets on the Solana sandbox."""

from __future__ import annotations

BASE = """
[policy.bases.USD]
unit = "USD"
assets = { USDC = 1.0, USDT = 0.5 }
"""
