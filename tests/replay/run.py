"""Plays a scene by three rules: the highest quote, a product of scores as another bot has it, and ours, which is the
real ``decide`` with the real alarms. The ledger is a double: money leaves as far as there is cash."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.kit.market_builder import BLOCK, USDC, market, snapshot, usdc
from tests.kit.risk.protections import JOB
from tests.replay.scenes import CALM, HOURS_A_YEAR, Hour, Place, Scene
from yieldbot.decision.decide import decide
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.amounts import Apr
from yieldbot.model.exchange import Price
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.risk.lookout import Lookout
from yieldbot.risk.sight import MarketName, Sight, Subject

WEALTH = 100_000.0
POINTS = ((0.0, 0.0), (0.92, 0.055), (1.0, 0.6))
KEEP = 0.9
HOUR = 3_600
START = BLOCK.timestamp


@dataclass(slots=True)
class Ledger:
    """Money by market, in whole tokens, and what is idle."""

    held: dict[str, float] = field(default_factory=dict)
    """By market's name."""
    idle: float = 0.0
    """In the wallet."""

    @property
    def worth(self) -> float:
        return self.idle + sum(self.held.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a rule came to."""

    lost: float
    """Part of the money that was lost, 0 to 1; below 0: it earned."""
    left_at: int | None
    """Hours after the incident began at which nothing was in the failing market any more; None: never."""
    inside: float
    """The largest part of the money that was in the failing market from the incident on, 0 to 1."""
    locked_hours: int
    """Hours in which money was there that could not be taken out at once."""
    said: str = ""
    """What was seen when it left, in a word."""
    moves: int = 0
    """Times that money moved."""


Rule = Callable[[Scene, int, Ledger, Mapping[str, "View"], bool], str]
"""Of a scene, an hour, the money, what the markets show, and whether it may move money yet: what it saw when it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One market as a rule sees it."""

    place: Place
    """Which."""
    hour: Hour
    """What it shows."""
    index: float
    """Its share price."""
    rate: float
    """Its quote."""
    cash: float
    """What can be taken out."""


def view(place: Place, hour: int, index: float) -> View:
    """What one market shows."""
    seen = place.at(hour)
    used = min(1.0, max(0.0, seen.used))
    rate = seen.rate if seen.rate is not None else _curve(seen, 0.0).apr(0.0, 30 * 86_400.0)
    return View(place=place, hour=seen, index=index, rate=rate, cash=(1.0 - used) * seen.supplied)


def _curve(seen: Hour, ours: float) -> KinkedCurve:
    return KinkedCurve(max(1.0, seen.supplied - ours), min(1.0, seen.used) * seen.supplied, POINTS, KEEP)


def play(scene: Scene, rule: Rule) -> Played:
    """One rule through one scene, an hour at a time."""
    ours = [one for one in scene.places if one.asset == "USDC"]
    ledger = Ledger({one.name: 0.0 for one in ours}, WEALTH)
    if scene.begins_in is not None:
        ledger.held[scene.begins_in], ledger.idle = WEALTH, 0.0
    index = {one.name: 1.0 for one in scene.places}
    failing, most, locked, left, said, moves = scene.places[0].name, 0.0, 0, None, "", 0
    for hour in range(-CALM, scene.hours):
        views = {one.name: view(one, hour, index[one.name]) for one in scene.places}
        if hour >= 0:
            most = max(most, ledger.held[failing] / max(ledger.worth, 1e-9))
            locked += any(ledger.held[n] > 1.0 and views[n].cash < ledger.held[n] * 0.999 for n in ledger.held)
        before = dict(ledger.held)
        told = rule(scene, hour, ledger, views, hour >= 0 or scene.begins_in is None)
        if any(abs(before[name] - ledger.held[name]) > 1.0 for name in before):
            moves += 1
        if hour >= 0 and left is None and before[failing] > 1.0 >= ledger.held[failing]:
            left, said = hour, told
        for one in scene.places:
            seen = views[one.name]
            grown = math.exp(seen.rate / HOURS_A_YEAR) * (1.0 + seen.hour.growth)
            index[one.name] *= grown
            if one.name in ledger.held:
                ledger.held[one.name] *= grown
    return Played(
        lost=1.0 - ledger.worth / WEALTH, left_at=left, inside=most, locked_hours=locked, said=said, moves=moves
    )


def take(ledger: Ledger, name: str, views: Mapping[str, View]) -> float:
    """Takes out of a market what its cash allows."""
    out = min(ledger.held[name], max(0.0, views[name].cash))
    ledger.held[name] -= out
    if ledger.held[name] < 1.0:
        out, ledger.held[name] = out + ledger.held[name], 0.0
    ledger.idle += out
    return out


def highest(scene: Scene, hour: int, ledger: Ledger, views: Mapping[str, View], moves: bool) -> str:
    """All in the market with the highest quote that takes money, looked at each day."""
    if hour % 24 or not moves:
        return ""
    open_ones = [name for name in ledger.held if views[name].hour.active]
    best = max(open_ones, key=lambda name: views[name].rate)
    for name in ledger.held:
        if name != best:
            take(ledger, name, views)
    ledger.held[best] += ledger.idle
    ledger.idle = 0.0
    return "a higher quote"


def scored(scene: Scene, hour: int, ledger: Ledger, views: Mapping[str, View], moves: bool) -> str:
    """A product of scores as Kamino's vault bot documents it (supply rate, cash against our holding, utilisation, peg):
    below 0.3 a market is left, looked at each hour; else the highest quote of what is left, each day."""
    if not moves:
        return ""
    scores = {name: _score(views[name], ledger.held[name] or WEALTH) for name in ledger.held}
    told = ""
    for name in ledger.held:
        if scores[name] < 0.3 and ledger.held[name]:
            take(ledger, name, views)
            told = f"a score of {scores[name]:.2f}"
    fit = [name for name in ledger.held if scores[name] >= 0.3 and views[name].hour.active]
    if not hour % 24 and fit:
        best = max(fit, key=lambda name: views[name].rate)
        for name in ledger.held:
            if name != best:
                take(ledger, name, views)
        ledger.held[best] += ledger.idle
        ledger.idle = 0.0
    return told


def _score(seen: View, position: float) -> float:
    return product(seen.rate, seen.cash, position, seen.hour.used, seen.hour.usd)


def product(rate: float, cash: float, position: float, used: float, usd: float) -> float:
    """The product of four scores: supply rate, cash against our holding, utilisation, peg."""
    peg = abs(usd - 1.0) * 1e4
    return math.prod((
        0.0 if rate > 0.20 else 1.0,
        min(1.0, max(0.0, (cash / position - 0.3) / 0.7)),
        min(1.0, max(0.0, (1.0 - used) / 0.10)),
        1.0 if peg <= 50 else max(0.0, 1.0 - math.sqrt((peg - 50) / 150)),
    ))  # fmt: skip


class Ours:
    """The shipped policy without its limit on one market's share, on the real decision and the real alarms."""

    def __init__(self, scene: Scene) -> None:
        self.policy = Policy(max_share_market=1.0, min_gain_bps=5.0)
        subjects: dict[MarketName, Subject] = {
            _name(one): Subject(protocol=one.protocol, asset=one.asset, pegged=one.asset == "USDC",
                                through=(one.protocol,))
            for one in scene.places
        }  # fmt: skip
        self.lookout = Lookout(AlarmLimits(), subjects)

    def __call__(self, scene: Scene, hour: int, ledger: Ledger, views: Mapping[str, View], moves: bool) -> str:
        now = START + hour * HOUR
        self.lookout.see(
            {_name(one.place): _sight(one, now, ledger) for one in views.values()},
            {_name(one.place): one.hour.told for one in views.values()},
            chain=True,
        )
        if hour < -24 or not moves:
            return ""  # it watches before it decides
        seen = _snapshot(views, ledger, now, self.lookout)
        outcome = decide(seen, self.policy, JOB, now).outcome
        if not isinstance(outcome, Plan):
            return ""
        names = {one.market.id: one.market.name for one in seen.markets}
        for leg in outcome.legs:
            name = names.get(leg.market_id, "")
            if leg.kind is LegKind.WITHDRAW:
                out = min(float(leg.amount), views[name].cash, ledger.held[name])
                ledger.held[name] -= out
                ledger.idle += out
                if ledger.held[name] < 1.0:
                    ledger.idle, ledger.held[name] = ledger.idle + ledger.held[name], 0.0
            elif leg.kind is LegKind.DEPOSIT:
                put = min(float(leg.amount), ledger.idle)
                ledger.held[name] += put
                ledger.idle -= put
        failing = seen.of(next(i for i, n in names.items() if n == scene.places[0].name))
        return ", ".join(dict.fromkeys(one.code for one in failing.alarms)) or "a better yield"


def _name(place: Place) -> MarketName:
    return (str(BLOCK.chain), f"{place.protocol}/{place.name}")


def _sight(one: View, now: int, ledger: Ledger) -> Sight:
    used = min(1.0, one.hour.used)
    return Sight(
        time=now, rate=one.rate, utilisation=used, supplied=one.hour.supplied, cash=one.cash,
        held=ledger.held.get(one.place.name, 0.0), index=one.index, prices=(one.hour.usd, one.hour.usd),
        active=one.hour.active, bad_debt=0.0, backing=(("its collateral", 1e26 * one.hour.minted),),
    )  # fmt: skip


def _snapshot(views: Mapping[str, View], ledger: Ledger, now: int, lookout: Lookout) -> Snapshot:
    block = replace(BLOCK, timestamp=now)
    states: list[MarketState] = []
    for one in views.values():
        if one.place.asset != "USDC":
            continue
        ours = ledger.held[one.place.name]
        shape = _curve(one.hour, ours)
        base = max(1e-9, shape.apr(ours, 30 * 86_400.0))
        curve = replace(shape, points=tuple((u, rate * one.rate / base) for u, rate in POINTS))
        lent = min(1.0, one.hour.used) * one.hour.supplied
        made = market(one.place.name, curve, held=ours, liquidity=one.cash, borrowed=lent, protocol=one.place.protocol)
        states.append(
            replace(
                made, block=block, supplied=usdc(one.hour.supplied), quoted=Apr(one.rate), index=one.index,
                status=Status.ACTIVE if one.hour.active else Status.FROZEN, no_way_out=one.hour.no_way_out,
                alarms=lookout.alarms(_name(one.place), now),
            )
        )  # fmt: skip
    usd = next(one.hour.usd for one in views.values() if one.place.asset == "USDC")
    seen = snapshot(ledger.idle, *states)
    states_at = {key: replace(state, block=block) for key, state in seen.states.items()}
    return replace(seen, block=block, states=states_at, pegs={USDC: Price(usd, now)})
