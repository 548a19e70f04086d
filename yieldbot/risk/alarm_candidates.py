"""A prefilter: which markets could show a sign of danger, by the extremes of all their readings. The others need no
judgement.

It has no false negatives: a market that is left out shows no sign in any look that would be judged. It may have false
positives. So the alarms stay the same, and hundreds of calm markets cost a few operations on columns. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from yieldbot.history.columns import backing_of
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS
from yieldbot.risk.sight import MarketName, Sight, Subject, sane
from yieldbot.risk.triggers import PEERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldbot.history.recent import Recent

EDGE = 1e-9
"""Relative margin: a value this close to a threshold counts as beyond it."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The markets to be judged."""

    names: frozenset[MarketName]
    """Markets that may show a sign."""
    medians: Mapping[int, Mapping[MarketName, float]] = field(default_factory=dict)
    """By time of each remembered look, the median rate of the other markets for each of these markets."""


def alarm_candidates(
    memory: Recent,
    live: Mapping[MarketName, Sight],
    subjects: Mapping[MarketName, Subject],
    limits: AlarmLimits,
    since: int,
    abroad: Recent | None = None,
) -> Candidates:
    """The markets that could show a sign.

    memory: readings of one chain's markets. live: the present looks at the chain. subjects: of all markets. since: unix
    seconds; remembered looks from then on are judged. abroad: readings of collaterals' markets on the home chain
    (``lookout.HOME``).
    """
    names = [(memory.chain, market) for market in memory.markets]
    live = {name: sane(sight) for name, sight in live.items()}
    if limits.bad_debt_bps <= 0.0 or min(limits.spike_of_mean, limits.spike_of_peers) < 0.0 or not names:
        return Candidates(frozenset({*names, *live}))
    columns = _Columns(memory, since)
    pegged = [subjects[name].pegged for name in names]
    found = {names[at] for at in columns.own_rows(limits, pegged).nonzero()[0].tolist()}
    found |= {name for name, sight in live.items() if _stirs(sight, subjects[name], limits)}
    found |= _against(columns, names, live, subjects, limits)
    found |= _collaterals(columns, names, live, subjects, limits)
    if abroad is not None and abroad.markets:
        others = [(abroad.chain, market) for market in abroad.markets]
        found |= _collaterals(_Columns(abroad, since), others, live, subjects, limits)
    found |= _minted(columns, names, live, limits)
    over, medians = _peers(columns, names, subjects, limits)
    found |= over
    return Candidates(
        frozenset(found),
        {time: {name: rate for name, rate in rates.items() if name in found} for time, rates in medians.items()},
    )


class _Columns:
    """Extremes over each market's rows."""

    def __init__(self, memory: Recent, since: int) -> None:
        import numpy as np

        self.memory, self.judged = memory, memory.times >= since
        self.starts = memory.starts[:-1]
        self.imported = any(one.startswith("import") for one in memory.words["source"])
        self.row_market = np.repeat(np.arange(len(self.starts)), np.diff(memory.starts))

    def least(self, values: NDArray[Any]) -> NDArray[Any]:
        """By market, the least value of a column; NaN: no value is known."""
        import numpy as np

        return np.fmin.reduceat(values, self.starts)

    def most(self, values: NDArray[Any], judged: bool = False) -> NDArray[Any]:
        """By market, the greatest value of a column. judged: only of rows that are judged."""
        import numpy as np

        return np.fmax.reduceat(np.where(self.judged, values, np.nan) if judged else values, self.starts)

    def any(self, rows: NDArray[Any]) -> NDArray[Any]:
        """By market, whether the mask holds in any row."""
        import numpy as np

        return np.logical_or.reduceat(rows, self.starts)

    def own_rows(self, limits: AlarmLimits, pegged: Sequence[bool]) -> NDArray[Any]:
        """By market, whether its own rows could show a sign."""
        import numpy as np

        numbers, judged = self.memory.numbers, self.judged
        odd = np.zeros(len(judged), dtype=bool)
        for name in ("supply_rate", "utilisation", "supplied", "cash", "held", "index", "token_supply", "borrowed"):
            odd |= (numbers[name] < 0.0) | np.isinf(numbers[name])
        use = numbers["utilisation"]
        odd |= judged & np.isnan(use) & ~(np.isnan(numbers["borrowed"]) & np.isnan(numbers["borrow_rate"]))
        words = self.memory.words["source"]
        imported = np.array([*(one.startswith("import") for one in words), False], dtype=bool)
        odd |= judged & np.isnan(use) & imported[self.memory.codes["source"]]
        odd |= judged & (use >= min(limits.utilisation, limits.falling_utilisation) - EDGE)
        odd |= judged & (numbers["held"] > 0.0)
        dollars = np.array(pegged, dtype=bool)[self.row_market]
        for name in ("price_usd", "traded_usd"):
            odd |= judged & dollars & (np.abs(numbers[name] - 1.0) * BPS >= limits.peg_stop_bps - 1e-6)
        found = self.any(odd)
        found |= self._shares(limits)
        rate = numbers["supply_rate"]
        found |= self.most(rate, judged=True) - self.least(rate) >= limits.spike_least - EDGE
        supplied = numbers["supplied"]
        low = np.fmin.reduceat(np.where(judged, supplied, np.nan), self.starts)
        found |= low <= self.most(supplied) * (1.0 - limits.tvl_fall) * (1.0 + EDGE)
        tokens = numbers["token_supply"]
        found |= (self.most(tokens) >= self.least(tokens) * (1.0 + limits.supply_jump) - EDGE) & (
            self.most(tokens) > 0.0
        )
        return np.asarray(found, dtype=bool)

    def _shares(self, limits: AlarmLimits) -> NDArray[Any]:
        """By market, whether its index fell, rose by more than interest explains, or is missing in some rows."""
        import numpy as np

        index = self.memory.numbers["index"]
        known = ~np.isnan(index)
        same = np.diff(self.row_market) == 0
        with np.errstate(all="ignore"):
            grown = index[1:] / index[:-1]
            far = same & (grown >= np.exp((limits.share_price_rise_bps / 5 - 1e-6) / BPS))
        moved = np.append(False, same & ((grown < 1.0) | far | (index[:-1] <= 0.0)))
        partly = self.any(known) & self.any(~known)
        return np.asarray(self.any(moved) | partly, dtype=bool)


