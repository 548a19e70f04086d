"""Recent readings of markets from memory, thinned: the input of alarms."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldbot.history import recent_days
from yieldbot.history.arrow import as_numpy, coded
from yieldbot.history.columns import backing_of
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

HOUR = 3600
STEPS = ((2 * HOUR, 900), (62 * HOUR, HOUR))
"""(age, step) in seconds: of readings up to this age, one is kept in each step."""
COARSE = 6 * HOUR
"""Step for older readings, in seconds."""
NUMBERS = (
    "supply_rate", "index", "borrow_rate", "utilisation", "supplied", "borrowed", "cash", "reserve_factor", "held",
    "price_usd", "traded_usd", "token_supply",
)  # fmt: skip
TEXTS = ("protocol", "asset", "asset_address", "source", "status", "backing")


class Row(NamedTuple):
    """What alarms see of a reading; fields as in ``Reading``."""

    time: int
    supply_rate: float | None
    index: float | None  # type: ignore[assignment]  # in the place of tuple.index
    borrow_rate: float | None
    utilisation: float | None
    supplied: float | None
    borrowed: float | None
    cash: float | None
    reserve_factor: float | None
    held: float | None
    price_usd: float | None
    traded_usd: float | None
    token_supply: float | None
    asset_address: str
    source: str
    status: str
    backing: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Recent:
    """Thinned readings of markets, by market and ascending in time."""

    chain: str
    """The chain's id."""
    markets: tuple[str, ...]
    """Market ids, in the order of their rows."""
    starts: NDArray[Any]
    """First row of each market, followed by the number of rows."""
    times: NDArray[Any]
    """Unix seconds of each row."""
    numbers: Mapping[str, NDArray[Any]]
    """Columns of ``NUMBERS``: one double for each row, NaN: not known."""
    codes: Mapping[str, NDArray[Any]]
    """Columns of ``TEXTS``: for each row an index into ``words``; -1: none."""
    words: Mapping[str, tuple[str, ...]]
    """The distinct texts of each text column."""
    keys: dict[tuple[str, ...], MarketKey] = field(default_factory=dict, repr=False)
    """Cache of the markets' keys."""

    backings: dict[str, tuple[tuple[str, float], ...]] = field(default_factory=dict, repr=False)
    """Cache of what the cells ``backing`` say: most are one market's, look after look."""

    def _backing(self, text: str | None) -> tuple[tuple[str, float], ...]:
        if not text:
            return ()
        if text not in self.backings:
            self.backings[text] = backing_of(text)
        return self.backings[text]

    def rows(self, place: int) -> list[Row]:
        """What alarms see of the market at an index of ``markets``, ascending in time."""
        rows = slice(int(self.starts[place]), int(self.starts[place + 1]))
        numbers = [self._numbers(name, rows) for name in NUMBERS]
        texts = {name: self._texts(name, rows) for name in TEXTS}
        said = [[one or "" for one in texts[name]] for name in ("asset_address", "source", "status")]
        backings = [self._backing(text) for text in texts["backing"]]
        return list(map(Row, self.times[rows].tolist(), *numbers, *said, backings))

    def _numbers(self, name: str, rows: slice) -> list[float | None]:
        return [None if v != v else v for v in self.numbers[name][rows].tolist()]

    def _texts(self, name: str, rows: slice) -> list[str | None]:
        words = self.words[name]
        return [None if code < 0 else words[code] for code in self.codes[name][rows].tolist()]

    def readings(self, place: int) -> list[Reading]:
        """The readings of the market at an index of ``markets``."""
        rows, market = slice(int(self.starts[place]), int(self.starts[place + 1])), self.markets[place]
        found = list[Reading]()
        named = zip(*(self._texts(name, rows) for name in ("protocol", "asset")), self.rows(place), strict=True)
        for protocol, asset, row in named:
            parts = (market, protocol or "", asset or "", row.asset_address)
            if parts not in self.keys:
                self.keys[parts] = MarketKey(
                    chain=self.chain, market=market, protocol=parts[1], asset=parts[2], asset_address=parts[3]
                )
            known = row._asdict()
            del known["asset_address"]
            found.append(Reading(key=self.keys[parts], **known))
        return found


def recent(
    store: Store, chain: str, moment: int, seconds: int, markets: Collection[str] = (), assets: Collection[str] = ()
) -> Mapping[str, list[Reading]]:
    """By market, the readings of the last ``seconds`` before a moment, ascending: the last one of each step
    (``STEPS``). markets: market ids; assets: symbols in capitals, all of whose markets are included. Raises as
    ``Store``."""
    found = thinned(store, chain, moment, seconds, markets, assets)
    return {market: found.readings(place) for place, market in enumerate(found.markets)}


