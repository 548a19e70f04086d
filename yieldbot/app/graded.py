"""Safety grades of a snapshot's markets, from the chain, memory and the last look at their contracts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yieldbot.allocator.market_curve import curve_of
from yieldbot.app.memory import FOLDER, WAIT_SECONDS
from yieldbot.history.files import spanned_days
from yieldbot.history.grades import GradedDay, append
from yieldbot.history.store import Appended, Store
from yieldbot.math.reward_curve import RewardedCurve
from yieldbot.model.amounts import Token
from yieldbot.model.controls import Controls
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Priced
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.money_flows import Holders
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.text import counted, one_line
from yieldbot.risk.audits import Audit
from yieldbot.risk.audits import read as read_audits
from yieldbot.risk.facts import Around, Facts, MarketStatistics
from yieldbot.risk.grade import grade
from yieldbot.risk.scales import scales
from yieldbot.risk.yields import graded_yields

AUDITS = "audits.toml"
"""File of the user's own audit reports in the data directory."""


def with_grades(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    controls: Mapping[MarketId, Controls] | None = None,
    holders: Mapping[MarketId, Holders] | None = None,
    lost: Mapping[MarketId, float] | None = None,
    growth: Mapping[str, tuple[float, float]] | None = None,
    reward_ends: Mapping[MarketId, tuple[tuple[str, int | None], ...]] | None = None,
    priced: Mapping[MarketId, tuple[Priced, ...]] | None = None,
) -> Snapshot:
    """The snapshot with each market's grade, which is also written to the ledger. If memory cannot be read or written,
    the fault is one line by ``say``, and grades are computed as without memory.

    controls: who can change the contracts that markets depend on, where it was read. holders: the depositors of each
    market. lost: bad debt that was realised in each market, in whole tokens. growth: of tokens' supplies
    (``risk/issuance.growth_of``). reward_ends: as ``Look.reward_ends``. priced: ``risk/oracle_prices.checked``.
    """
    facts = facts_of(snapshot, data_dir, say, controls, holders, lost, growth, reward_ends, priced)
    snapshot = graded_by(snapshot, facts, policy)
    _remember(snapshot, facts, data_dir / FOLDER, policy, say)
    return snapshot


def graded_by(snapshot: Snapshot, facts: Mapping[MarketId, Facts], policy: Policy) -> Snapshot:
    """The snapshot with the grades that follow from these facts; they are written nowhere."""
    states = {
        key: replace(state, grade=grade(state, facts[key], _reward_share(state, policy))) if key in facts else state
        for key, state in snapshot.states.items()
    }
    return replace(snapshot, states=states)


def _remember(
    snapshot: Snapshot, facts: Mapping[MarketId, Facts], folder: Path, policy: Policy, say: Callable[[str], None]
) -> None:
    """Write the grades into the ledger, unless it has some for this day. Any fault is one line by ``say``."""
    try:
        kept = append(folder, days_of(snapshot, facts, policy), WAIT_SECONDS)
    except Exception as failure:  # a fault of grades must not stop a run
        kept = Appended(failure=f"{folder}: grades are not remembered ({one_line(str(failure), 300)})")
    if kept.failure:
        say(kept.failure)


def days_of(snapshot: Snapshot, facts: Mapping[MarketId, Facts], policy: Policy) -> list[GradedDay]:
    """Each market's present grade and signal, as rows of the ledger."""
    statistics = {key: one.statistics for key, one in facts.items()}
    table, found = scales(), list[GradedDay]()
    for token in dict.fromkeys(state.market.asset for state in snapshot.markets):
        states = [state for state in snapshot.markets if state.market.asset == token]
        for key, said in graded_yields(states, statistics, table, policy.min_safety).items():
            market, safe = snapshot.states[key].market, snapshot.states[key].grade
            assert safe is not None
            found.append(
                GradedDay(
                    chain=str(market.chain),
                    market=str(key),
                    protocol=market.protocol,
                    asset=token.symbol,
                    time=snapshot.block.timestamp,
                    safety=safe.safety,
                    letter=safe.letter,
                    loss_bps=safe.loss_bps,
                    loss_low_bps=safe.loss_low_bps,
                    loss_high_bps=safe.loss_high_bps,
                    short=said.grade.short,
                    long=said.grade.long,
                    signal=said.grade.signal.value,
                )
            )
    return found


def facts_of(
    snapshot: Snapshot,
    data_dir: Path,
    say: Callable[[str], None],
    controls: Mapping[MarketId, Controls] | None = None,
    holders: Mapping[MarketId, Holders] | None = None,
    lost: Mapping[MarketId, float] | None = None,
    growth: Mapping[str, tuple[float, float]] | None = None,
    reward_ends: Mapping[MarketId, tuple[tuple[str, int | None], ...]] | None = None,
    priced: Mapping[MarketId, tuple[Priced, ...]] | None = None,
) -> Mapping[MarketId, Facts]:
    """By market, the facts, besides its state, from which its grade is computed. Arguments as in ``with_grades``."""
    past, known, whose = _past(snapshot, data_dir, say), controls or {}, holders or {}
    reports = _audits(data_dir, say) if known else ()
    return {
        market_id: Facts(
            around=around,
            statistics=past.get(market_id),
            controls=known.get(market_id),
            holders=whose.get(market_id),
            audits=reports,
            lost=(lost or {}).get(market_id, 0.0),
            growth=growth or {},
            reward_ends=(reward_ends or {}).get(market_id, ()),
            priced=(priced or {}).get(market_id, ()),
        )
        for market_id, around in _around(snapshot).items()
    }


