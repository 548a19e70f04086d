"""An allocation problem as the document that ``allocate`` reads."""

from __future__ import annotations

import copy
from typing import Any

Doc = dict[str, Any]

POOL: Doc = {
    "id": "pool",
    "held": "0",
    "supplied": "1000000",
    "borrowed": "900000",
    "reserve_factor": 0.1,
    "rate": {"kind": "kinked", "points": [[0, 0.0], [0.9, 0.04], [1.0, 0.64]]},
    "fixed_cost": "12.5",
}
BANK: Doc = {"id": "bank", "rate": {"kind": "constant", "apr": 0.03}}


def problem(*markets: Doc, **fields: Any) -> Doc:
    base = {"schema": "yieldbot/problem/v1", "wealth": "100000", "horizon_days": 30, "markets": list(markets)}
    return copy.deepcopy(base | fields)
