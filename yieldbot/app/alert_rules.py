"""Values that alerts measure in a reading of the chains, and which alerts begin or end with it. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.access.caller import normal
from yieldbot.model.alerts import FRACTIONS, OF_MARKETS, Alert, Kept, Measure, Reached, Value
from yieldbot.model.dataclass import dataclass
from yieldbot.model.names import named
from yieldbot.model.notices import Finding, Severity, Topic
from yieldbot.model.numbers import significant
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.model.market import MarketState, Snapshot
    from yieldbot.model.settings import Job

MOST_SUBJECTS = 200
"""Most markets that one alert measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One job's markets at one block."""

    job: Job
    """The job."""
    snapshot: Snapshot
    """Its markets, with grades if any alert measures a grade."""
    whole: bool = True
    """Whether everything that the account holds could be read; if not, no wealth is computed."""


def values(alert: Alert, readings: Sequence[Reading], jobs: Collection[Job]) -> dict[str, Value]:
    """The alert's values by subject (a market's id, a token or a wallet), in the measure's unit; subjects that could
    not be read are left out. jobs: all configured jobs: a wallet's wealth is computed only if each of its jobs was
    read."""
    mine = [one for one in readings if _counts(alert, one.job)]
    if alert.measure is Measure.WEALTH:
        return _wealth(alert, mine, [job for job in jobs if _counts(alert, job)])
    found: dict[str, Value] = {}
    for reading in mine:
        news = _of_markets(alert, reading) if alert.measure in OF_MARKETS else _of_tokens(alert, reading)
        for key, value in news:
            if math.isfinite(value.value) and (key in found or len(found) < MOST_SUBJECTS):
                found[key] = value if key not in found or found[key].at < value.at else found[key]
    return found


def advance(kept: Kept, measured: Mapping[str, Value], now: int) -> tuple[Kept, tuple[Finding, ...]]:
    """(the alert with new values, findings about subjects for which it began or ended). A value of an older block than
    the stored one is ignored; subjects without a new value keep their state. now: unix seconds."""
    reached, found = dict(kept.reached), list[Finding]()
    for key, value in measured.items():
        before = reached.get(key)
        if before is not None and value.at < before.last.at:
            continue
        stands = _stands(kept.alert, before is not None and before.stands, value.value)
        changed = stands != (before is not None and before.stands)
        crossings = (before.crossings if before else 0) + (stands and changed)
        since = value.at if before is None or changed else before.since
        reached[key] = Reached(last=value, stands=stands, since=since, crossings=crossings)
        if changed:
            found.append(_finding(kept.alert, key, reached[key], now))
    while len(reached) > MOST_SUBJECTS:  # of markets that no longer exist
        del reached[min(reached, key=lambda key: reached[key].last.at)]
    return replace(kept, reached=reached), tuple(found)


def condition(alert: Alert) -> str:
    """The alert in words, as ``utilisation of aave_v3 above 95 %``."""
    where = f" on {alert.chain}" if alert.chain else ""
    back = f", until back by {shown(alert, alert.hysteresis)}" if alert.hysteresis else ""
    side = "above" if alert.above else "below"
    return f"{alert.measure} of {alert.subject}{where} {side} {shown(alert, alert.threshold)}{back}"


def shown(alert: Alert, value: float) -> str:
    """A value with its unit."""
    if alert.measure in FRACTIONS:
        return f"{value * 100:.4g} %"
    if alert.measure is Measure.GRADE:
        return f"{value:g}"
    if alert.measure is Measure.WEALTH:
        return f"{value:z,.2f} {alert.asset or 'USD'}"
    return f"{significant(value, 6)} USD"


def sees(alert: Alert, accounts: frozenset[str] | None) -> bool:
    """Whether a caller with these accounts (None: all) may see the alert."""
    return accounts is None or (alert.accounts is not None and alert.accounts <= accounts)


