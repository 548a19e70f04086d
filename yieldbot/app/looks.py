"""Looks at who controls the contracts that markets depend on: reads them, stores them in data_dir/watch, and adds their
alarms to snapshots.

There is one file for each chain and its job's assets. If a look fails, one line says so, and alarms in force stay in
force; a file that cannot be read stops new money until it is removed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import notice_memory
from yieldbot.app.flows import flow_lines
from yieldbot.app.notice_watch import watched
from yieldbot.errors import ConfigError, TransientError
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.controls import Dependency
from yieldbot.model.dataclass import dataclass
from yieldbot.model.risk import Act
from yieldbot.model.text import one_line
from yieldbot.risk.controls import WEAKER
from yieldbot.risk.issuance import growth_of
from yieldbot.risk.oracle_prices import FEEDS, checked, feeds_of, oracle_signs
from yieldbot.risk.supplies import jumps
from yieldbot.risk.triggers import Found
from yieldbot.risk.watching import Message, WatchMemory, advance

if TYPE_CHECKING:
    from yieldbot.chains.ports import Watch
    from yieldbot.model.controls import Controls, Look
    from yieldbot.model.ids import MarketId
    from yieldbot.model.look_through import Backing, Priced
    from yieldbot.model.market import Snapshot
    from yieldbot.model.money_flows import Holders
    from yieldbot.model.settings import Job

LOST_SECONDS = 30 * 86_400
"""Seconds for which a market's contracts are still read after the market itself was last read successfully."""
FOLDER = "watch"
"""The folder below the data directory."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One look, and what has changed since the one before."""

    look: Look
    """The look."""
    memory: WatchMemory
    """What is stored now, for the next look."""
    messages: tuple[Message, ...]
    """What has changed or is announced, by market."""
    first: bool
    """Whether it was the first look, in which nothing can be new."""
    recent: Mapping[MarketId, tuple[str, ...]] = field(default_factory=dict)
    """At the first look, by market, lines about large flows in the time before it and about its largest depositor."""


class Busy(TransientError):
    """Another process is looking at the same markets now."""


def file_of(data_dir: Path, job: Job) -> Path:
    """The file of a job's looks; jobs of the same chain and assets share it."""
    assets = "-".join(token.symbol for token in job.assets)
    return data_dir / FOLDER / f"{_safe(job.chain.chain)}-{_safe(assets)}.json"


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


async def take(
    live: Watch, job: Job, snapshot: Snapshot, data_dir: Path, *, held: bool = False, follow: Collection[str] = ()
) -> Taken:
    """Look at the contracts that the snapshot's markets depend on, and store the look. held: only markets that hold
    money of ours. follow: addresses all of whose deposits and withdrawals are reported, however small.

    Raises TransientError if the chain cannot be read or another process is looking, ConfigError if the stored look
    cannot be read.
    """
    file = file_of(data_dir, job)
    with _alone(file):
        before = load(file)
        there = {*snapshot.states, *(one.market.id for one in snapshot.quarantined if one.market.params)}
        lost = {
            market: [Dependency(one.address, one.part, one.name) for one in controls.contracts]
            for market, controls in (before.last if before else {}).items()
            if before and market not in there and before.time - controls.time < LOST_SECONDS
        }
        shown = snapshot
        if held:
            own = {market: state for market, state in snapshot.states.items() if state.held}
            shown = replace(snapshot, states=own, quarantined=())
        if before is not None:
            shown = with_backing(shown, before.backing)
        since = before.since if before else None
        look = await live.look(shown, before.known if before else {}, since, lost, follow)
        if feeds := feeds_of(snapshot):
            look = replace(look, prices={**look.prices, FEEDS: feeds})
        lines, told = flow_lines(look, before, shown, data_dir, follow)
        memory, messages = advance(before, look, lines if before is not None else None)
        memory = replace(memory, concentration=told)
        save(file, memory)
    notice_memory.put(data_dir, watched(shown, messages))
    return Taken(look, memory, messages, before is None, {} if before is not None else lines)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy(f"{file.stem}: another process looks at these markets now") from None
        yield


@cache
def _codec() -> Any:
    from pydantic import TypeAdapter

    from yieldbot.model import controls, ids, look_through, money_flows, risk

    names = {**vars(controls), **vars(ids), **vars(look_through), **vars(money_flows), **vars(risk)}
    adapter = TypeAdapter(WatchMemory)
    adapter.rebuild(force=True, raise_errors=True, _types_namespace={**names, "Mapping": Mapping, "Any": Any})
    return adapter


