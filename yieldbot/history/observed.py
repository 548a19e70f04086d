"""The readings that memory stores of a snapshot: one for each market."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from yieldbot.errors import CurveUnknown
from yieldbot.history.curves import written
from yieldbot.history.reading import STANDARD_SIZES, MarketKey, Reading
from yieldbot.history.series import HIGHEST_RATE
from yieldbot.model.backing import rests_on
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.units import SECONDS_PER_YEAR

HORIZON_SECONDS = 30 * 86_400.0
"""Horizon, in seconds, of the stored rates after a deposit."""
READ = "was read"
"""Ending of the flag of an implausible rate."""
NO_MARKETS = (Kind.IDLE, Kind.EXCHANGE)
"""Kinds without a yield: the wallet itself, and exchanges."""


@dataclass(frozen=True, slots=True)
class IndexReading:
    """A market's index at its last reading; with the next one it gives the mean rate in between."""

    time: int
    """Unix seconds of the reading."""
    index: float
    """The index that grows with what suppliers earn."""


def readings_of(
    snapshot: Snapshot, source: str = "observed", before: Mapping[str, IndexReading] | None = None
) -> tuple[Reading, ...]:
    """A reading of every market of a snapshot, in its order, without the wallet. before: last index of each market
    by its id, for the mean rate since then."""
    known = before or {}
    return tuple(with_mean(one, known.get(one.key.market)) for one in _readings(snapshot, source))


def with_mean(reading: Reading, before: IndexReading | None) -> Reading:
    """The reading with the mean rate since an earlier one, if both have an index and it did not fall."""
    if before is None or reading.index is None or before.index <= 0.0 or reading.time <= before.time:
        return reading
    grown = reading.index / before.index
    if grown < 1.0:
        return reading
    rate = math.log(grown) / (reading.time - before.time) * SECONDS_PER_YEAR
    return replace(reading, mean_rate=rate, mean_since=before.time)


def odd_rates(reading: Reading) -> tuple[str, ...]:
    """A line for each implausible rate of a reading; such rates are stored with a flag."""
    return tuple(f"{reading.key.market}: {flag}: kept, and flagged" for flag in reading.flags if flag.endswith(READ))


def key_of(state: MarketState) -> MarketKey:
    """The key of a market in memory."""
    market = state.market
    return MarketKey(
        chain=market.chain,
        market=market.id,
        protocol=str(market.params.get("flavour") or market.protocol),
        asset=market.asset.symbol,
        asset_address=market.asset.address.lower() if market.chain.startswith("eip155:") else market.asset.address,
    )


def _readings(snapshot: Snapshot, source: str) -> Iterator[Reading]:
    for state in snapshot.states.values():
        if state.market.kind not in NO_MARKETS:
            yield _reading(snapshot, state, source)


def _reading(snapshot: Snapshot, state: MarketState, source: str) -> Reading:
    flags = list(state.flags)
    try:
        curve: str | None = written(state.curve)
    except CurveUnknown as failure:
        curve = None
        flags.append(f"its curve is not kept: {failure}")
    rate = state.quoted.value
    if not 0.0 <= rate < HIGHEST_RATE:
        flags.append(f"a rate of {rate:z.2%} a year {READ}")
    cash, raw = state.cash, snapshot.supplies.get(state.market.asset.address)
    backing = rests_on(state, snapshot.states)
    return Reading(
        key=key_of(state),
        time=state.block.timestamp,
        height=state.block.height,
        source=source,
        supply_rate=rate,
        index=state.index,
        borrow_rate=_borrow_rate(state),
        utilisation=state.utilisation,
        supplied=float(state.supplied),
        borrowed=None if state.borrowed is None else float(state.borrowed),
        cash=None if cash is None else float(cash),
        capacity=None if state.capacity is None else float(state.capacity),
        reserve_factor=_kept_back(state),
        held=float(state.held),
        rates_after=_after(state),
        status=state.status.value,
        price_usd=_price(snapshot, state),
        traded_usd=_traded(snapshot, state),
        token_supply=None if raw is None else raw / state.market.asset.one,
        backing=tuple((token, float(snapshot.supplies[token])) for token in backing if token in snapshot.supplies),
        rewards=tuple(_reward(state, at) for at in range(len(state.rewards))),
        flags=tuple(dict.fromkeys((*flags, *state.doubts))),
        curve=curve,
    )


def _after(state: MarketState) -> tuple[float, ...] | None:
    try:
        rates = tuple(state.curve.apr(size, HORIZON_SECONDS) for size in STANDARD_SIZES)
    except (ArithmeticError, ValueError):
        return None
    return rates if all(math.isfinite(rate) for rate in rates) else None


def _borrow_rate(state: MarketState) -> float | None:
    """The borrow rate, if it follows from the supply rate: suppliers get all interest less the protocol's fraction."""
    kept, used = _kept_back(state), state.utilisation
    if kept is None or not used or kept >= 1.0:
        return None
    return state.quoted.value / (used * (1.0 - kept))


def _kept_back(state: MarketState) -> float | None:
    """The protocol's fraction of the interest (reserve factor), if the curve has it."""
    keep, fee = getattr(state.curve, "keep", None), getattr(state.curve, "fee", None)
    if isinstance(keep, float):
        return 1.0 - keep
    return float(fee) if isinstance(fee, float) and state.borrowed is not None else None


def _traded(snapshot: Snapshot, state: MarketState) -> float | None:
    """Price of a pegged asset in pools, in dollars."""
    peg = snapshot.pegs.get(state.market.asset)
    return None if peg is None else peg.traded


def _price(snapshot: Snapshot, state: MarketState) -> float | None:
    """Dollars for one whole token of the market's asset, by the chain's feeds."""
    if snapshot.exchange is not None:
        known = snapshot.exchange.usd.get(state.market.asset)
        return None if known is None else known.usd
    first = snapshot.assets[0] if snapshot.idle else None
    return snapshot.asset_usd if state.market.asset == first else None


def _reward(state: MarketState, at: int) -> dict[str, object]:
    """An incentive as JSON values: token, annual rate for present suppliers, end."""
    one = state.rewards[at]
    shared = one.others + float(state.held)
    yearly = one.raw_per_second * SECONDS_PER_YEAR / one.token.one
    rate = yearly * one.price / shared if one.price is not None and shared > 0.0 else None
    return {"token": one.token.symbol, "address": one.token.address, "rate": rate, "ends_at": one.ends_at}
