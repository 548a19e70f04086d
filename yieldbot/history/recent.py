"""What memory saw of markets lately, thinned: what alarms are raised by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from yieldbot.history.columns import backing_of
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store

if TYPE_CHECKING:
    import pyarrow

HOUR = 3600
STEPS = ((2 * HOUR, 900), (62 * HOUR, HOUR))
"""(age, step) in seconds: of readings no older, one each step is kept."""
COARSE = 6 * HOUR
"""Of older ones."""
NUMBERS = (
    "supply_rate", "index", "borrow_rate", "utilisation", "supplied", "borrowed", "cash", "reserve_factor", "held",
    "price_usd", "traded_usd", "token_supply",
)  # fmt: skip
_WANTED = ("market", "protocol", "asset", "asset_address", "time", "source", "status", *NUMBERS, "backing")


def recent(
    store: Store, chain: str, moment: int, seconds: int, markets: Collection[str] = (), assets: Collection[str] = ()
) -> Mapping[str, list[Reading]]:
    """By market, the readings of the last ``seconds`` before a moment, ascending, the last one of each step
    (``STEPS``). markets: their ids; assets: symbols in capitals, of whose markets all count. Raises as ``Store``."""
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
    cells = times // COARSE
    for place, (age, step) in enumerate(reversed(STEPS), 1):
        cells = np.where(times > moment - age, times // step + place * 2**40, cells)
    last = np.append((np.diff(codes) != 0) | (np.diff(cells) != 0), True)
    chosen = whole.filter(pa.array(last))
    columns = {name: chosen[name].to_pylist() for name in _WANTED}
    found: dict[str, list[Reading]] = {}
    keys: dict[tuple[str, ...], MarketKey] = {}
    for values in zip(*(columns[name] for name in (*_KEY, *_REST)), strict=True):
        named = values[:4]
        if named not in keys:
            market, protocol, asset, address = (one or "" for one in named)
            keys[named] = MarketKey(chain=chain, market=market, protocol=protocol, asset=asset, asset_address=address)
        rest = dict(zip(_REST, values[4:], strict=True))
        rest["backing"] = backing_of(rest["backing"])
        found.setdefault(keys[named].market, []).append(Reading(key=keys[named], **rest))
    return found


_KEY = ("market", "protocol", "asset", "asset_address")
_REST = ("time", "source", "status", *NUMBERS, "backing")
