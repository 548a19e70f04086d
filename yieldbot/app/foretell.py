"""Adds memory's forecasts to a snapshot, for the decisions of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from yieldbot.app.memory import FOLDER
from yieldbot.history.contradicted import contradictions, remembered
from yieldbot.history.files import spanned_days
from yieldbot.history.recorded import mean_held, moved_beside
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.model.amounts import Token
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.text import one_line
from yieldbot.model.units import DAY_SECONDS

LEAST_DAYS = 3
"""Calendar days that memory must span before its forecasts are used, so that two days have passed since its first
reading."""


def with_forecasts(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    records: Sequence[Record] = (),
) -> Snapshot:
    """The snapshot with a forecast for each market that memory knows. It is returned unchanged if memory spans less
    than ``LEAST_DAYS``, was last written days before the block, or cannot be read (one line by ``say``): memory never
    stops a run.

    Where memory and the chain contradict each other, that is named (``Snapshot.contradicted``) and the chain is
    believed: status, cash and caps are the snapshot's, no exit is limited by a forecast, and a forecast from impossible
    readings is dropped. records: the journal's; they say how much of our own money, and of our other wallets', was in a
    market when the rates were observed that its forecast is made from.
    """
    folder = data_dir / FOLDER
    if spanned_days(folder, snapshot.block.chain) < LEAST_DAYS:
        return snapshot
    try:
        from yieldbot.app.expected import expected

        made = expected(folder, policy.mean_days, snapshot.block.timestamp, policy.forecaster)
        here = {market: said for (chain, market), said in made.items() if chain == snapshot.block.chain}
        refuted, lines = contradictions(snapshot, here, remembered(Store(folder), snapshot))
    except Exception as failure:  # a fault of memory must not stop a run
        say(f"{folder}: nothing is forecast ({one_line(str(failure), 300)})")
        return snapshot

    @cache
    def money(token: Token, days: float) -> tuple[Mapping[MarketId, float] | None, Mapping[MarketId, float]]:
        return mean_held(records, snapshot, token, days), moved_beside(records, snapshot, token, days)

    states = {}
    for key, state in snapshot.states.items():
        said = here.get(state.market.id)
        if state.market.id in refuted or state.prices is not None:  # what a purchase fixes needs no forecast
            said = None
        if said is not None:
            ours, beside = money(state.market.asset, seen_days(policy, snapshot.block.timestamp, said.since))
            if ours is not None:
                said = replace(said, ours=min(float(state.held), ours.get(state.market.id, 0.0)))
            said = replace(said, beside=beside.get(state.market.id, 0.0))
        states[key] = replace(state, forecast=said)
    known_rates = {market: said.mean for market, said in here.items()}
    glanced = tuple(replace(one, outlook=known_rates.get(one.market.id)) for one in snapshot.glanced)
    return replace(snapshot, states=states, glanced=glanced, contradicted=lines)


def seen_days(policy: Policy, now: int, since: int | None) -> float:
    """Days before now in which the rates were paid that a forecast is made from, as if each counted alike: twice the
    mean age of what an exponential mean weighs (its half-life / ln 2), no more than decisions look ahead, and no more
    than memory knows the market (``since``, unix seconds): what it never saw is in no forecast."""
    kind, _, half_life = policy.forecaster.rpartition("-")
    whole = policy.mean_days
    if kind in ("paid", "mean"):
        whole = min(whole, 2.0 * float(half_life.removesuffix("d")) / math.log(2.0))
    return whole if since is None else min(whole, max(0.0, (now - since) / DAY_SECONDS))
