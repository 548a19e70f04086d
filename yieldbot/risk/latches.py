"""Alarms that stand: one look raises an alarm, several looks without its sign lift it. Pure.

There is one latch for each sign and act in a market: that a peg is 1 % off (leave) may pass while it is still 0.5 % off
(stop).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AlarmLifted, AlarmRaised
from yieldbot.model.alarm_limits import AT_ONCE, AlarmLimits
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId, MarketId
from yieldbot.model.risk import Act, Alarm, Evidence
from yieldbot.risk.sight import MarketName
from yieldbot.risk.triggers import Found

AGAIN_SECONDS = 3600
"""Seconds after which an alarm whose sign is still observed is written to the journal again, so that after a restart it
is known when the sign was last observed."""
LIVE = frozenset({"BLACKLIST", "CONTROL_WEAKER", "PENDING_CHANGE", "ORACLE", "MISSING", "SUPPLY_JUMP"})
"""Signs that stored readings cannot show: only a look at the chain can lift their alarms."""
OF_HOLDINGS = frozenset({"CASH_THIN"})
"""Signs that are about what one account holds: their alarms name it, and stand for it alone."""

Key = tuple[str, Act]
"""(code of the sign, what it asks for)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """One alarm that stands."""

    saw: str
    """Description of the sign as it was last observed."""
    since: int
    """Unix seconds at which the sign was first observed."""
    last: int
    """Unix seconds at which the sign was last observed."""
    clear: int = 0
    """Number of consecutive looks since then without the sign."""
    evidence: tuple[Evidence, ...] = ()
    """The numbers that show the sign."""
    about: str = ""
    """Address of the collateral whose danger it is; empty: it is the market's own."""
    owner: str = ""
    """The account whose holding showed the sign, as the journal has it; empty: none, or the present look's."""


Latches = Mapping[Key, Latch]


def turned(
    before: Latches, found: Iterable[Found], now: int, limits: AlarmLimits, *, remembered: bool = False
) -> dict[Key, Latch]:
    """The latches after one more look at a market.

    A sign that is found stands from its first look on. One that is not found stands until ``clear_readings``
    consecutive looks have not shown it and its cooldown is over. remembered: the look comes from memory, which cannot
    show the signs of ``LIVE``.
    """
    made: dict[Key, Latch] = {}
    for one in found:
        old = before.get((one.code, one.act))
        if old is not None and now < old.last:  # a look from memory: the journal already knows more
            made[one.code, one.act] = old
            continue
        since = now if old is None else old.since
        made[one.code, one.act] = Latch(saw=one.saw, since=since, last=now, evidence=one.evidence, about=one.about)
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
    """The alarms of the latches, those that ask to leave first; for the same sign only the stronger one."""
    found = dict[str, Alarm]()
    for code, act in sorted(latches, key=lambda key: (key[1] is not Act.LEAVE, key[0])):
        one = latches[code, act]
        ago = (now - one.last) / 3600
        saw = one.saw if one.last >= now else f"{one.saw} (last seen {ago:z.1f} h ago)"
        found.setdefault(
            code, Alarm(code=code, act=act, saw=saw, since=one.since, evidence=one.evidence, about=one.about)
        )
    return tuple(found.values())


def journalled(records: Iterable[Record], owner: str | None = None) -> dict[MarketName, dict[Key, Latch]]:
    """The latches that the journal records, by chain and market. owner: the account for which they are: an alarm about
    what another account holds is none of its own; None: for all accounts, of several the last."""
    found: dict[MarketName, dict[tuple[str, Act, str], Latch]] = {}
    for record in records:
        match record.entry:
            case AlarmRaised() as raised:
                of = found.setdefault((raised.chain, raised.market_id), {})
                of[raised.code, raised.act, raised.owner] = Latch(
                    saw=raised.saw, since=raised.since, last=raised.time, about=raised.about, owner=raised.owner
                )
            case AlarmLifted() as lifted:
                of = found.get((lifted.chain, lifted.market_id), {})
                of.pop((lifted.code, lifted.act, lifted.owner), None)
            case _:
                pass
    seen = {
        name: {
            (code, act): latch for (code, act, whose), latch in latches.items() if owner is None or whose in ("", owner)
        }
        for name, latches in found.items()
    }
    return {name: latches for name, latches in seen.items() if latches}


def news(
    before: Mapping[MarketName, Latches], after: Mapping[MarketName, Latches], now: int, owner: str = ""
) -> list[AlarmRaised | AlarmLifted]:
    """Journal entries for the changes in ``after`` that the journal does not have yet: alarms that are new, or whose
    sign was observed again; and alarms that were lifted. owner: the account whose markets were looked at."""
    found = list[AlarmRaised | AlarmLifted]()
    for (chain, market), latches in after.items():
        known = before.get((chain, market), {})
        for (code, act), one in latches.items():
            old = known.get((code, act))
            if old is None or old.since != one.since or one.last >= old.last + AGAIN_SECONDS:
                found.append(
                    AlarmRaised(
                        chain=ChainId(chain), market_id=MarketId(market), code=code, act=act, saw=one.saw,
                        since=one.since, time=one.last, about=one.about, owner=owner if code in OF_HOLDINGS else "",
                    )
                )  # fmt: skip
        found += [
            AlarmLifted(chain=ChainId(chain), market_id=MarketId(market), code=code, act=act, time=now, owner=old.owner)
            for (code, act), old in known.items()
            if (code, act) not in latches
        ]
    return found


def not_written_meanwhile(
    entries: Iterable[AlarmRaised | AlarmLifted],
    before: Mapping[MarketName, Latches],
    now: Mapping[MarketName, Latches],
) -> list[AlarmRaised | AlarmLifted]:
    """The entries of ``news`` without those that say what another account of the same run wrote after ``before`` was
    read. before, now: the latches that the journal recorded then and records now, for the account that looked."""
    found = list[AlarmRaised | AlarmLifted]()
    for one in entries:
        market, key = (str(one.chain), one.market_id), (one.code, one.act)
        was, stands = (latches.get(market, {}).get(key) for latches in (before, now))
        if isinstance(one, AlarmLifted):
            said = stands is None
        else:
            said = stands is not None and stands != was and one.time < stands.last + AGAIN_SECONDS
        if not said:
            found.append(one)
    return found