def _stands(alert: Alert, stood: bool, value: float) -> bool:
    return not alert.back(value) if stood else alert.passed(value)


def _finding(alert: Alert, key: str, reached: Reached, now: int) -> Finding:
    crossing = f"alert:{alert.id}:{key}:{reached.crossings}"
    value, name = shown(alert, reached.last.value), one_line(reached.last.name, 120)
    if reached.stands:
        side = "above" if alert.above else "below"
        text = f"alert {alert.id}: {alert.measure} of {name} is {value}, {side} {shown(alert, alert.threshold)}"
        return Finding(key=crossing, topic=Topic.ALERT, severity=alert.severity, text=text, at=now)
    text = f"alert {alert.id} is over: {alert.measure} of {name} is {value}"
    return Finding(key=f"{crossing}:over", topic=Topic.ALERT, severity=Severity.INFO, text=text, at=now, ends=crossing)


def _counts(alert: Alert, job: Job) -> bool:
    if alert.chain is not None and job.chain.name != alert.chain:
        return False
    if alert.measure is Measure.WEALTH and job.wallet.name != alert.subject:
        return False
    return alert.accounts is None or normal(str(job.wallet.address)) in alert.accounts


def _of_markets(alert: Alert, reading: Reading) -> Iterable[tuple[str, Value]]:
    for state in reading.snapshot.markets:
        value = _of_market(alert.measure, state)
        if value is not None and named(state.market, (alert.subject,)):
            name = f"{state.market.name} on {reading.job.chain.name}"
            yield state.market.id, Value(name=name, value=value, at=state.block.timestamp)


def _of_market(measure: Measure, state: MarketState) -> float | None:
    if measure is Measure.RATE:
        return state.quoted.compounded().value
    if measure is Measure.UTILISATION:
        return state.utilisation
    return None if state.grade is None else float(state.grade.safety)


def _of_tokens(alert: Alert, reading: Reading) -> Iterable[tuple[str, Value]]:
    snapshot, chain = reading.snapshot, reading.job.chain.name
    for token in {*snapshot.assets, *snapshot.pegs}:
        if token.symbol != alert.subject:
            continue
        if alert.measure is Measure.DEPEG:
            price = snapshot.pegs.get(token)
            value = None if price is None else _furthest(price.usd, price.traded)
        else:
            value = snapshot.dollars(token)
        if value is not None:
            yield (
                f"{token.chain}:{token.address}",
                Value(name=f"{token.symbol} on {chain}", value=value, at=snapshot.block.timestamp),
            )


def _furthest(usd: float, traded: float | None) -> float:
    """The price by the feed or by the pools, whichever is further from a dollar."""
    return max(abs(price - 1.0) for price in (usd, traded) if price is not None)


def _wealth(alert: Alert, readings: Sequence[Reading], jobs: Sequence[Job]) -> dict[str, Value]:
    jobs = [job for job in jobs if alert.asset is None or alert.asset in {token.symbol for token in job.assets}]
    by_job = {_key(one.job): one for one in readings}
    if not jobs or any(_key(job) not in by_job or not by_job[_key(job)].whole for job in jobs):
        return {}
    held: dict[tuple[str, str], float] = {}
    for job in jobs:
        snapshot = by_job[_key(job)].snapshot
        for state in snapshot.states.values():
            token = state.market.asset
            if not state.held or (alert.asset is not None and token.symbol != alert.asset):
                continue
            price = 1.0 if alert.asset is not None else snapshot.dollars(token)
            if price is None:
                return {}
            held[(snapshot.block.chain, state.market.id)] = float(state.held) * price
    oldest = min(by_job[_key(job)].snapshot.block.timestamp for job in jobs)
    return {alert.subject: Value(name=f"wallet {alert.subject}", value=sum(held.values()), at=oldest)}


def _key(job: Job) -> tuple[str, str, tuple[str, ...]]:
    return job.wallet.name, job.chain.chain, tuple(str(token.address) for token in job.assets)
