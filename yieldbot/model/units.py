"""Units and limits of numbers, each written once."""

from __future__ import annotations

BPS = 10_000
"""Basis points in one."""
WAD = 10**18
"""One, in contracts that count with 18 decimals; also wei in one ether."""
GWEI = 10**9
"""Wei in one gwei."""
DAY_SECONDS = 86_400
SECONDS_PER_YEAR = 31_536_000
"""365 days, the year of protocols' rates."""
MAX_UINT256 = 2**256 - 1
"""The largest number of a contract; as an allowance it means unlimited."""