def _stirs(sight: Sight, subject: Subject, limits: AlarmLimits) -> bool:
    """Whether a look at the chain could show a sign without any earlier look."""
    use, debt = sight.utilisation, sight.bad_debt
    return (
        (use is not None and use >= min(limits.utilisation, limits.falling_utilisation) - EDGE)
        or sight.held > 0.0
        or (debt is not None and debt * BPS >= limits.bad_debt_bps / 4 - EDGE)
        or (subject.pegged and any(abs(one - 1.0) * BPS >= limits.peg_stop_bps - 1e-6 for one in sight.prices))
        or any(raw is None for _, raw in sight.backing)
    )


_MORE = ("index", "price_usd", "traded_usd", "borrowed", "borrow_rate")
_KNOWN = (
    ("utilisation", "utilisation"), ("cash", "cash"), ("index", "index"), ("token_supply", "token_supply"),
)  # fmt: skip


def _against(
    columns: _Columns,
    names: Sequence[MarketName],
    live: Mapping[MarketName, Sight],
    subjects: Mapping[MarketName, Subject],
    limits: AlarmLimits,
) -> set[MarketName]:
    """Markets whose look at the chain, compared with memory, could show a sign."""
    numbers, memory = columns.memory.numbers, columns.memory
    ends = (memory.starts[1:] - 1).tolist()
    low = {name: columns.least(numbers[name]).tolist() for name in ("supply_rate", "token_supply")}
    high = {name: columns.most(numbers[name]).tolist() for name in ("supplied", "token_supply", "utilisation", "cash")}
    high |= {name: columns.most(numbers[name]).tolist() for name in _MORE}
    last = [float(memory.numbers["index"][at]) for at in ends]
    rise = (limits.share_price_rise_bps / 5 - 1e-6) / BPS
    found = set[MarketName]()
    for at, name in enumerate(names):
        sight = live.get(name)
        if sight is None:
            continue
        gone = any(getattr(sight, ours) is None and not _none(high[theirs][at]) for ours, theirs in _KNOWN)
        derived = not (_none(high["borrowed"][at]) and _none(high["borrow_rate"][at])) or columns.imported
        gone |= sight.utilisation is None and derived
        prices = not (_none(high["price_usd"][at]) and _none(high["traded_usd"][at]))
        gone |= subjects[name].pegged and prices and not sight.prices
        gone |= sight.cash is None and not _none(high["supplied"][at])  # cash follows from it
        index, before = sight.index, last[at]
        moved = index is not None and not _none(before) and (index < before or index >= before * (1.0 + rise))
        spiked = sight.rate is not None and sight.rate - low["supply_rate"][at] >= limits.spike_least - EDGE
        fell = sight.supplied is not None and (
            sight.supplied <= high["supplied"][at] * (1.0 - limits.tvl_fall) * (1.0 + EDGE)
        )
        minted = bool(sight.token_supply) and (
            (sight.token_supply or 0.0) >= low["token_supply"][at] * (1.0 + limits.supply_jump) - EDGE
        )
        if gone or moved or spiked or fell or minted:
            found.add(name)
    return found


def _none(value: float) -> bool:
    return value != value


