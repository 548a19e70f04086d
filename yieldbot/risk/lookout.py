"""Watches markets look by look: the single place where live runs, backtests and the scoring of recordings raise
alarms. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.risk import Act, Alarm
from yieldbot.risk.latches import Key, Latch, Latches, alarms, turned
from yieldbot.risk.sight import MarketName, Sight, Subject, sane
from yieldbot.risk.sight_window import DAY, SightWindow
from yieldbot.risk.triggers import PEERS, Case, Found, bounded, found_in

HOME = "eip155:1"
"""Ethereum, where most of these protocols' money is: a collateral that is locked there is a warning for the same
protocol on other EVM chains."""
FRESH = DAY
"""Greatest age in seconds of another market's look that still counts."""


class Lookout:
    """Several markets, watched in order of time."""

    def __init__(
        self,
        limits: AlarmLimits,
        subjects: Mapping[MarketName, Subject],
        standing: Mapping[MarketName, Latches] | None = None,
    ) -> None:
        """subjects: every market that will be looked at, including those that only serve to judge others. standing:
        the alarms that stand by the journal."""
        self._limits, self._subjects = limits, dict(subjects)
        self._past = {name: SightWindow() for name in subjects}
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
        """The watched markets."""
        return self._subjects.keys()

    def learn(self, name: MarketName, sights: Iterable[Sight]) -> None:
        """Add earlier looks that are not themselves judged."""
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
        """The latches of each market after a look at these markets at one time.

        more: signs that were found in other ways. chain: the looks were read from the chain, so what they lack is
        missing. remembered: the looks come from memory (see ``latches.turned``). medians: median rates of other
        markets, if ``sights`` are only some of the markets that were looked at; None: they are all of them.
        """
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
        """The alarms that stand in a market."""
        return alarms(self._latches[name], now)

    def leaves(self, name: MarketName, codes: frozenset[str] | None = None) -> bool:
        """Whether an alarm stands that asks to leave. codes: only these alarms count."""
        return any(act is Act.LEAVE and (codes is None or code in codes) for code, act in self._latches[name])

    def _locked(self, name: MarketName, subject: Subject, now: int) -> dict[str, float]:
        """Utilisation, by name, of locked markets of the collaterals in the market's shared pools, on its own chain
        or on the home chain."""
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
    """One sign for each (code, act): of several the first."""
    return list({(one.code, one.act): one for one in reversed(found)}.values())


def medians_of(subjects: Mapping[MarketName, Subject], sights: Mapping[MarketName, Sight]) -> dict[MarketName, float]:
    """For each market the median rate of the other markets of its asset on its chain; only where there are at least
    ``PEERS`` of them."""
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
