"""Alarms that stand: one look raises an alarm, several lift it. Pure.

A latch is one sign in one market, for what it asks for: that a peg is 1 % off may pass while it still is 0.5 % off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AlarmLifted, AlarmRaised
from yieldbot.model.alarm_limits import AT_ONCE, AlarmLimits
from yieldbot.model.ids import ChainId, MarketId
from yieldbot.model.risk import Act, Alarm, Evidence
from yieldbot.risk.sight import MarketName
from yieldbot.risk.triggers import Found

AGAIN_SECONDS = 3600
"""An alarm whose sign is still seen is journalled again after so long: a restart knows when it was seen last."""
LIVE = frozenset({"BLACKLIST", "CONTROL_WEAKER", "PENDING_CHANGE", "ORACLE", "LOW_GRADE", "MISSING", "SUPPLY_JUMP"})
"""Signs that memory's readings do not show: only a look at the chain lifts their alarms."""

Key = tuple[str, Act]
"""A sign, and what it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """One alarm that stands."""

    saw: str
    """What was seen when it was seen last."""
    since: int
    """Unix seconds at which it was first seen."""
    last: int
    """Unix seconds at which it was seen last."""
    clear: int = 0
    """Looks in a row since then that did not show it."""
    evidence: tuple[Evidence, ...] = ()
    """What it rests on."""


Latches = Mapping[Key, Latch]


def turned(
    before: Latches, found: Iterable[Found], now: int, limits: AlarmLimits, *, remembered: bool = False
) -> dict[Key, Latch]:
    """What stands after one more look at a market.

    A sign that is found stands from its first look on. One that is not stands until ``clear_readings`` looks in a row
    have not shown it and its cooldown is over. remembered: the look is memory's, in which what is only read from the
    chain cannot be seen.
    """
    made: dict[Key, Latch] = {}
    for one in found:
        old = before.get((one.code, one.act))
        if old is not None and now < old.last:  # memory's, of which the journal knows more
            made[one.code, one.act] = old
            continue
        since = now if old is None else old.since
        made[one.code, one.act] = Latch(saw=one.saw, since=since, last=now, evidence=one.evidence)
    for key, old in before.items():
        if key in made:
            continue
        if now <= old.last:
            made[key] = old
            continue
        clear, enough = old.clear + 1, 1 if key[0] in AT_ONCE else limits.clear_readings
        over = clear >= enough and now - old.last >= limits.hours(key[0]) * 3600
        if not over or (remembered and key[0] in LIVE):
            made[key] = replace(old, clear=clear)
    return made


def alarms(latches: Latches, now: int) -> tuple[Alarm, ...]:
    """The alarms of what stands, those that ask to leave first; of one sign the stronger alone."""
    found = dict[str, Alarm]()
    for code, act in sorted(latches, key=lambda key: (key[1] is not Act.LEAVE, key[0])):
        one = latches[code, act]
        ago = (now - one.last) / 3600
        saw = one.saw if one.last >= now else f"{one.saw} (last seen {ago:.1f} h ago)"
        found.setdefault(code, Alarm(code=code, act=act, saw=saw, since=one.since, evidence=one.evidence))
    return tuple(found.values())


def journalled(records: Iterable[Record]) -> dict[MarketName, dict[Key, Latch]]:
    """What stands by the journal, by chain and market."""
    found: dict[MarketName, dict[Key, Latch]] = {}
    for record in records:
        match record.entry:
            case AlarmRaised() as raised:
                of = found.setdefault((raised.chain, raised.market_id), {})
                of[raised.code, raised.act] = Latch(saw=raised.saw, since=raised.since, last=raised.time)
            case AlarmLifted() as lifted:
                found.get((lifted.chain, lifted.market_id), {}).pop((lifted.code, lifted.act), None)
            case _:
                pass
    return {name: latches for name, latches in found.items() if latches}


def news(
    before: Mapping[MarketName, Latches], after: Mapping[MarketName, Latches], now: int
) -> list[AlarmRaised | AlarmLifted]:
    """What the journal does not know yet of the markets in ``after``: alarms that stand and it has not, or whose sign
    was seen again; and those that stand no more."""
    found = list[AlarmRaised | AlarmLifted]()
    for (chain, market), latches in after.items():
        known = before.get((chain, market), {})
        for (code, act), one in latches.items():
            old = known.get((code, act))
            if old is None or old.since != one.since or one.last >= old.last + AGAIN_SECONDS:
                found.append(
                    AlarmRaised(
                        chain=ChainId(chain), market_id=MarketId(market), code=code, act=act, saw=one.saw,
                        since=one.since, time=one.last,
                    )
                )  # fmt: skip
        found += [
            AlarmLifted(chain=ChainId(chain), market_id=MarketId(market), code=code, act=act, time=now)
            for code, act in known
            if (code, act) not in latches
        ]
    return found
