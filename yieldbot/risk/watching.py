"""State of the watch from look to look, and the messages after a look: grouped by market, each change reported once.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from yieldbot.model.controls import CONFIGURATOR, ControlEvent, Controls, Look, Part
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Backing
from yieldbot.model.money_flows import Holders
from yieldbot.model.notices import Severity
from yieldbot.model.risk import Alarm
from yieldbot.risk.controls import WEAKER, alarms_of_controls, differences, held, holders, still_open
from yieldbot.risk.issuance import daily
from yieldbot.risk.oracle_prices import stored
from yieldbot.risk.severity import severities
from yieldbot.risk.supplies import remembered

MOST_SEEN = 5000
"""Most events remembered as reported; older ones are before every later look."""
ROLE_EVENTS = ("RoleGranted", "RoleRevoked")
READER = 2
"""Version of how facts about controllers are read; raised when a version finds controllers that earlier ones did not
(2: owners that are proxies themselves, and proxies from before EIP-1967), since what is only known now did not
become weaker."""
OVERLAP_BLOCKS = 12
"""Blocks that the next look reads again, so that events moved by a reorganisation are not missed."""
MOST_LINES = 20
"""Most lines of one message; further ones are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchMemory:
    """State of one job's watch after its last look."""

    block: int
    """Block number (or slot) of that look."""
    time: int
    """Time of that block, in unix seconds."""
    began: int = 0
    """Block of the first look; earlier events are not news. 0: not recorded."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """``Look.known``."""
    last: Mapping[MarketId, Controls] = field(default_factory=dict)
    """The facts of the last look at each market."""
    accepted: Mapping[MarketId, Controls] = field(default_factory=dict)
    """The facts that later ones are compared with: the last ones without a weakness, or accepted by a person."""
    open: tuple[ControlEvent, ...] = ()
    """Announced changes that are pending."""
    seen: tuple[str, ...] = ()
    """Keys of events that were reported."""
    alarms: Mapping[MarketId, tuple[Alarm, ...]] = field(default_factory=dict)
    """The alarms that stand."""
    backing: Mapping[MarketId, Backing] = field(default_factory=dict)
    """What backs each market's money in the end, by the last look at it."""
    holders: Mapping[MarketId, Holders] = field(default_factory=dict)
    """The largest depositors of each market, by the last look at it."""
    lost: Mapping[MarketId, float] = field(default_factory=dict)
    """Bad debt realised in each market since the first look, in whole tokens."""
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """``Look.prices`` of the last look that had some."""
    priced: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """Prices of the last days (``risk/oracle_prices.stored``)."""
    supplies: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """Total supplies of each token that backs markets, (unix seconds, base units), over the looks of the last days
    (``risk/supplies.py``)."""
    daily: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """Supplies of the same tokens and of reward tokens, (unix seconds, base units), one for each of the last days
    (``risk/issuance.py``)."""
    reward_ends: Mapping[MarketId, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    """``Look.reward_ends``, by the last look at each market."""
    concentration: Mapping[MarketId, float] = field(default_factory=dict)
    """The fraction of the largest depositor that was last reported."""
    reader: int = 1
    """``READER`` of the version that read the facts."""

    @property
    def since(self) -> int:
        """The block after which the next look reads events."""
        return max(self.began, self.block - OVERLAP_BLOCKS, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is new about one market."""

    market: MarketId
    """The market."""
    lines: tuple[str, ...]
    """What changed or is about to change, a line each."""
    severities: tuple[Severity, ...]
    """How grave each line is: of events and calls by ``severities.toml``, of differences between looks a warning."""
    alarms: tuple[Alarm, ...] = ()
    """Alarms raised by this look."""
    ended: tuple[Alarm, ...] = ()
    """Alarms that ended with this look."""


def advance(
    memory: WatchMemory | None, look: Look, more: Mapping[MarketId, tuple[str, ...]] | None = None
) -> tuple[WatchMemory, tuple[Message, ...]]:
    """(the state after a look, what is new: a message for each market). A market that the look lacks keeps its facts
    and alarms. more: further lines, by market."""
    before = _as_now(memory or WatchMemory(block=look.block, time=look.time, began=look.block, reader=READER), look)
    said = frozenset(before.seen)
    news = tuple(event for event in look.events if event.key not in said)
    standing = still_open(before.open, news, look.time)
    first_seen = {(market, one.saw): one.since for market, alarms in before.alarms.items() for one in alarms}
    found = alarms_of_controls(before.accepted, look.controls, standing, look.time, first_seen)
    alarms = {market: old for market, old in before.alarms.items() if market not in look.controls} | found
    accepted = dict(before.accepted)
    for market, controls in look.controls.items():
        if not controls.missing and not any(alarm.code == WEAKER for alarm in found.get(market, ())):
            accepted[market] = controls
    after = WatchMemory(
        block=look.block,
        time=look.time,
        began=before.began,
        known=look.known,
        last={**before.last, **{m: c for m, c in look.controls.items() if not c.missing or m not in before.last}},
        accepted=accepted,
        open=standing,
        seen=(*before.seen, *(event.key for event in news))[-MOST_SEEN:],
        alarms=alarms,
        backing={**before.backing, **look.backing},
        holders={**before.holders, **look.holders},
        lost={**before.lost, **{m: before.lost.get(m, 0.0) + more for m, more in look.lost.items()}},
        prices=look.prices or before.prices,
        priced=stored(before.priced, look.prices, {**before.backing, **look.backing}, look.time),
        supplies=remembered(before.supplies, look.supplies, look.time),
        daily=daily(before.daily, look.supplies, look.time),
        reward_ends={**before.reward_ends, **look.reward_ends},
        concentration=before.concentration,
        reader=READER,
    )
    messages = (
        _message(
            controls,
            before.last.get(market),
            news,
            before.alarms.get(market, ()),
            found.get(market, ()),
            (more or {}).get(market, ()),
        )
        for market, controls in look.controls.items()
    )
    return after, tuple(one for one in messages if one.lines or one.alarms or one.ended)


def _as_now(before: WatchMemory, look: Look) -> WatchMemory:
    """The state before a look whose facts can be compared with those of the look. If an earlier version read them, the
    look's own facts take their place, except in markets where an alarm about them stands."""
    if before.reader == READER:
        return before
    stand = {market for market, alarms in before.alarms.items() if any(one.code == WEAKER for one in alarms)}
    fresh = {market: one for market, one in look.controls.items() if market not in stand and not one.missing}
    return replace(before, accepted={**before.accepted, **fresh}, last={**before.last, **fresh})


def _message(
    now: Controls,
    last: Controls | None,
    news: Iterable[ControlEvent],
    stood: tuple[Alarm, ...],
    stand: tuple[Alarm, ...],
    more: tuple[str, ...],
) -> Message:
    old = {one.address: one for one in last.contracts} if last else {}
    names = {
        one.address.lower(): f"{one.name or one.part} {one.address[:6]}…{one.address[-4:]}" for one in now.contracts
    }
    lines = dict[str, Severity]()
    for one in now.contracts:
        for words in differences(old[one.address], one) if one.address in old else ():
            lines[f"{names[one.address.lower()]}: {words}"] = Severity.WARNING
    mine, steers = frozenset(names), holders(now)
    shared = {one.address.lower(): one.name == CONFIGURATOR for one in now.contracts}
    tokens = {one.address.lower() for one in now.contracts if one.part in (Part.ASSET, Part.COLLATERAL, Part.BACKER)}
    told = {who for one in now.contracts if one.address in old for who, _ in held(old[one.address], one) if who}
    for event in news:
        at = event.contract.lower()
        if event.what in ROLE_EVENTS and any(who in event.words.lower() for who in told):
            continue  # the difference says it, and who the holder is
        if shared.get(at) and not any(token in event.words.lower() for token in tokens):
            continue  # about another market of the same pool
        if at in mine or at in steers:
            where = f" (block {event.block:,})" if event.block else ""
            found = severities().of(event)
            why = "" if found.severity is Severity.INFO else f" [{found.why}]"
            lines[f"{names.get(at, event.contract)}: {event.words}{where}{why}"] = found.severity
    lines |= dict.fromkeys(more, Severity.WARNING)
    if len(lines) > MOST_LINES:
        kept, rest = list(lines.items())[: MOST_LINES - 1], list(lines.values())[MOST_LINES - 1 :]
        lines = dict(kept) | {f"and {len(rest)} further changes": max(rest, key=lambda one: one.rank)}
    before, after = {one.saw for one in stood}, {one.saw for one in stand}
    return Message(
        market=now.market,
        lines=tuple(lines),
        severities=tuple(lines.values()),
        alarms=tuple(one for one in stand if one.saw not in before),
        ended=tuple(one for one in stood if one.saw not in after),
    )


def accept(memory: WatchMemory, markets: Iterable[MarketId]) -> WatchMemory:
    """The state after a person accepted the present controllers of these markets: later looks are compared with
    them."""
    chosen = {market for market in markets if market in memory.last}
    kept = {
        market: tuple(one for one in alarms if market not in chosen or one.code != WEAKER)
        for market, alarms in memory.alarms.items()
    }
    return replace(
        memory,
        accepted={**memory.accepted, **{market: memory.last[market] for market in chosen}},
        alarms={market: alarms for market, alarms in kept.items() if alarms},
    )
