"""Plays an incident on the sandbox's real contracts by three rules: the highest quote, a product of scores, and ours,
which is the program's own cycle (``yieldbot run --approve auto`` with ``policy.auto_exit``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.kit.evm.home import Home
from tests.kit.evm.world import world
from tests.replay.run import product
from tests.replay.stage import WEALTH, Stage, staged
from yieldbot.app import cycle
from yieldbot.config.load import load
from yieldbot.execution.approvals import Auto, ExitsAtOnce
from yieldbot.journal.journal_entries import AlarmRaised
from yieldbot.journal.store import Journal
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.names import named
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm.node import Sandbox

Doing = Callable[[Stage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens before one look."""

    hours: float
    """Hours since the look before it."""
    do: Doing = lambda stage: None
    """What the others do meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainScene:
    """One incident on real contracts."""

    name: str
    """What happens."""
    source: str
    """Shape of."""
    contracts: str
    """Whose code runs."""
    set_up: Doing
    """Prepares chain, configuration and ``Stage.failing``, and puts our money where it is when it begins."""
    steps: tuple[Step, ...]
    """What happens, look by look; the first ``calm`` of them before anything does."""
    calm: int = 2
    """Looks before it begins."""
    needs: tuple[str, ...] = ()
    """Protocols to deploy beside the sandbox's own market."""
    stale: bool = False
    """Whether the endpoint that other rules ask stands still from the moment it begins."""


@dataclass(slots=True)
class Played:
    """What a rule came to."""

    had: float = 0.0
    """Part of the money that could be had at the end, 0 to 1 and more."""
    left_look: int | None = None
    """The look, counted from 1 when it begins, after which nothing was in the failing market; None: never."""
    left_hours: float = 0.0
    """Hours from the beginning to that look."""
    inside: float = 0.0
    """The largest part of the money that was in the failing market after a look, from the beginning on."""
    locked_hours: float = 0.0
    """Hours in which money lay where it could not be taken out at once."""
    alarms: dict[str, int] = field(default_factory=dict)
    """Alarms that fired in the failing market, with the look in which each did; 0 or less: before it began."""
    partial: int = 0
    """Looks in which a part came out of the failing market and not all."""


class Rule(Protocol):
    """One way to look after the money."""

    def look(self, stage: Stage, snapshot: Snapshot) -> None:
        """Looks at the markets, and moves the money."""

    @property
    def blind(self) -> bool:
        """Whether it believes one endpoint, whatever it says."""


class Ours:
    """The program. ``whole``: in a process of its own, as cron starts it; else its cycle alone, which is the same code
    without the seconds that Python takes to start."""

    blind = False

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole

    def look(self, stage: Stage, snapshot: Snapshot) -> None:
        if self.whole:
            ended = Home(stage.sandbox).run("--json", "run", "--approve", "auto")
            assert ended.code in (0, 3, 4), ended.err
            return
        with world(stage.sandbox, Auto) as w:
            unattended = replace(w, approver=ExitsAtOnce(w.journal, w.approver))
            for job in w.settings.jobs:
                asyncio.run(cycle.run_job(unattended, job))


class Highest:
    """All of the money in the market with the highest quote that takes it, at every look."""

    blind = True

    def fit(self, stage: Stage, snapshot: Snapshot) -> list[MarketState]:
        """The markets that it would be in."""
        excluded = _excluded(stage)
        return [one for one in snapshot.markets if one.status is Status.ACTIVE and not named(one.market, excluded)]

    def look(self, stage: Stage, snapshot: Snapshot) -> None:
        fit = self.fit(stage, snapshot)
        best = max(fit, key=quote, default=None)
        for state in snapshot.markets:
            if state.held.raw and (best is None or state.market.id != best.market.id):
                take_out(stage, state)
        asset = snapshot.assets[0]
        idle = stage.number(asset.address, "balanceOf(address)", stage.sandbox.wallet)
        if best is not None and best.market.asset == asset and idle > 10**6:
            adapter = adapters()[best.market.protocol]
            made = adapter.deposit(best, type(best.held)(asset, idle), snapshot.owner)
            _do(stage, made)


class Scored(Highest):
    """A product of scores as Kamino's vault bot documents it: below 0.3 a market is left; of the rest the highest
    quote."""

    def fit(self, stage: Stage, snapshot: Snapshot) -> list[MarketState]:
        return [one for one in Highest.fit(self, stage, snapshot) if self.score(snapshot, one) >= 0.3]

    @staticmethod
    def score(snapshot: Snapshot, state: MarketState) -> float:
        """Of supply rate, cash against our holding, utilisation and peg."""
        position = float(state.held) or float(WEALTH)
        cash = float(state.cash) if state.cash is not None else float(state.liquidity)
        peg = snapshot.pegs.get(state.market.asset)
        usd = peg.usd if peg is not None else 1.0
        return product(quote(state), cash, position, state.utilisation or 0.0, usd)


def quote(state: MarketState) -> float:
    """The rate that a market shows, its incentives included."""
    found = state.quoted.value
    for one in state.rewards:
        if one.price is not None and (shared := one.others + float(state.held)):
            found += one.raw_per_second / 10**one.token.decimals * one.price * SECONDS_PER_YEAR / shared
    return found


