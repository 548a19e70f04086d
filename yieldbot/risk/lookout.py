"""Watches markets look by look: live runs, backtests and the scoring of recordings raise alarms by this alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.risk import Act, Alarm
from yieldbot.risk.latches import Key, Latch, Latches, alarms, turned
from yieldbot.risk.past import DAY, Past
from yieldbot.risk.sight import MarketName, Sight, Subject, sane
from yieldbot.risk.triggers import PEERS, Case, Found, bounded, found_in

HOME = "eip155:1"
"""Where the protocols of EVM chains began, and most of their money is: a collateral that is locked there is a warning
on their other chains."""
FRESH = DAY
"""Seconds for which another market's look counts."""


class Lookout:
    """Several markets, watched in the order of time."""

    def __init__(
        self,
        limits: AlarmLimits,
        subjects: Mapping[MarketName, Subject],
        standing: Mapping[MarketName, Latches] | None = None,
    ) -> None:
        """subjects: every market that will be seen, those too that only others are judged by. standing: what the
        journal says that stands."""
        self._limits, self._subjects = limits, dict(subjects)
        self._past = {name: Past() for name in subjects}
        off = {name: {*limits.off, *one.off} for name, one in subjects.items()}
        self._latches: dict[MarketName, dict[Key, Latch]] = {
            name: {key: latch for key, latch in (standing or {}).get(name, {}).items() if key[0] not in off[name]}
            for name in subjects
        }
        self._collaterals: dict[str, dict[MarketName, Subject]] = {}
        for name, one in subjects.items():
            if one.asset.upper() in limits.collaterals:
                self._collaterals.setdefault(one.protocol, {})[name] = one
        self._newest: dict[MarketName, Sight] = {}

    @property
    def names(self) -> Set[MarketName]:
        """The markets that it watches."""
        return self._subjects.keys()

    def learn(self, name: MarketName, sights: Iterable[Sight]) -> None:
        """Looks of the past that are not judged."""
        past = self._past[name]
        for one in map(sane, sights):
            past.add(one)
            if name not in self._newest or one.time >= self._newest[name].time:
                self._newest[name] = one

    def see(
        self,
        sights: Mapping[MarketName, Sight],
        more: Mapping[MarketName, Sequence[Found]] | None = None,
        *,
        chain: bool = False,
        remembered: bool = False,
        medians: Mapping[MarketName, float] | None = None,
    ) -> dict[MarketName, Latches]:
        """What stands in each market that is looked at now. more: signs that others found now. chain: the looks are the
        chain's, so that what they lack is missing. remembered: they are memory's (``latches.turned``). medians: of the
        other markets' rates, where ``sights`` are not all that were looked at; None: they are."""
        sights = {name: sane(sight) for name, sight in sights.items()}
        for name, sight in sights.items():
            old = self._newest.get(name)
            if old is None or sight.time >= old.time:
                self._newest[name] = sight
        medians = medians_of(self._subjects, sights) if medians is None else medians
        found: dict[MarketName, Latches] = {}
        for name, sight in sights.items():
            subject = self._subjects[name]
            case = Case(
                subject=subject,
                now=sight,
                past=self._past[name],
                limits=self._limits,
                peers=medians.get(name),
                locked=self._locked(name, subject, sight.time),
                chain=chain,
            )
            off = {*self._limits.off, *subject.off}
            others = [bounded(one, self._limits) for one in (more or {}).get(name, ()) if one.code not in off]
            seen = _strongest([*found_in(case), *others])
            self._latches[name] = turned(self._latches[name], seen, sight.time, self._limits, remembered=remembered)
            found[name] = self._latches[name]
        for name, sight in sights.items():
            self._past[name].add(sight)
        return found

    def alarms(self, name: MarketName, now: int) -> tuple[Alarm, ...]:
        """What stands in a market."""
        return alarms(self._latches[name], now)

    def leaves(self, name: MarketName, codes: frozenset[str] | None = None) -> bool:
        """Whether an alarm stands that asks to leave; codes: of these alone."""
        return any(act is Act.LEAVE and (codes is None or code in codes) for code, act in self._latches[name])

    def _locked(self, name: MarketName, subject: Subject, now: int) -> dict[str, float]:
        """Collaterals of a market's shared pools whose own markets are locked, on its chain or the home chain."""
        found: dict[str, float] = {}
        for protocol in subject.through:
            for other, one in self._collaterals.get(protocol, {}).items():
                seen = self._newest.get(other)
                near = other[0] == name[0] or (other[0] == HOME and name[0].startswith("eip155:"))
                if other == name or one.asset == subject.asset or not near or seen is None:
                    continue
                use = seen.utilisation
                if use is not None and now - FRESH <= seen.time <= now and use >= self._limits.collateral_utilisation:
                    found[f"{one.asset} ({other[1]} on {other[0]})"] = use
        return found


def _strongest(found: Sequence[Found]) -> list[Found]:
    """Each sign and act once."""
    return list({(one.code, one.act): one for one in reversed(found)}.values())


def medians_of(subjects: Mapping[MarketName, Subject], sights: Mapping[MarketName, Sight]) -> dict[MarketName, float]:
    """Of each market the median rate of the others of its asset on its chain, where there are enough of them."""
    groups: dict[tuple[str, str], list[tuple[float, MarketName]]] = {}
    for name, sight in sights.items():
        if sight.rate is not None and sight.active:
            groups.setdefault((name[0], subjects[name].asset), []).append((sight.rate, name))
    found: dict[MarketName, float] = {}
    for rows in groups.values():
        if len(rows) <= PEERS:
            continue
        rows.sort()
        rates = [rate for rate, _ in rows]
        count = len(rates) - 1  # without itself
        for place, (_, name) in enumerate(rows):
            low, high = (count - 1) // 2, count // 2
            found[name] = (rates[low + (low >= place)] + rates[high + (high >= place)]) / 2
    return found