def load(file: Path) -> WatchMemory | None:
    """The stored look; None: there is none. Raises ConfigError for a file that cannot be read."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise ConfigError(f"{file}: cannot be read ({failure.strerror})") from None
    try:
        found: WatchMemory = _codec().validate_json(text)
    except ValueError as nonsense:
        why = one_line(str(nonsense), 120)
        remedy = "look at what the markets stand on, then remove the file: the next look begins anew"
        raise ConfigError(f"{file}: is not a file of the watch ({why}): {remedy}") from None
    return found


def save(file: Path, memory: WatchMemory) -> None:
    """Store a look, completely or not at all, even if the process is killed."""
    new = file.with_suffix(".new")
    with new.open("wb") as out:
        out.write(_codec().dump_json(memory))
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


@dataclass(frozen=True, slots=True)
class Standing:
    """The results of the last looks at a chain's markets."""

    controls: Mapping[MarketId, Controls]
    """Who controls the contracts that each market depends on."""
    signs: Mapping[MarketId, tuple[Found, ...]]
    """The alarms in force."""
    backing: Mapping[MarketId, Backing] = field(default_factory=dict)
    """What backs each market's money in the end, seen through vaults (look-through)."""
    holders: Mapping[MarketId, Holders] = field(default_factory=dict)
    """The depositors of each market."""
    growth: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By a token's address, (growth of its supply as a fraction, days over which it was measured)."""
    reward_ends: Mapping[MarketId, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    """The ends of reward programmes that are not part of yields (``Look.reward_ends``)."""
    lost: Mapping[MarketId, float] = field(default_factory=dict)
    """Bad debt that was realised in each market since the first look, in whole tokens."""
    priced: Mapping[MarketId, tuple[Priced, ...]] = field(default_factory=dict)
    """The prices of its collaterals that each market lends by, held against other sources."""


def standing(
    snapshot: Snapshot, data_dir: Path, say: Callable[[str], None], limits: AlarmLimits | None = None
) -> Standing:
    """The results of the last looks at the snapshot's markets. limits: the thresholds of alarms; None: the shipped
    ones. A file that cannot be read is one line by ``say``, and raises in every market an alarm that stops new money,
    since changes could not be noticed."""
    folder = data_dir / FOLDER
    controls: dict[MarketId, Controls] = {}
    signs: dict[MarketId, list[Found]] = {}
    backing: dict[MarketId, Backing] = {}
    holders: dict[MarketId, Holders] = {}
    debts: dict[MarketId, float] = {}
    growth: dict[str, tuple[float, float]] = {}
    ends: dict[MarketId, tuple[tuple[str, int | None], ...]] = {}
    priced: dict[MarketId, tuple[Priced, ...]] = {}
    for file in sorted(folder.glob(f"{_safe(snapshot.block.chain)}-*.json")) if folder.is_dir() else ():
        try:
            memory = load(file)
        except ConfigError as fault:
            say(str(fault))
            lost = Found(code=WEAKER, act=Act.STOP, saw=one_line(str(fault), 200))
            for market in snapshot.states:
                signs.setdefault(market, []).append(lost)
            continue
        if memory is None:
            continue
        controls |= {m: c for m, c in memory.last.items() if m not in controls or controls[m].block < c.block}
        backing |= {m: b for m, b in memory.backing.items() if m not in backing or backing[m].block < b.block}
        growth |= growth_of(memory.daily)
        ends |= memory.reward_ends
        debts |= {m: max(amount, debts.get(m, 0.0)) for m, amount in memory.lost.items()}
        holders |= {m: h for m, h in memory.holders.items() if m not in holders or holders[m].block < h.block}
        for market, alarms in memory.alarms.items():
            found = [Found(code=one.code, act=one.act, saw=one.saw, evidence=one.evidence) for one in alarms]
            signs.setdefault(market, []).extend(found)
        used, checks = limits or AlarmLimits(), checked(memory.backing, memory.prices, memory.priced)
        for odd in (
            jumps(memory.backing, memory.supplies, used),
            oracle_signs(checks, memory.backing, used),
        ):
            for market, grown in odd.items():
                signs.setdefault(market, []).extend(grown)
        priced |= checks
    idle = {state.market.id for state in snapshot.idle}
    mine = {market: tuple(found) for market, found in signs.items() if market in snapshot.states and market not in idle}
    return Standing(controls, mine, backing, holders, growth, ends, debts, priced)


def with_backing(snapshot: Snapshot, backing: Mapping[MarketId, Backing]) -> Snapshot:
    """The snapshot with what backs each market's money, where a look has read it."""
    states = {
        key: replace(state, backing=backing[key]) if key in backing else state for key, state in snapshot.states.items()
    }
    return replace(snapshot, states=states)


async def refresh(
    live: Watch,
    job: Job,
    snapshot: Snapshot,
    data_dir: Path,
    say: Callable[[str], None],
    follow: Collection[str] = (),
) -> None:
    """Take a look during a run, and print what is new by ``say``. If the look fails, one line says so, and alarms in
    force stay in force. follow: as in ``take``."""
    try:
        taken = await take(live, job, snapshot, data_dir, follow=follow)
    except Busy:
        return
    except Exception as failure:  # a fault of a look must not stop a run
        say(f"{job.chain.name}: the controllers of its markets were not looked at: {one_line(str(failure), 300)}")
        return
    names = {state.market.id: state.market.name for state in snapshot.states.values()}
    if taken.look.cut:
        say(f"{job.chain.name}: events since the last look are missing: {taken.look.cut}")
    for note in taken.look.notes:
        say(f"{job.chain.name}: {note}")
    for message in taken.messages:
        for line in (*message.lines, *(f"{one.act.upper()} {one.code}: {one.saw}" for one in message.alarms)):
            say(f"{names.get(message.market, message.market)}: {line}")
