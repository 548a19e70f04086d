"""The prediction recorded with each position, and what the position has earned since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed, TxSettled, TxSigned
from yieldbot.journal.observations import RecordedHolding
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount, Apy, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, MarketState, Quarantined, Snapshot
from yieldbot.model.names import matches
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed, Delta
from yieldbot.model.units import SECONDS_PER_YEAR

ROUNDING = 10
"""Base units that a protocol's rounding may take over several transactions, without being a fee."""
LEAST_GROWTH = -1 + 1e-9
"""Least growth for which an annual yield is computed; below it a position has lost practically everything."""
LEAST_SECONDS = 3600
"""Shortest time over which a yield is computed: in less, a rounding of one base unit would look like yield."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The yield predicted for a position when it was last changed."""

    block: BlockRef
    """The block at that time."""
    held_raw: int
    """The holding at that time, in base units."""
    apr: float
    """Predicted mean rate over the horizon, a simple annual fraction."""
    horizon_seconds: float
    """Seconds over which the rate is averaged."""
    fees_raw: int = 0
    """Fees of the change in the asset, in base units: entry fees, and exit fees that the holding's value already
    excludes."""


@dataclass(frozen=True, slots=True)
class MeasuredPosition:
    """A holding with its predicted and its realised yield. Entry and exit fees count as losses in both, and in
    ``earned``."""

    state: MarketState
    """The present holding."""
    since: int | None
    """Unix seconds of its last change; None: not known."""
    predicted: Apy | None
    """The yield predicted then; None: no prediction is recorded."""
    realised: Apy | None
    """The yield since then; None: within the first hour."""
    earned: Amount | None
    """What it has earned since then; None: no holding was recorded."""


@dataclass(frozen=True, slots=True)
class UnreadHolding:
    """A market that could not be observed."""

    market_id: MarketId
    """The market."""
    name: str
    """Name in tables."""
    reason: str
    """Why, in one line."""
    held: Amount | None
    """Our holding there as the journal last recorded it; None: none."""


def unread(records: Iterable[Record], snapshot: Snapshot, asset: Token, policy: Policy) -> tuple[UnreadHolding, ...]:
    """Markets that could not be read: quarantined ones, and recorded holdings in markets that the snapshot lacks.
    Pure. A holding does not count if the policy excludes its market by any of its names: it was given up on purpose."""
    empty = {glance.market.id for glance in snapshot.glanced}  # our holding there was read: it is gone
    remembered = {
        market_id: recorded
        for market_id, recorded in recorded_holdings(records, snapshot.block.chain, snapshot.owner, asset).items()
        if market_id not in snapshot.states and market_id not in empty and not _given_up(market_id, recorded, policy)
    }
    found = []
    for bad in snapshot.quarantined:
        recorded = remembered.pop(bad.market.id, None)
        held = Amount(asset, recorded.held_raw) if recorded else None
        found.append(UnreadHolding(bad.market.id, bad.market.name, bad.reason, held))
    for market_id, recorded in remembered.items():
        whole = next((q for q in snapshot.quarantined if q.market.id.endswith("/?") and _within(market_id, q)), None)
        reason = whole.reason if whole else "it is no longer among the configured markets"
        found.append(UnreadHolding(market_id, recorded.name or market_id, reason, Amount(asset, recorded.held_raw)))
    return tuple(found)


def _given_up(market_id: MarketId, recorded: RecordedHolding, policy: Policy) -> bool:
    called = (recorded.name, recorded.deployment, recorded.flavour)
    return any(matches(name, market_id, called) for name in policy.exclude)


def unseen_money(found: Iterable[UnreadHolding]) -> str | None:
    """Why no plan may be made, because a market that could not be read holds our money; None: no such market does."""
    lost = [f"{one.held} in {one.name} ({one.market_id}) cannot be read ({one.reason})" for one in found if one.held]
    if not lost:
        return None
    return f"{'; '.join(lost)}: no plan is made from part of the wealth. Name its id in policy.exclude to go on without"


def recorded_holdings(
    records: Iterable[Record], chain: ChainId, owner: Address, asset: Token
) -> dict[MarketId, RecordedHolding]:
    """Our holdings of an asset by market, as last recorded in the journal. Pure."""
    last: Mapping[MarketId, RecordedHolding] = {}
    for row in records:
        entry = row.entry
        if not isinstance(entry, Observed) or (entry.chain, entry.owner) != (chain, owner) or entry.holdings is None:
            continue
        if entry.asset in (None, asset.address):
            last = entry.holdings
    return {market_id: recorded for market_id, recorded in last.items() if recorded.held_raw > 0}


