"""Alarms in a replay: raised by the same ``Lookout`` as in live runs, from the present row and the rows before it
only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from yieldbot.backtest.world import World
from yieldbot.history.panel import Panel
from yieldbot.model.alarm_limits import CODES
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.names import of_table
from yieldbot.model.policy import Policy
from yieldbot.risk.lookout import HOME, Lookout
from yieldbot.risk.sight import MarketName, Sight, prices_of, sight_of_state, subject_of, subject_of_state
from yieldbot.risk.sight_window import DAY, KEPT

BEFORE = KEPT + 2 * DAY
"""Seconds of history before a replay's first row that the ``Lookout`` is given."""

LOOKS_EACH = 3600
"""Seconds between two looks of the replayed bot: a row that stands for a day counts as this many looks as fit into
it."""


class Watched:
    """The markets of one replay under one policy, watched from row to row."""

    def __init__(self, world: World, policy: Policy, first: int) -> None:
        self._world, self._policy = world, policy
        limits = policy.alarms
        rows = math.ceil(limits.clear_readings * LOOKS_EACH / world.panel.step_seconds)
        self._limits = replace(limits, clear_readings=max(1, rows))
        self._lookout: Lookout | None = None
        self._first = first
        self._names = [(key.chain, key.market) for key in world.panel.keys]
        self._beside = world.beside

    def judged(self, row: int, snapshot: Snapshot) -> Snapshot:
        """A row's snapshot with the alarms that stand in its markets at that time."""
        if not set(CODES) - set(self._policy.alarms.off):
            return snapshot
        places = {market.id: column for column, market in enumerate(self._world.markets)}
        states = [one for one in snapshot.states.values() if one.market.kind is not Kind.IDLE]
        if self._lookout is None:
            self._lookout = self._begun(snapshot)
        prices = {token: prices_of(snapshot, token) for token in {one.market.asset for one in states}}
        sights: dict[MarketName, Sight] = {
            self._names[places[one.market.id]]: sight_of_state(snapshot, one, prices[one.market.asset])
            for one in states
            if self._world.cells(row)[places[one.market.id]] is not None
        }
        if self._beside is not None:
            sights |= _row(self._beside, row)
        self._lookout.see(sights)
        now = snapshot.block.timestamp
        alarmed = {
            one.market.id: replace(one, alarms=found)
            for one in states
            if (found := self._lookout.alarms(self._names[places[one.market.id]], now))
        }
        return replace(snapshot, states={**snapshot.states, **alarmed}) if alarmed else snapshot

    def _begun(self, snapshot: Snapshot) -> Lookout:
        """A Lookout that knows the days before the first row, on which no alarm is raised."""
        world, limits = self._world, self._limits
        states = {one.market.id: one for one in snapshot.states.values()}
        subjects = {}
        for name, key, market in zip(self._names, world.panel.keys, world.markets, strict=True):
            off = of_table(limits.off_for, market, ())
            state = states.get(market.id)
            plain = subject_of(key) if state is None else subject_of_state(snapshot, state, off)
            # The subject of its own key, since a market of a replay shares no pools with others.
            subjects[name] = replace(subject_of(key), off=off, pegged=plain.pegged)
        if self._beside is not None:
            subjects |= {(key.chain, key.market): subject_of(key) for key in self._beside.keys}
        made = Lookout(limits, subjects)
        rows = range(max(0, self._first - BEFORE // world.panel.step_seconds), self._first)
        for panel in (world.panel, self._beside):
            for row in rows if panel is not None else ():
                assert panel is not None
                for name, sight in _row(panel, row).items():
                    made.learn(name, [sight])
        return made


def _row(panel: Panel, row: int) -> dict[MarketName, Sight]:
    """The reading of each market in one row of a panel; markets that were not read are left out."""
    found = {}
    for column, key in enumerate(panel.keys):
        rate = _known(panel.quoted[row, column])
        use = _known(panel.utilisation[row, column])
        if rate is None and use is None:
            continue
        supplied, cash = _known(panel.supplied[row, column]), _known(panel.cash[row, column])
        if cash is None and supplied is not None and use is not None:
            cash = max(0.0, supplied * (1.0 - use))
        found[key.chain, key.market] = Sight(
            time=int(panel.times[row]), rate=rate, utilisation=use, supplied=supplied, cash=cash,
            active=not panel.blocked[row, column],
        )  # fmt: skip
    return found


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def beside(panel: Panel, columns: Sequence[int], policy_collaterals: frozenset[str]) -> Panel | None:
    """A panel of the markets of collaterals that do not belong to the universe, on its chain and on the home chain;
    None: there are none."""
    chain = panel.keys[columns[0]].chain
    others = [
        at
        for at, key in enumerate(panel.keys)
        if at not in set(columns) and key.asset.upper() in policy_collaterals and key.chain in (chain, HOME)
    ]
    return panel.of(others) if others else None
