"""Safety grades of a snapshot's markets, from what the chain, memory and the last look at their contracts say."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from yieldbot.allocator.market_curve import curve_of
from yieldbot.app.memory import FOLDER
from yieldbot.history.files import spanned_days
from yieldbot.history.store import Store
from yieldbot.math.reward_curve import RewardedCurve
from yieldbot.model.amounts import Token
from yieldbot.model.controls import Controls
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.text import one_line
from yieldbot.risk.facts import Around, Facts, Past
from yieldbot.risk.grade import grade


def with_grades(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    controls: Mapping[MarketId, Controls] | None = None,
) -> Snapshot:
    """The snapshot with each market's grade. Memory that cannot be read is one line by ``say``, and counts as none.

    controls: who can change what markets stand on, as far as it was read."""
    facts = facts_of(snapshot, data_dir, say, controls)
    states = {
        key: replace(state, grade=grade(state, facts[key], _reward_share(state, policy))) if key in facts else state
        for key, state in snapshot.states.items()
    }
    return replace(snapshot, states=states)


def facts_of(
    snapshot: Snapshot,
    data_dir: Path,
    say: Callable[[str], None],
    controls: Mapping[MarketId, Controls] | None = None,
) -> Mapping[MarketId, Facts]:
    """What each market's grade is made from, beside its state. Arguments as of ``with_grades``."""
    past, known = _past(snapshot, data_dir, say), controls or {}
    return {
        market_id: Facts(around=around, past=past.get(market_id), controls=known.get(market_id))
        for market_id, around in _around(snapshot).items()
    }


def _past(snapshot: Snapshot, data_dir: Path, say: Callable[[str], None]) -> dict[str, Past]:
    folder = data_dir / FOLDER
    if not spanned_days(folder, snapshot.block.chain):
        return {}
    try:
        from yieldbot.history.past import summaries

        found = summaries(Store(folder), snapshot.block.chain, snapshot.block.timestamp)
    except Exception as failure:  # whatever it is, money must not wait for it
        say(f"{folder}: grades know no history ({one_line(str(failure), 300)})")
        return {}
    return {market: _of(figures) for market, figures in found.items()}


def _of(figures: Mapping[str, float | None]) -> Past:
    whole = dict(figures)
    return Past(days=whole.pop("days") or 0.0, weeks=int(whole.pop("weeks") or 0), **whole)


def _around(snapshot: Snapshot) -> dict[MarketId, Around]:
    """What other markets and prices say of each."""
    used = tuple(
        (pool, state.utilisation)
        for state in snapshot.markets
        if state.utilisation is not None and len(state.pools) == 1
        for pool in state.pools
    )
    quotes: dict[Token, list[tuple[MarketId, float]]] = {}
    for state in snapshot.markets:
        if state.supplied.raw and state.quoted.value > 0.0:
            quotes.setdefault(state.market.asset, []).append((state.market.id, state.quoted.value))
    wealth = {token: float(snapshot.wealth(token)) for token in {s.market.asset for s in snapshot.markets}}
    found = {}
    for key, state in snapshot.states.items():
        token = state.market.asset
        if state.market.kind is Kind.IDLE:
            continue
        peers = [rate for market_id, rate in quotes.get(token, ()) if market_id != state.market.id]
        found[key] = Around(
            size=max(float(state.held), wealth[token]),
            peers_rate=statistics.median(peers) if peers else None,
            usd=_usd(snapshot, token),
            pegged=token in snapshot.pegs,
            used=used,
        )
    return found


def _usd(snapshot: Snapshot, token: Token) -> float | None:
    """Dollars for one whole token, by the feeds."""
    price = snapshot.pegs.get(token)
    if price is not None:
        return price.usd
    if snapshot.exchange is not None and token in snapshot.exchange.usd:
        return snapshot.exchange.usd[token].usd
    return snapshot.asset_usd if snapshot.assets and token == snapshot.assets[0] else None


def _reward_share(state: MarketState, policy: Policy) -> float:
    """The part of what the market pays now that incentives are, 0 to 1."""
    curve = curve_of(state, policy)
    if not isinstance(curve, RewardedCurve):
        return 0.0
    held = float(state.held)
    whole = curve.apr(held, policy.horizon_seconds)
    return min(1.0, max(0.0, curve.reward_apr(held, policy.horizon_seconds) / whole)) if whole > 0.0 else 0.0