def recorded_names(records: Iterable[Record]) -> dict[MarketId, str]:
    """Names of markets as last recorded by runs; the id of a market without a name. Pure."""
    return {
        market_id: holding.name or market_id
        for row in records
        if isinstance(row.entry, Observed)
        for market_id, holding in (row.entry.holdings or {}).items()
    }


def _within(market_id: MarketId, bad: Quarantined) -> bool:
    """Whether a market belongs to a deployment whose list of markets could not be read."""
    return market_id.startswith(bad.market.id.removesuffix("?"))


def _expected(state: MarketState, before: MarketState | None, policy: Policy) -> float:
    """Rate expected of a holding over the policy's horizon, a simple annual fraction: by the forecast that was
    decided on, else by the quote."""
    held, horizon_seconds = float(state.held), policy.horizon_seconds
    curve = state.curve if state.forecast is None else sustainable_curve(state, policy)
    rate = curve.apr(held, horizon_seconds)
    if before is None or before.held <= state.held:
        return rate
    return min(rate, sustainable_curve(before, policy).apr(held, horizon_seconds))


def forecasts_since_change(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, Forecast]:
    """For each market the first forecast recorded since our last transaction there. Pure."""
    found: dict[MarketId, Forecast] = {}
    touched: dict[str, MarketId] = {}
    last, moved = dict[MarketId, tuple[str, int]](), dict[MarketId, list[Delta]]()
    for row in records:
        match row.entry:
            case TxSigned(chain=of, owner=whose) as signed if (of, whose) == (chain, owner):
                touched[signed.hash] = signed.market_id
            case TxSettled(outcome=Confirmed(hash=tx_hash, deltas=deltas)):
                if tx_hash in touched:
                    found.pop(touched[tx_hash], None)
                    moved.setdefault(touched[tx_hash], []).extend(deltas)
            case Observed(holdings=holdings) as entry:
                if holdings is None or (entry.chain, entry.owner) != (chain, owner):
                    continue
                asset = entry.asset or ""
                for market, one in holdings.items():
                    fees_raw = _fees(last.get(market, (asset, 0))[1], moved.pop(market, ()), one.held_raw, asset)
                    forecast = Forecast(entry.block, one.held_raw, one.apr, one.horizon_seconds, fees_raw)
                    found.setdefault(market, forecast)
                    last[market] = (asset, one.held_raw)
                for market in [known for known, (of, _) in last.items() if of == asset and known not in holdings]:
                    del last[market]  # left: what comes later is another stay
                    moved.pop(market, None)
            case _:
                pass
    return found


def _fees(before_raw: int, moved: Iterable[Delta], held_raw: int, asset: str) -> int:
    """Base units of the holding that the change's fees took; 0 if the holding did not change."""
    raws = [-delta.raw for delta in moved if delta.token.address == asset]
    lost_raw = before_raw + sum(raws) - held_raw
    return lost_raw if any(raws) and lost_raw > ROUNDING else 0


def _position(state: MarketState, forecast: Forecast | None) -> MeasuredPosition:
    if forecast is None or forecast.held_raw <= 0:
        return MeasuredPosition(state, None, None, None, None)
    horizon = forecast.horizon_seconds
    elapsed = state.block.timestamp - forecast.block.timestamp
    start_raw = forecast.held_raw + forecast.fees_raw
    growth = state.held.raw / start_raw - 1
    expected = forecast.held_raw / start_raw * (1.0 + forecast.apr * horizon / SECONDS_PER_YEAR) - 1.0
    return MeasuredPosition(
        state=state,
        since=forecast.block.timestamp,
        predicted=Apy.from_growth(max(expected, LEAST_GROWTH), horizon),
        realised=Apy.from_growth(growth, elapsed) if elapsed >= LEAST_SECONDS else None,
        earned=Amount(state.market.asset, state.held.raw - start_raw),
    )


def _held(snapshot: Snapshot) -> list[MarketState]:
    return [s for s in snapshot.states.values() if s.held and s.market.kind is not Kind.IDLE]
