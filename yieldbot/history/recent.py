"""What memory saw of markets lately, thinned: what alarms are raised by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store

if TYPE_CHECKING:
    import pyarrow

HOUR = 3600
FINE_SECONDS = 2 * HOUR
"""Readings so young are kept one each ``FINE_STEP``; older ones one an hour."""
FINE_STEP = 900
NUMBERS = (
    "supply_rate", "index", "borrow_rate", "utilisation", "supplied", "borrowed", "cash", "reserve_factor", "held",
    "price_usd",
)  # fmt: skip
_WANTED = ("market", "protocol", "asset", "asset_address", "time", "source", "status", *NUMBERS)


def recent(
    store: Store, chain: str, moment: int, seconds: int, markets: Collection[str] = (), assets: Collection[str] = ()
) -> Mapping[str, list[Reading]]:
    """By market, the readings of the last ``seconds`` before a moment, ascending, the last one of each quarter of an
    hour or hour. markets: their ids; assets: symbols in capitals, of whose markets all count. Raises as ``Store``."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    tables: list[pyarrow.Table] = []
    for content, _ in store.tables(chain, moment - seconds, moment - 1, _WANTED):
        ours = pc.is_in(content["market"], pa.array(sorted(markets), pa.string()))
        if assets:
            ours = pc.or_(ours, pc.is_in(pc.utf8_upper(content["asset"]), pa.array(sorted(assets), pa.string())))
        chosen = content.filter(ours)
        if chosen.num_rows:
            tables.append(chosen)
    if not tables:
        return {}
    whole = pa.concat_tables(tables).sort_by([("market", "ascending"), ("time", "ascending")])
    times = whole["time"].to_numpy()
    codes = whole["market"].combine_chunks().dictionary_encode().indices.to_numpy()
    cells = np.where(times > moment - FINE_SECONDS, times // FINE_STEP + 2**40, times // HOUR)
    last = np.append((np.diff(codes) != 0) | (np.diff(cells) != 0), True)
    found: dict[str, list[Reading]] = {}
    for row in whole.filter(pa.array(last)).to_pylist():
        key = MarketKey(chain=chain, **{name: row.pop(name) or "" for name in _KEY})
        found.setdefault(key.market, []).append(Reading(key=key, **row))
    return found


_KEY = ("market", "protocol", "asset", "asset_address")
