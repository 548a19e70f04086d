"""What was expected of each position when we took it, and what it has earned since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed, TxSettled, TxSigned
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount, Apy, BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, MarketState, Quarantined, Snapshot
from yieldbot.model.names import matches
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed, Delta
from yieldbot.model.units import SECONDS_PER_YEAR

ROUNDING = 10
"""Base units that protocols' rounding takes over several transactions: not a fee."""
LEAST_GROWTH = -1 + 1e-9
"""Growth of a position of which all but nothing is left: below it no annual yield exists."""
LEAST_SECONDS = 3600
"""Within less than an hour, protocols' rounding to one base unit would be taken for yield."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was expected of a position when it was last changed."""

    block: BlockRef
    """When."""
    held_raw: int
    """The holding then, in base units."""
    apr: float
    """Expected rate, a simple annual fraction over the horizon."""
    horizon_seconds: float
    """What the rate is averaged over."""
    fees_raw: int = 0
    """What the change cost in the asset: entry fees, and exit fees that the holding's value has taken off already."""


@dataclass(frozen=True, slots=True)
class MeasuredPosition:
    """A holding of ours with its expected and its realised yield. Entry and exit fees count as lost in all three
    figures."""

    state: MarketState
    """The holding now."""
    since: int | None
    """Unix seconds of its last change; None where that is not known."""
    predicted: Apy | None
    """Yield that was expected then; None where no forecast is recorded."""
    realised: Apy | None
    """Yield since then; None in the first hour."""
    earned: Amount | None
    """What was earned since then; None where nothing is recorded."""


@dataclass(frozen=True, slots=True)
class UnreadMarket:
    """A market that could not be observed."""

    market_id: MarketId
    """Which."""
    name: str
    """As tables show it."""
    reason: str
    """Why, in one line."""
    held: Amount | None
    """What the journal last recorded that we hold there; None for nothing."""


def unread(records: Iterable[Record], snapshot: Snapshot, asset: Token, policy: Policy) -> tuple[UnreadMarket, ...]:
    """Quarantined markets, and holdings of ours in markets that the snapshot lacks. Pure.

    A market that the policy excludes by any of its names is given up on purpose: it does not count as held.
    """
    remembered = {
        market_id: recorded
        for market_id, recorded in recorded_holdings(records, snapshot.block.chain, snapshot.owner, asset).items()
        if market_id not in snapshot.states and not _given_up(market_id, recorded, policy)
    }
    found = []
    for bad in snapshot.quarantined:
        recorded = remembered.pop(bad.market.id, None)
        held = Amount(asset, int(recorded["held_raw"])) if recorded else None
        found.append(UnreadMarket(bad.market.id, bad.market.name, bad.reason, held))
    for market_id, recorded in remembered.items():
        whole = next((q for q in snapshot.quarantined if q.market.id.endswith("/?") and _within(market_id, q)), None)
        reason = whole.reason if whole else "it is no longer among the configured markets"
        found.append(
            UnreadMarket(market_id, recorded.get("name", market_id), reason, Amount(asset, int(recorded["held_raw"])))
        )
    return tuple(found)


def _given_up(market_id: MarketId, recorded: Mapping[str, Any], policy: Policy) -> bool:
    called = (str(recorded.get("name", "")), str(recorded.get("deployment", "")), str(recorded.get("flavour", "")))
    return any(matches(name, market_id, called) for name in policy.exclude)


def unseen_money(found: Iterable[UnreadMarket]) -> str | None:
    """Why no plan may be made: money of ours in markets that cannot be read. None where there is none."""
    lost = [f"{one.held} in {one.name} ({one.market_id}) cannot be read ({one.reason})" for one in found if one.held]
    if not lost:
        return None
    return f"{'; '.join(lost)}: no plan is made from part of the wealth. Name its id in policy.exclude to go on without"


def recorded_holdings(
    records: Iterable[Record], chain: ChainId, owner: Address, asset: Token
) -> dict[MarketId, dict[str, Any]]:
    """Our holdings of an asset as the journal last recorded them, by market. Pure."""
    last: Mapping[str, Any] = {}
    for row in records:
        if isinstance(row.entry, Observed) and (row.entry.chain, row.entry.owner) == (chain, owner):
            facts = row.entry.facts
            if "forecasts" in facts and facts.get("asset", asset.address) == asset.address:
                last = facts["forecasts"]
    return {
        MarketId(market_id): dict(recorded) for market_id, recorded in last.items() if int(recorded["held_raw"]) > 0
    }


def _within(market_id: MarketId, bad: Quarantined) -> bool:
    """Whether a market belongs to a deployment whose markets could not even be listed."""
    return market_id.startswith(bad.market.id.removesuffix("?"))


def _expected(state: MarketState, before: MarketState | None, policy: Policy) -> float:
    """Rate expected of a holding over the policy's horizon, a simple annual fraction."""
    held, horizon_seconds = float(state.held), policy.horizon_seconds
    rate = state.curve.apr(held, horizon_seconds)
    if before is None or before.held <= state.held:
        return rate
    return min(rate, sustainable_curve(before, policy).apr(held, horizon_seconds))


def _usd(snapshot: Snapshot) -> dict[str, Any]:
    """US dollar prices of the snapshot, as exact decimal text, for the accounting."""
    prices = {"asset": snapshot.asset_usd, "native": snapshot.native_usd}
    found = {name: repr(usd) for name, usd in prices.items() if usd is not None}
    return {"usd": found} if found else {}


def forecasts_since_change(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, Forecast]:
    """For each market the first forecast recorded since our last transaction there. Pure."""
    found: dict[MarketId, Forecast] = {}
    touched: dict[str, MarketId] = {}
    last, moved = dict[MarketId, tuple[str, int]](), dict[MarketId, list[Delta]]()
    for row in records:
        match row.entry:
            case TxSigned() as signed:
                touched[signed.hash] = signed.market_id
            case TxSettled(outcome=Confirmed(hash=tx_hash, deltas=deltas)):
                if tx_hash in touched:
                    found.pop(touched[tx_hash], None)
                    moved.setdefault(touched[tx_hash], []).extend(deltas)
            case Observed(chain=its_chain, owner=its_owner, block=block, facts=facts):
                if (its_chain, its_owner) != (chain, owner):
                    continue
                asset, said_of = str(facts.get("asset", "")), facts.get("forecasts", {})
                for market_id, recorded in said_of.items():
                    market, held_raw = MarketId(market_id), int(recorded["held_raw"])
                    fees_raw = _fees(last.get(market, (asset, 0))[1], moved.pop(market, ()), held_raw, asset)
                    forecast = Forecast(block, held_raw, recorded["apr"], recorded["horizon_seconds"], fees_raw)
                    found.setdefault(market, forecast)
                    last[market] = (asset, held_raw)
                for market in [one for one, (of, _) in last.items() if of == asset and one not in said_of]:
                    del last[market]  # left: what comes later is another stay
                    moved.pop(market, None)
            case _:
                pass
    return found


def _fees(before_raw: int, moved: Iterable[Delta], held_raw: int, asset: str) -> int:
    """Base units of the holding and of what was put in that are no longer there; 0 where nothing moved."""
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