def thinned(
    store: Store, chain: str, moment: int, seconds: int, markets: Collection[str] = (), assets: Collection[str] = ()
) -> Recent:
    """``recent`` as columns; readings are made only when requested."""
    import numpy as np

    ours, symbols = frozenset(markets), frozenset(assets)
    wanted = ("market", "time", *TEXTS, *NUMBERS)
    parts: list[_Part] = []
    ids: dict[str, int] = {}
    # Each reading of the newest hours, and around a change of step, is kept; else the last one of each step.
    fine, border = moment - STEPS[0][0], moment - STEPS[1][0]
    spans = ((fine, moment), (border, border + 1))

    def step_of(begun: int) -> int:
        return COARSE if begun <= border else STEPS[1][1]

    texts = ("market", *TEXTS)
    for content in recent_days.tables(store, chain, moment - seconds, moment - 1, spans, step_of, wanted, texts):
        part = _part(content, ours, symbols, ids)
        if part is not None:
            parts.append(part)
    names = sorted(ids)
    rank = np.empty(len(names), dtype=np.int64)
    rank[[ids[name] for name in names]] = np.arange(len(names))
    code = np.concatenate([rank[one.market] for one in parts]) if parts else np.empty(0, dtype=np.int64)
    times = np.concatenate([one.times for one in parts]) if parts else np.empty(0, dtype=np.int64)
    order = np.lexsort((times, code))
    code, times = code[order], times[order]
    cells = times // COARSE
    for place, (age, step) in enumerate(reversed(STEPS), 1):
        cells = np.where(times > moment - age, times // step + place * 2**40, cells)
    last = np.append((np.diff(code) != 0) | (np.diff(cells) != 0), True)[: len(code)]
    code, times, order = code[last], times[last], order[last]
    present = np.flatnonzero(np.bincount(code, minlength=len(names)))
    numbers, codes, words = _taken(parts, order)
    return Recent(
        chain=chain,
        markets=tuple(names[one] for one in present.tolist()),
        starts=np.append(np.searchsorted(code, present), len(code)),
        times=times,
        numbers=numbers,
        codes=codes,
        words=words,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The selected rows of one file."""

    content: pyarrow.Table
    """All rows of the file."""
    rows: NDArray[Any]
    """Indices of the selected rows."""
    market: NDArray[Any]
    """Market index of each selected row."""
    times: NDArray[Any]
    """Time of each selected row, in unix seconds."""


def _part(content: pyarrow.Table, ours: Collection[str], symbols: Collection[str], ids: dict[str, int]) -> _Part | None:
    import numpy as np

    code, names = coded(content["market"])
    counts = np.array([name in ours for name in names], dtype=bool)[code]
    if symbols:
        asset, said = coded(content["asset"])
        counts |= np.array([*((one or "").upper() in symbols for one in said), False], dtype=bool)[asset]
    rows = np.flatnonzero(counts)
    if not rows.size:
        return None
    used = np.flatnonzero(np.bincount(code[rows], minlength=len(names)))
    number = np.zeros(len(names), dtype=np.int64)
    for one in used.tolist():
        number[one] = ids.setdefault(str(names[one]), len(ids))
    return _Part(content, rows, number[code[rows]], as_numpy(content["time"])[rows])


def _taken(
    parts: list[_Part], order: NDArray[Any]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], dict[str, tuple[str, ...]]]:
    """The columns of these rows. order: their positions among the rows of all parts."""
    import numpy as np
    import pyarrow as pa

    sizes = np.cumsum([0, *(one.rows.size for one in parts)])
    numbers = {name: np.full(order.size, np.nan) for name in NUMBERS}
    codes = {name: np.full(order.size, -1, dtype=np.int64) for name in TEXTS}
    known: dict[str, dict[str, int]] = {name: {} for name in TEXTS}
    for one, low, high in zip(parts, sizes.tolist(), sizes[1:].tolist(), strict=False):
        to = np.flatnonzero((order >= low) & (order < high))
        if not to.size:
            continue
        # Ascending, so that memory is read in order.
        picked = one.content.take(
            pa.Array.from_buffers(pa.int64(), to.size, [None, _buffer(one.rows[order[to] - low])])
        )
        for name in NUMBERS:
            numbers[name][to] = as_numpy(picked[name])
        for name in TEXTS:
            cells, words = coded(picked[name])
            used = np.flatnonzero(np.bincount(cells + 1, minlength=len(words) + 1)[1:])
            number = np.full(len(words) + 1, -1, dtype=np.int64)
            for at in used.tolist():
                number[at] = known[name].setdefault(str(words[at]), len(known[name]))
            codes[name][to] = number[cells]
    return numbers, codes, {name: tuple(words) for name, words in known.items()}


def _buffer(values: NDArray[Any]) -> pyarrow.Buffer:
    import numpy as np
    import pyarrow as pa

    return pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64).tobytes())
