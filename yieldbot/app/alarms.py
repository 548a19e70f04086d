"""Determines which alarms stand in a snapshot's markets, from the chain now, memory, the journal and the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.memory import FOLDER
from yieldbot.execution.world import records_of
from yieldbot.history.observed import NO_MARKETS, key_of
from yieldbot.history.once import files_state, once
from yieldbot.history.reading import MarketKey
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AlarmLifted, AlarmRaised
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.names import of_table
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act, Alarm
from yieldbot.model.text import one_line
from yieldbot.risk.alarm_candidates import Candidates, alarm_candidates
from yieldbot.risk.blacklist import blacklisted
from yieldbot.risk.latches import Latches, journalled, news, not_written_meanwhile
from yieldbot.risk.look_through import locked_below
from yieldbot.risk.lookout import HOME, Lookout, medians_of
from yieldbot.risk.passed_on import passed_on
from yieldbot.risk.sight import (
    MarketName,
    Sight,
    Subject,
    sane,
    sight_of,
    sight_of_state,
    subject_of,
    subject_of_state,
)
from yieldbot.risk.sight_window import DAY, KEPT
from yieldbot.risk.triggers import Found
from yieldbot.risk.unserved import unserved

if TYPE_CHECKING:
    from yieldbot.execution.world import Wiring
    from yieldbot.history.recent import Recent
    from yieldbot.model.settings import Job

Entries = tuple[AlarmRaised | AlarmLifted, ...]


def with_alarms(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    records: Sequence[Record] = (),
    more: Mapping[MarketId, Sequence[Found]] | None = None,
) -> tuple[Snapshot, Entries]:
    """(the snapshot with the alarms in force in each market, journal entries for changes that the journal does not
    have yet).

    Alarms already in the snapshot are kept. more: signs of danger found in other ways (who may change a contract,
    grades); they are latched like all others. If memory exists but cannot be read, each market gets no new money
    (MISSING), since nothing can be compared; no money leaves for that reason.
    """
    limits = policy.alarms
    states = [one for one in snapshot.states.values() if one.market.kind not in NO_MARKETS]
    now = snapshot.block.timestamp
    chain = str(snapshot.block.chain)
    found: dict[MarketName, list[Found]] = {}
    late = unserved(snapshot, records, limits)
    for hits in (blacklisted(snapshot, policy.blacklist), locked_below(states, limits, now), late):
        for market_id, hit in hits.items():
            found.setdefault((chain, market_id), []).append(hit)
    for market_id, signs in (more or {}).items():
        found.setdefault((chain, market_id), []).extend(signs)
    own = {_name(one): subject_of_state(snapshot, one, of_table(limits.off_for, one.market, ())) for one in states}
    before = journalled(records, str(snapshot.owner))
    live = {_name(one): sight_of_state(snapshot, one) for one in states}
    try:
        memory, abroad = _remembered(data_dir / FOLDER, snapshot, states, policy)
        judged = {*found, *before, *(_name(one) for one in states if one.alarms)}
        addresses = {_name(one): key_of(one).asset_address for one in states}
        lookout, medians = _looked_out(memory, abroad, live, own, addresses, judged, limits, before, now)
        seen = {name: sight for name, sight in live.items() if name in lookout.names}
        if medians is not None:
            medians = medians_of(own, {name: sane(sight) for name, sight in live.items()})
    except Exception as failure:  # any fault is reported, and no new money goes in
        lookout, seen, medians = Lookout(limits, own, before), live, None
        why = f"{data_dir / FOLDER}: memory cannot be read ({one_line(str(failure), 200)})"
        say(f"{why}: no new money goes in")
        for name in own:
            found.setdefault(name, []).append(Found(code="MISSING", act=Act.STOP, saw=why))
    after = lookout.see(seen, found, chain=True, medians=medians)
    if not any(after.values()) and all(not latches for latches in before.values()):
        return passed_on(snapshot, limits), ()
    shown = {
        key: replace(state, alarms=joined(state.alarms, lookout.alarms(_name(state), now)))
        if _name(state) in after
        else state
        for key, state in snapshot.states.items()
    }
    known = {name: latches for name, latches in before.items() if name in after}
    return passed_on(replace(snapshot, states=shown), limits), tuple(news(known, after, now, str(snapshot.owner)))


def note(world: Wiring, job: Job, records: Sequence[Record], entries: Entries) -> None:
    """Journal changes of alarms, without those that another account's job of this run has written since ``records``
    were read: accounts with the same markets look at the same time."""
    before, now = (journalled(known, str(job.wallet.address)) for known in (records, records_of(world, job)))
    if fresh := not_written_meanwhile(entries, before, now):
        world.journal.append(*fresh)


def joined(first: Sequence[Alarm], second: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """Alarms of two sources, those that ask to leave first; for the same sign the stronger one."""
    found: dict[str, Alarm] = {}
    for one in sorted((*first, *second), key=lambda alarm: alarm.act is not Act.LEAVE):
        found.setdefault(one.code, one)
    return tuple(found.values())


def _name(state: MarketState) -> MarketName:
    return (str(state.market.chain), str(state.market.id))


def _remembered(
    folder: Path, snapshot: Snapshot, states: Sequence[MarketState], policy: Policy
) -> tuple[Recent | None, Recent | None]:
    """(readings of the snapshot's markets and of collaterals on its chain, readings of collaterals on the home
    chain)."""
    if not folder.is_dir():
        return None, None
    from yieldbot.history.recent import thinned

    store, now, chain = Store(folder), snapshot.block.timestamp, str(snapshot.block.chain)
    assets = policy.alarms.collaterals

    def shared(chain: str, seconds: int, markets: frozenset[str]) -> Recent:
        state = files_state(folder, chain, now - seconds, now)
        asked = store, chain, now, seconds, markets, assets
        return once("recent", (folder, state, *asked[1:]), lambda: thinned(*asked), most=4)

    here = shared(chain, KEPT + 2 * DAY, frozenset(str(one.market.id) for one in states))
    if chain == HOME or not chain.startswith("eip155:"):
        return here, None
    return here, shared(HOME, 2 * DAY, frozenset())


def _looked_out(
    memory: Recent | None,
    abroad: Recent | None,
    live: Mapping[MarketName, Sight],
    own: Mapping[MarketName, Subject],
    addresses: Mapping[MarketName, str],
    judged: Set[MarketName],
    limits: AlarmLimits,
    before: Mapping[MarketName, Latches],
    now: int,
) -> tuple[Lookout, Mapping[MarketName, float] | None]:
    """(a lookout, the medians of rates to pass to ``Lookout.see``; None: the lookout has every market and computes them
    itself). The lookout has the stored readings of every market that could show a sign of danger, and has judged those
    of the last hours one after another, so that signs between two runs count. judged: markets that are judged in any
    case."""
    if memory is None:
        return Lookout(limits, own, before), None
    since = now - round(limits.cooldown_hours * 3600)
    others = {**_subjects(memory), **({} if abroad is None else _subjects(abroad))}
    subjects = {**others, **own}
    whole = Candidates(frozenset(subjects))  # if some readings are of another asset, no market is left out
    if _of_their_assets(memory, addresses):
        whole = alarm_candidates(memory, live, subjects, limits, since, abroad)
    names = whole.names | judged
    all_of_them = names >= subjects.keys()
    lookout = Lookout(limits, {name: subjects[name] for name in subjects if name in names or name not in own}, before)
    looks: dict[int, dict[MarketName, Sight]] = {}
    for part in (memory, abroad):
        for place, market in enumerate(part.markets if part is not None else ()):
            assert part is not None
            name = (part.chain, market)
            if name not in names and part is memory:
                continue
            rows, ours = part.rows(place), addresses.get(name)
            sights = [sight_of(row) for row in rows if ours is None or row.asset_address in ("", ours)]
            lookout.learn(name, (one for one in sights if one.time < since))
            for one in sights:
                if one.time >= since:
                    looks.setdefault(one.time, {})[name] = one
    for time, together in sorted(looks.items()):
        lookout.see(together, remembered=True, medians=None if all_of_them else whole.medians.get(time, {}))
    return lookout, None if all_of_them else {}


def _subjects(memory: Recent) -> dict[MarketName, Subject]:
    """The markets that memory knows, each described by its newest reading."""
    words, codes = memory.words, memory.codes
    found: dict[MarketName, Subject] = {}
    for market, end in zip(memory.markets, memory.starts[1:].tolist(), strict=True):
        protocol, asset = (
            words[name][code] if (code := int(codes[name][end - 1])) >= 0 else "" for name in ("protocol", "asset")
        )
        found[memory.chain, market] = subject_of(
            MarketKey(chain=memory.chain, market=market, protocol=protocol, asset=asset)
        )
    return found


def _of_their_assets(memory: Recent, addresses: Mapping[MarketName, str]) -> bool:
    """Whether all of memory's readings of our markets are of the asset that they have now."""
    words, cells = memory.words["asset_address"], memory.codes["asset_address"]
    for market, low, high in zip(memory.markets, memory.starts.tolist(), memory.starts[1:].tolist(), strict=False):
        ours = addresses.get((memory.chain, market))
        if ours is not None and any(
            code >= 0 and words[code] not in ("", ours) for code in set(cells[low:high].tolist())
        ):
            return False
    return True
