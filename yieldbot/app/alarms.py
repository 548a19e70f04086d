"""Determines which alarms stand in a snapshot's markets, from the chain now, memory, the journal and the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yieldbot.app.memory import FOLDER
from yieldbot.history.observed import NO_MARKETS, key_of
from yieldbot.history.reading import Reading
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AlarmLifted, AlarmRaised
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.names import of_table
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act, Alarm
from yieldbot.model.text import one_line
from yieldbot.risk.blacklist import blacklisted
from yieldbot.risk.latches import journalled, news
from yieldbot.risk.look_through import locked_below
from yieldbot.risk.lookout import HOME, Lookout
from yieldbot.risk.past import DAY, KEPT
from yieldbot.risk.sight import MarketName, Sight, sight_of, sight_of_state, subject_of, subject_of_state
from yieldbot.risk.triggers import Found

Entries = tuple[AlarmRaised | AlarmLifted, ...]


def with_alarms(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    records: Sequence[Record] = (),
    more: Mapping[MarketId, Sequence[Found]] | None = None,
) -> tuple[Snapshot, Entries]:
    """(the snapshot with the alarms that stand in each market, journal entries for changes that the journal does not
    have yet).

    Alarms already in the snapshot are kept. more: signs found in other ways (who may change a contract, grades); they
    are latched like all others. If memory exists but cannot be read, each market gets no new money (MISSING), since
    nothing can be compared; no money leaves for that reason.
    """
    limits = policy.alarms
    states = [one for one in snapshot.states.values() if one.market.kind not in NO_MARKETS]
    now = snapshot.block.timestamp
    chain = str(snapshot.block.chain)
    found: dict[MarketName, list[Found]] = {}
    for hits in (blacklisted(snapshot, policy.blacklist), locked_below(states, limits, now)):
        for market_id, hit in hits.items():
            found.setdefault((chain, market_id), []).append(hit)
    for market_id, signs in (more or {}).items():
        found.setdefault((chain, market_id), []).extend(signs)
    own = {_name(one): subject_of_state(snapshot, one, of_table(limits.off_for, one.market, ())) for one in states}
    before = journalled(records)
    try:
        readings = _remembered(data_dir / FOLDER, snapshot, states, policy)
        others = {name: subject_of(rows[-1].key) for name, rows in readings.items() if rows}
        lookout = Lookout(limits, others | own, before)
        _learn(lookout, readings, now, limits.cooldown_hours)
    except Exception as failure:  # whatever it is, it is said, and nothing goes in
        lookout = Lookout(limits, own, before)
        why = f"{data_dir / FOLDER}: memory cannot be read ({one_line(str(failure), 200)})"
        say(f"{why}: no new money goes in")
        for name in own:
            found.setdefault(name, []).append(Found(code="MISSING", act=Act.STOP, saw=why))
    after = lookout.see({_name(one): sight_of_state(snapshot, one) for one in states}, found, chain=True)
    if not any(after.values()) and all(not latches for latches in before.values()):
        return snapshot, ()
    shown = {
        key: replace(state, alarms=joined(state.alarms, lookout.alarms(_name(state), now)))
        if _name(state) in after
        else state
        for key, state in snapshot.states.items()
    }
    known = {name: latches for name, latches in before.items() if name in after}
    return replace(snapshot, states=shown), tuple(news(known, after, now))


def joined(first: Sequence[Alarm], second: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """Alarms of two sources, those that ask to leave first; for the same sign the stronger one."""
    found: dict[str, Alarm] = {}
    for one in sorted((*first, *second), key=lambda alarm: alarm.act is not Act.LEAVE):
        found.setdefault(one.code, one)
    return tuple(found.values())


def _name(state: MarketState) -> MarketName:
    return (str(state.market.chain), str(state.market.id))


Remembered = dict[MarketName, list[Reading]]


def _remembered(folder: Path, snapshot: Snapshot, states: Sequence[MarketState], policy: Policy) -> Remembered:
    """Readings in memory of the snapshot's markets, and of collaterals on its chain and the home chain."""
    if not folder.is_dir():
        return {}
    from yieldbot.history.recent import recent

    store, now, chain = Store(folder), snapshot.block.timestamp, str(snapshot.block.chain)
    assets = policy.alarms.collaterals
    own = {str(one.market.id): key_of(one).asset_address for one in states}
    found = recent(store, chain, now, KEPT + 2 * DAY, own, assets)
    here = {
        (chain, market): [row for row in rows if not row.key.asset_address or row.key.asset_address == own[market]]
        if market in own
        else rows
        for market, rows in found.items()
    }
    abroad: Remembered = {}
    if chain != HOME and chain.startswith("eip155:"):
        abroad = {(HOME, name): rows for name, rows in recent(store, HOME, now, 2 * DAY, (), assets).items()}
    return here | abroad


def _learn(lookout: Lookout, readings: Remembered, now: int, judged_hours: float) -> None:
    """Feed the lookout with memory's readings: the last ``judged_hours`` are judged as they were then, so that a sign
    between two runs counts."""
    since = now - round(judged_hours * 3600)
    looks: dict[int, dict[MarketName, Sight]] = {}
    for name, rows in readings.items():
        sights = [sight_of(row) for row in rows]
        lookout.learn(name, (one for one in sights if one.time < since))
        for one in sights:
            if one.time >= since:
                looks.setdefault(one.time, {})[name] = one
    for _, together in sorted(looks.items()):
        lookout.see(together, remembered=True)
