"""What our money is expected to earn where it is: the same figure on every page, from the curves that plans use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.app.service import Service

Row = Mapping[str, Any]
DAY = 86_400


def horizon_days(service: Service) -> float:
    """Days that expected yields are of."""
    return service.context.settings.policy.horizon_seconds / DAY


def expected_of(curve: Row | None) -> float | None:
    """The yield that is expected of what we hold in a market (``MarketCurve``)."""
    if curve is None or not curve["held"]:
        return None
    return next((one["apy"] for one in curve["points"] if one["holding"] == curve["held"]), None)


def expected(service: Service, positions: Sequence[Row]) -> dict[tuple[str, str, str], float | None]:
    """The yields that are expected of positions, by (chain, account, market)."""
    curves = {_key(one): one for one in service.newest("curves").rows}
    return {_key(one): expected_of(curves.get(_key(one))) for one in positions}


def _key(row: Row) -> tuple[str, str, str]:
    return row["chain_id"], row["owner"], row["id"]