def _audits(data_dir: Path, say: Callable[[str], None]) -> tuple[Audit, ...]:
    """The user's own audit reports; a file that cannot be read is one line by ``say``, and none of it counts."""
    file = data_dir / AUDITS
    try:
        return read_audits(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except Exception as fault:  # whatever the user's file contains
        say(f"{file}: no audit in it counts ({one_line(str(fault), 200)}): write it as docs/risk.md shows")
        return ()


def _past(snapshot: Snapshot, data_dir: Path, say: Callable[[str], None]) -> dict[str, MarketStatistics]:
    folder = data_dir / FOLDER
    if not spanned_days(folder, snapshot.block.chain):
        return {}
    try:
        from yieldbot.history.market_statistics import DAY, LOOK_BACK_DAYS, summaries_today
        from yieldbot.history.once import files_state, once

        chain, moment = snapshot.block.chain, snapshot.block.timestamp
        state = files_state(folder, chain, moment - (LOOK_BACK_DAYS + 1) * DAY, moment)
        found = once(
            "summaries", (folder, chain, moment, state), lambda: summaries_today(Store(folder), chain, moment), most=16
        )
    except Exception as failure:  # a fault of grades must not stop a run
        say(f"{folder}: grades are made without history ({one_line(str(failure), 300)})")
        return {}
    return {market: _of(figures) for market, figures in found.items()}


def _of(figures: Mapping[str, float | None]) -> MarketStatistics:
    whole = dict(figures)
    return MarketStatistics(days=whole.pop("days") or 0.0, weeks=int(whole.pop("weeks") or 0), **whole)


def _around(snapshot: Snapshot) -> dict[MarketId, Around]:
    """For each market, facts about it that come from other markets and from prices."""
    used = tuple(
        (pool, state.utilisation)
        for state in snapshot.markets
        if state.utilisation is not None and len(state.pools) == 1
        for pool in state.pools
    )
    quotes: dict[Token, dict[MarketId, float]] = {}
    for state in snapshot.markets:
        if state.supplied.raw and state.quoted.value > 0.0:
            quotes.setdefault(state.market.asset, {})[state.market.id] = state.quoted.value
    rates = {token: sorted(quoted.values()) for token, quoted in quotes.items()}
    wealth = {token: float(snapshot.wealth(token)) for token in {s.market.asset for s in snapshot.markets}}
    found = {}
    for key, state in snapshot.states.items():
        token = state.market.asset
        if state.market.kind is Kind.IDLE:
            continue
        found[key] = Around(
            size=max(float(state.held), wealth[token]),
            peers_rate=_median_without(rates.get(token, []), quotes.get(token, {}).get(state.market.id)),
            usd=snapshot.dollars(token),
            traded_usd=price.traded if (price := snapshot.pegs.get(token)) is not None else None,
            pegged=token in snapshot.pegs,
            used=used,
        )
    return found


def _median_without(rates: Sequence[float], own: float | None) -> float | None:
    """The median of ascending rates, without one of them; None: none is left."""
    place, count = (len(rates), len(rates)) if own is None else (bisect_left(rates, own), len(rates) - 1)
    if count <= 0:
        return None
    low, high = (count - 1) // 2, count // 2
    return (rates[low + (low >= place)] + rates[high + (high >= place)]) / 2


def _reward_share(state: MarketState, policy: Policy) -> float:
    """The fraction of the market's present rate that comes from incentives, 0 to 1."""
    curve = curve_of(state, policy)
    if not isinstance(curve, RewardedCurve):
        return 0.0
    held = float(state.held)
    whole = curve.apr(held, policy.horizon_seconds)
    return min(1.0, max(0.0, curve.reward_apr(held, policy.horizon_seconds) / whole)) if whole > 0.0 else 0.0


def risks_of(plan: Plan, snapshot: Snapshot) -> tuple[str, ...]:
    """The risk of each market that a plan puts money into, a line each, for the person who approves."""
    found = dict[MarketId, str]()
    for leg in plan.legs:
        state = snapshot.states.get(leg.market_id)
        if leg.kind is not LegKind.DEPOSIT or state is None or leg.market_id in found:
            continue
        if (known := state.grade) is None:
            found[leg.market_id] = f"{state.market.name}: not graded"
            continue
        parts = [f"safety {known.safety} ({known.letter})", f"expected loss {known.loss_bps:z.0f} bp a year"]
        parts += [f"capped: {known.limits[0]}"] if known.limits else []
        parts += [f"{counted(len(known.missing), 'fact')} unknown, taken as bad"] if known.missing else []
        parts += [f"{alarm.code}: {alarm.saw}" for alarm in state.alarms]
        found[leg.market_id] = one_line(f"{state.market.name}: " + "; ".join(parts))
    return tuple(found.values())