def _excluded(stage: Stage) -> tuple[str, ...]:
    return tuple(load(stage.sandbox.config).policy.exclude)


def take_out(stage: Stage, state: MarketState) -> bool:
    """Takes out of a market what its cash allows; whether that succeeded."""
    amount = state.withdrawable
    if not amount.raw:
        return False
    whole = amount >= state.held
    with suppress(AttributeError, ValueError):
        made = adapters()[state.market.protocol].withdraw(state, None if whole else amount, stage.sandbox.wallet)
        return _do(stage, made)
    return False


def _do(stage: Stage, calls: tuple[EvmCall, ...]) -> bool:
    for one in calls:
        if one.allowance is not None:
            data = selector("approve(address,uint256)") + encode(
                ["address", "uint256"], [one.allowance.spender, one.allowance.raw]
            )
            stage.call_as_us(one.allowance.token.address, data)
        if not stage.call_as_us(one.to, one.data, one.value):
            return False
    return True


def play(scene: ChainScene, rule: Rule, deployed: Sandbox, folder: Path) -> Played:
    """One rule through one incident."""
    with staged(deployed, folder) as stage:
        scene.set_up(stage)
        found, held, hours = Played(), 0.0, 0.0
        began = stage.sandbox.status().timestamp
        looks: list[int] = []
        frozen: Snapshot | None = None
        for place, step in enumerate(scene.steps):
            stage.hours(step.hours)
            step.do(stage)
            begun = place >= scene.calm
            hours += step.hours if place > scene.calm else 0.0
            snapshot = stage.observed()
            if scene.stale and begun and rule.blind:
                frozen = frozen or snapshot
                snapshot = frozen
            before = _in(snapshot, stage)
            rule.look(stage, snapshot)
            looks.append(stage.sandbox.status().timestamp)
            after = stage.observed()
            held = _in(after, stage)
            if begun:
                found.inside = max(found.inside, held / WEALTH)
                found.partial += before > 1.0 and 1.0 < held < before * 0.999
                if found.left_look is None and held <= 1.0 < max(before, found.inside * WEALTH):
                    found.left_look, found.left_hours = place - scene.calm + 1, hours
                if place + 1 < len(scene.steps) and _locked(after):
                    found.locked_hours += scene.steps[place + 1].hours
        for _ in range(2):  # what can be had at the end is had
            for state in stage.observed().markets:
                if state.held.raw:
                    take_out(stage, state)
        raw = stage.number(stage.at("usdc"), "balanceOf(address)", stage.sandbox.wallet)
        found.had = raw / 10**6 / WEALTH
        found.alarms = _alarms(stage, began, looks, scene.calm)
        return found


def _in(snapshot: Snapshot, stage: Stage) -> float:
    state = snapshot.states.get(stage.failing)
    return 0.0 if state is None else float(state.held)


def _locked(snapshot: Snapshot) -> bool:
    return any(s.held.raw > 10**6 and s.withdrawable.raw < 0.999 * s.held.raw for s in snapshot.markets)


def _alarms(stage: Stage, began: int, looks: list[int], calm: int) -> dict[str, int]:
    """Each alarm that was raised in the failing market, with the look (from 1) that raised it."""
    file = stage.sandbox.directory / "journal.sqlite"
    if not file.exists():
        return {}
    found: dict[str, int] = {}
    with Journal.read(file) as journal:
        for record in journal.history():
            entry = record.entry
            if isinstance(entry, AlarmRaised) and entry.market_id == stage.failing:
                look = sum(entry.since > time for time in looks) - calm + 1
                found.setdefault(f"{entry.code} ({entry.act})", look)
    return found


HEAD = (
    "| Incident | Shape of | Contracts | Highest quote loses | Product of scores loses | yieldbot loses | It left "
    "| By |",
    "|---|---|---|---|---|---|---|---|",
)
"""The table's head."""


def row(scene: ChainScene, highest: Played, scored: Played, ours: Played) -> str:
    """The incident's row of the table."""
    lost = " | ".join(_lost(one) for one in (highest, scored, ours))
    fired = ", ".join(f"{name} ({look})" for name, look in _leading(ours))
    return f"| {scene.name} | {scene.source} | {scene.contracts} | {lost} | {_left(ours)} | {fired or '-'} |"


def _lost(one: Played) -> str:
    locked = f", {one.locked_hours:.0f} h locked" if one.locked_hours else ""
    return (f"{1.0 - one.had:.0%}" if one.had < 0.9995 else "nothing") + locked


def _left(one: Played) -> str:
    if one.left_look is not None:
        parts = f", in {one.partial + 1} parts" if one.partial else ""
        return f"look {one.left_look}, after {one.left_hours:.0f} h{parts}"
    return "never" if one.inside > 0.01 else "was not in"


def _leading(one: Played) -> list[tuple[str, int]]:
    """Each sign's first look, in order; those that came after it had left are left out."""
    until = one.left_look or max([0, *one.alarms.values()])
    found: dict[str, int] = {}
    for name, look in sorted(one.alarms.items(), key=lambda pair: pair[1]):
        if look <= until:
            found.setdefault(name.partition(" ")[0], look)
    return list(found.items())