def _collaterals(
    columns: _Columns,
    names: Sequence[MarketName],
    live: Mapping[MarketName, Sight],
    subjects: Mapping[MarketName, Subject],
    limits: AlarmLimits,
) -> set[MarketName]:
    """Markets of collaterals that could be locked, and the markets of the same pools."""
    use = columns.most(columns.memory.numbers["utilisation"]).tolist()
    highest = dict(zip(names, use, strict=True))
    for name, sight in live.items():
        if sight.utilisation is not None:
            known = highest.get(name, sight.utilisation)
            highest[name] = sight.utilisation if _none(known) else max(known, sight.utilisation)
    unknown = columns.any(_derived(columns)).tolist()
    unsure = {name for name, one in zip(names, unknown, strict=True) if one}
    locked = {
        name
        for name, most in highest.items()
        if subjects[name].asset.upper() in limits.collaterals
        and (most >= limits.collateral_utilisation - EDGE or name in unsure)
    }
    pools = {subjects[name].protocol for name in locked}
    return locked | {name for name in {*names, *live} if not pools.isdisjoint(subjects[name].through)}


def _derived(columns: _Columns) -> NDArray[Any]:
    """Mask of rows without a utilisation that have other numbers from which it can be derived."""
    import numpy as np

    numbers = columns.memory.numbers
    stated = ~np.isnan(numbers["utilisation"])
    nothing = np.isnan(numbers["borrowed"]) & np.isnan(numbers["borrow_rate"]) & np.isnan(numbers["cash"])
    return np.asarray(~stated & ~nothing, dtype=bool)


def _minted(
    columns: _Columns, names: Sequence[MarketName], live: Mapping[MarketName, Sight], limits: AlarmLimits
) -> set[MarketName]:
    """Markets that rest, or rested, on a collateral whose supply jumped in any reading."""
    import numpy as np

    said = [backing_of(text) for text in columns.memory.words["backing"]]
    low, high = dict[str, float](), dict[str, float]()
    hot = set[str]()
    for pairs in (*said, *(sight.backing for sight in live.values())):
        for token, raw in pairs:
            if raw is None:
                continue
            if not 0.0 <= raw < np.inf:
                hot.add(token)
                continue
            low[token], high[token] = min(raw, low.get(token, raw)), max(raw, high.get(token, raw))
    hot |= {token for token, raw in high.items() if raw >= low[token] * (1.0 + limits.supply_jump) - EDGE and raw > 0.0}
    if not hot:
        return set()
    texts = np.array([*(any(token in hot for token, _ in pairs) for pairs in said), False], dtype=bool)
    rows = columns.any(texts[columns.memory.codes["backing"]])
    found = {names[at] for at in rows.nonzero()[0].tolist()}
    return found | {name for name, sight in live.items() if any(token in hot for token, _ in sight.backing)}


def _peers(
    columns: _Columns, names: Sequence[MarketName], subjects: Mapping[MarketName, Subject], limits: AlarmLimits
) -> tuple[set[MarketName], dict[int, dict[MarketName, float]]]:
    """(markets whose quote in some remembered look could be far above the others', medians of all markets by look)."""
    import numpy as np

    memory = columns.memory
    kinds: dict[str, int] = {}
    group = np.array([kinds.setdefault(subjects[name].asset, len(kinds)) for name in names])[columns.row_market]
    active = np.array([*(one == "active" for one in memory.words["status"]), False], dtype=bool)
    rate = memory.numbers["supply_rate"]
    fit = columns.judged & active[memory.codes["status"]] & (rate >= 0.0) & (rate < np.inf)
    rows = np.flatnonzero(fit)
    order = rows[np.lexsort((rate[rows], group[rows], memory.times[rows]))]
    time, kind = memory.times[order], group[order]
    edges = np.flatnonzero(np.append(True, (np.diff(time) != 0) | (np.diff(kind) != 0))).tolist()
    found = set[MarketName]()
    medians: dict[int, dict[MarketName, float]] = {}
    for low, high in zip(edges, [*edges[1:], len(order)], strict=True):
        if high - low <= PEERS:
            continue
        rates, count = rate[order[low:high]], high - low - 1
        places, half, half_up = np.arange(high - low), (count - 1) // 2, count // 2
        others = (rates[half + (half >= places)] + rates[half_up + (half_up >= places)]) / 2
        markets = columns.row_market[order[low:high]].tolist()
        medians.setdefault(int(time[low]), {}).update(
            (names[market], one) for market, one in zip(markets, others.tolist(), strict=True)
        )
        over = (rates >= limits.spike_of_peers * others - EDGE) & (rates - others >= limits.spike_least - EDGE)
        found |= {names[markets[at]] for at in np.flatnonzero(over).tolist()}
    return found, medians
