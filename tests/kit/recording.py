"""Invented rates in the form of a recording that ``history import`` and ``backtest`` read."""

from __future__ import annotations

import gzip
from pathlib import Path


def recording(folder: Path, days: int = 90) -> Path:
    """A file of invented daily rates of two markets: one constant, one that is better every other month."""
    path = folder / "recorded.csv.gz"
    rows = ["timestamp,chain,protocol,market,asset,supply_rate,borrow_rate,utilisation,supplied,borrowed,cash,"
            "reserve_factor,frozen,paused"]  # fmt: skip
    for day in range(days):
        for name, rate in (("usdc", 0.05), ("usdt", 0.03 + 0.04 * (day // 30 % 2))):
            rows.append(
                f"{1_735_689_600 + day * 86_400},eip155:8453,lend,{name},{name.upper()},{rate},{rate / 0.72},0.8,"
                "1e8,8e7,2e7,0.1,,"
            )
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    return path
