"""A market's safety grade and expected loss, from its components. Pure; every number is in docs/risk.md."""

from __future__ import annotations

from yieldbot.model.market import MarketState, Status
from yieldbot.model.policy import MAX_DEPEG_BPS
from yieldbot.model.risk import Act, Component, Grade
from yieldbot.model.units import BPS
from yieldbot.risk.collateral_side import collateral
from yieldbot.risk.control_side import contract, weak_owner
from yieldbot.risk.exit_side import exit_liquidity
from yieldbot.risk.facts import Facts
from yieldbot.risk.loss import CLASSES, base_rate
from yieldbot.risk.other_sides import asset, chain, oracle, track, yield_quality
from yieldbot.risk.scales import Scales, scales


def grade(state: MarketState, facts: Facts, reward_share: float = 0.0, table: Scales | None = None) -> Grade:
    """The safety grade of a market, and its expected loss.

    safety = min(sum of weight * score over components, lowest score + ``grade.spread``, every cap by a hard fact),
    rounded down. loss = base rate of the market's class * min(product over components of 1 + (factor - 1) * (1 - score
    / 100), ``grade.most_factor``), so never below the base rate. reward_share: fraction of the yield that comes from
    incentives, 0 to 1.
    """
    table = table or scales()
    components = (
        exit_liquidity(state, facts, table),
        contract(facts, state.block.timestamp, table),
        oracle(state, facts, table),
        collateral(state, facts, table),
        asset(state, facts, table),
        track(state, facts, table),
        yield_quality(state, facts, table, reward_share),
        chain(state, table),
    )
    worst = min(components, key=lambda one: one.score)
    whole = sum(one.weight * one.score for one in components)
    spread = float(table.of("grade", "spread"))
    bounds = sorted(_caps(state, facts, table))
    most = worst.score + spread
    limits = [f"{why}: at most {cap:z.0f}" for cap, why in bounds]
    if most < whole:
        limits.append(f"its worst side, {worst.name} ({worst.score:z.0f}): at most {most:z.0f}")
    safety = int(max(0.0, min(whole, most, *(cap for cap, _ in bounds), 100.0)))
    base, factor = base_rate(CLASSES.get(state.market.kind, "")), loss_factor(components, table)
    return Grade(
        safety=safety,
        letter=letter(safety, table),
        components=components,
        limits=tuple(limits),
        loss_bps=base.bps * factor,
        loss_low_bps=base.low_bps * factor,
        loss_high_bps=base.high_bps * factor,
    )


def loss_factor(components: tuple[Component, ...], table: Scales) -> float:
    """The factor by which the components raise the base rate of loss: 1 to ``grade.most_factor``."""
    found = 1.0
    for one in components:
        found *= 1.0 + (table.sides[one.name].factor - 1.0) * (1.0 - one.score / 100.0)
    return max(1.0, min(found, float(table.of("grade", "most_factor"))))


def letter(safety: int, table: Scales) -> str:
    """The grade as a letter."""
    return next(str(name) for name, least in table.of("grade", "letters") if safety >= least)


def _caps(state: MarketState, facts: Facts, table: Scales) -> list[tuple[float, str]]:
    """(cap, reason) for each hard fact that caps the grade."""
    of, found = table.sections["caps"], list[tuple[float, str]]()

    def bound(name: str, why: str) -> None:
        found.append((float(of[name]), why))

    if state.no_way_out or state.stuck:
        bound("no_way_out", f"no way out: {state.no_way_out or state.stuck}")
    if state.status is Status.PAUSED:
        bound("paused", "it is paused")
    if state.status is Status.FROZEN:
        bound("frozen", "it is frozen")
    if state.doubts:
        bound("doubts", f"readings contradict each other: {state.doubts[0]}")
    if state.opaque and state.exit.cash is None:
        bound("opaque_without_cash", "neither its investments nor its cash can be read")
    for alarm in state.alarms:
        bound("alarm_leave" if alarm.act is Act.LEAVE else "alarm_stop", f"alarm {alarm.code}: {alarm.saw}")
    usd = facts.around.usd
    if facts.around.pegged and usd is not None and abs(usd - 1.0) * BPS > MAX_DEPEG_BPS:
        bound("depegged", f"{state.market.asset.symbol} is at ${usd:z.4f}")
    if (weak := weak_owner(facts)) is not None:
        found.append((float(table.of("contract", "weak_owner_cap")), weak))
    return found
