"""The signs of danger that one look at a market shows, given earlier looks and other markets. Pure.

Each trigger is a function of a ``Case`` that yields the signs it finds. Thresholds are ``AlarmLimits``; docs/risk.md
has each with its source. A trigger that lacks a number finds nothing; missing numbers are reported by ``missing``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.dataclass import dataclass
from yieldbot.model.numbers import significant
from yieldbot.model.risk import Act, Evidence
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.risk.sight import Sight, Subject
from yieldbot.risk.sight_window import KEPT, SightWindow

ROUNDING = 1e-7
"""Fall of an index, as a fraction, that counts as rounding."""
PEERS = 5
"""Least number of markets of one asset whose median rate is used."""
RATE_MARGIN = 3.0
"""An index may grow by this many times what the highest of its rates explains."""
MEMORY = "history"
"""Source of evidence that comes from an earlier look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A sign of danger that one look shows."""

    code: str
    """Code of the sign."""
    act: Act
    """What it asks for."""
    saw: str
    """What was observed, with numbers."""
    evidence: tuple[Evidence, ...] = ()
    """The numbers that show the sign."""
    about: str = ""
    """Address of the collateral whose danger it is; empty: it is the market's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The input of every trigger."""

    subject: Subject
    """The market."""
    now: Sight
    """The look that is judged."""
    past: SightWindow
    """Earlier looks at the market."""
    limits: AlarmLimits
    """Thresholds."""
    peers: float | None = None
    """Median rate of the other markets of its asset; None: too few of them."""
    locked: Mapping[str, float] | None = None
    """Utilisation, by name, of locked markets of the collaterals of its pool; None: none is known."""
    chain: bool = False
    """Whether ``now`` was read from the chain, so that a number it lacks is missing; recordings may lack numbers for
    good."""


Trigger = Callable[[Case], Iterator[Found]]


def utilisation(case: Case) -> Iterator[Found]:
    """UTILISATION: nearly everything is lent out."""
    use, limit = case.now.utilisation, case.limits.utilisation
    if use is not None and use >= limit:
        saw = f"utilisation {use:z.2%}, {limit:z.0%} or more"
        yield Found(code="UTILISATION", act=Act.LEAVE, saw=saw, evidence=(_number("utilisation", f"{use:z.4f}"),))


def cash_falling(case: Case) -> Iterator[Found]:
    """CASH_FALLING: utilisation is high and cash has fallen fast within a day."""
    limits, use = case.limits, case.now.utilisation
    if use is None or use < limits.falling_utilisation:
        return
    then = case.past.yesterday(case.now.time)
    if then is None:
        return
    now, before, unit = case.now.cash, then.cash, ""
    if now is None or before is None:  # in per cent of what is supplied
        if then.utilisation is None:
            return
        now, before, unit = 100.0 * (1.0 - use), 100.0 * (1.0 - then.utilisation), " %"
    if before <= 0.0 or now > before * (1.0 - limits.cash_fall):
        return
    hours = (case.now.time - then.time) / 3600
    saw = f"cash fell from {before:z,.0f}{unit} to {now:z,.0f}{unit} in {hours:z.0f} h at a utilisation of {use:z.2%}"
    proof = (_number("cash", f"{now:z,.0f}{unit}"), _number("cash before", f"{before:z,.0f}{unit}", MEMORY))
    yield Found(code="CASH_FALLING", act=Act.LEAVE, saw=saw, evidence=proof)


def cash_thin(case: Case) -> Iterator[Found]:
    """CASH_THIN: cash is below ``cash_multiple`` times our holding."""
    cash, held, times = case.now.cash, case.now.held, case.limits.cash_multiple
    if held > 0.0 and cash is not None and cash < times * held * (1.0 - 1e-6):
        saw = f"cash {cash:z,.2f} is below {times:g} times our {held:z,.2f}"
        yield Found(code="CASH_THIN", act=Act.LEAVE, saw=saw, evidence=(_number("cash", f"{cash:z,.2f}"),))


def collateral_locked(case: Case) -> Iterator[Found]:
    """COLLATERAL_LOCKED: a collateral of the market's loans cannot be withdrawn from its own market."""
    for name, use in (case.locked or {}).items():
        saw = f"the collateral's own market {name} is at {use:z.2%}"
        proof = (_number(f"utilisation of {name}", f"{use:z.4f}"),)
        yield Found(code="COLLATERAL_LOCKED", act=Act.LEAVE, saw=saw, evidence=proof)


def peg(case: Case) -> Iterator[Found]:
    """PEG: a pegged asset is off its peg. By one source no new money goes in; by several sources for ``peg_hours``,
    below the peg, money is taken out. A holder loses nothing while the price is above the peg."""
    limits, prices = case.limits, case.now.prices
    if not case.subject.pegged or not prices:
        return
    off = max(abs(price - 1.0) for price in prices)
    if off * BPS < limits.peg_stop_bps:
        return
    shown = " and ".join(f"{price:z.4f}" for price in prices)
    saw = f"{case.subject.asset} is at {shown} dollars, {off:z.2%} off"
    yield Found(code="PEG", act=Act.STOP, saw=saw, evidence=(_number("price", shown),))
    if not _below(case.now, limits):
        return
    hour = round(limits.peg_hours * 3600)
    earlier = case.past.since(case.now.time - 3 * max(hour, 3600))
    run = case.now.time
    for one in reversed(earlier):
        if one.prices and not _below(one, limits, remembered=True):
            break
        run = one.time if one.prices else run
    if case.now.time - run >= hour:
        held = (case.now.time - run) / 3600
        saw = f"{case.subject.asset} is at {shown} dollars, and {limits.peg_leave_bps:g} bp below for {held:z.1f} h"
        yield Found(code="PEG", act=Act.LEAVE, saw=saw, evidence=(_number("price", shown),))


def _below(sight: Sight, limits: AlarmLimits, *, remembered: bool = False) -> bool:
    """Whether enough sources have the price ``peg_leave_bps`` or more below a dollar. remembered: an earlier look,
    which may have fewer sources; then all of them must."""
    low = sum((1.0 - price) * BPS >= limits.peg_leave_bps - 1e-9 for price in sight.prices)
    return low >= (min(limits.peg_sources, len(sight.prices)) if remembered else limits.peg_sources)


def share_price(case: Case) -> Iterator[Found]:
    """SHARE_PRICE_DOWN, SHARE_PRICE_UP: the index or share price fell (a loss), or rose by more than interest
    explains (a donation that may inflate the price)."""
    limits, index = case.limits, case.now.index
    before = case.past.last_with("index", case.now.time) or case.past.last
    if index is None or before is None or not before.index or index <= 0.0:
        return
    if index < before.index:
        top = case.past.top_index(case.now.time) or before.index
        fell = 1.0 - index / top
        if fell > ROUNDING:
            act = Act.LEAVE if fell * BPS >= limits.share_price_fall_bps else Act.STOP
            saw = f"a share's worth fell by {fell:z.4%}, from {significant(top, 8)} to {significant(index, 8)}"
            yield Found(
                code="SHARE_PRICE_DOWN",
                act=act,
                saw=saw,
                evidence=(_number("index", repr(index)), _number("index before", repr(top), MEMORY)),
            )
        return
    seconds = case.now.time - before.time
    rates = [one for one in (case.now.rate, before.rate, case.past.mean_rate(case.now.time)) if one is not None]
    if not rates:
        return
    more = math.log(index / before.index) - RATE_MARGIN * max(0.0, *rates, 0.0) * seconds / SECONDS_PER_YEAR
    if more * BPS < limits.share_price_rise_bps / 5:
        return
    act = Act.LEAVE if more * BPS >= limits.share_price_rise_bps else Act.STOP
    saw = f"a share's worth rose by {more:z.3%} more in {seconds / 3600:z.1f} h than {max(rates):z.2%} a year explains"
    yield Found(
        code="SHARE_PRICE_UP",
        act=act,
        saw=saw,
        evidence=(_number("index", repr(index)), _number("index before", repr(before.index), MEMORY)),
    )


def supply_jump(case: Case) -> Iterator[Found]:
    """SUPPLY_JUMP: the total supply of the asset or of a collateral jumped since the last look or within a day."""
    now, past, time = case.now, case.past, case.now.time
    if now.token_supply is None and not now.backing:
        return
    day = past.yesterday(time)
    seen = list[tuple[str, float, int, float]]()  # which collateral, how many now, when before, how many then
    if now.token_supply is not None:
        for one in (past.last_with("token_supply", time, KEPT), day):
            if one is not None and one.token_supply:
                seen.append(("", now.token_supply, one.time, one.token_supply))
    then = dict(day.backing) if day is not None else {}
    for token, raw in now.backing:
        if raw is not None:
            last, old = past.backing(token, time, KEPT), then.get(token)
            seen += [(token, raw, *last)] if last is not None and last[1] else []
            seen += [(token, raw, day.time, old)] if day is not None and old else []
    if not seen:
        return
    token, count, since, before = max(seen, key=lambda one: one[1] / one[3])
    if count / before - 1.0 >= case.limits.supply_jump - 1e-12:
        hours, what = (time - since) / 3600, f"its collateral {token}" if token else case.subject.asset
        saw = f"the supply of {what} grew by {count / before - 1.0:z.0%} in {hours:z.1f} h"
        proof = (
            _number(f"supply of {what}", significant(count, 8)),
            _number("supply before", significant(before, 8), MEMORY),
        )
        yield Found(code="SUPPLY_JUMP", act=Act.LEAVE, saw=saw, evidence=proof, about=token)


def tvl_fall(case: Case) -> Iterator[Found]:
    """TVL_FALL: others withdraw a large part within a day; our own money is not counted."""
    then, now = case.past.yesterday(case.now.time), case.now.supplied
    if then is None or then.supplied is None or now is None:
        return
    before, left = then.supplied - then.held, now - case.now.held
    if before > 0.0 and left <= before * (1.0 - case.limits.tvl_fall):
        hours = (case.now.time - then.time) / 3600
        saw = f"what others supply fell from {before:z,.0f} to {left:z,.0f} in {hours:z.0f} h"
        yield Found(
            code="TVL_FALL",
            act=Act.LEAVE,
            saw=saw,
            evidence=(_number("supplied", f"{left:z,.0f}"), _number("supplied before", f"{before:z,.0f}", MEMORY)),
        )


def bad_debt(case: Case) -> Iterator[Found]:
    """BAD_DEBT: part of what suppliers own is missing."""
    lost, most = case.now.bad_debt, case.limits.bad_debt_bps
    if lost is None or lost * BPS < most / 4:
        return
    act = Act.LEAVE if lost * BPS >= most else Act.STOP
    saw = f"{lost:z.2%} of what is supplied is not there: bad debt"
    yield Found(code="BAD_DEBT", act=act, saw=saw, evidence=(_number("bad debt", f"{lost:z.6f}"),))


def spike(case: Case) -> Iterator[Found]:
    """SPIKE: the quote is far above its own mean or its peers: it will not last, or it pays for a danger."""
    rate, limits = case.now.rate, case.limits
    if rate is None:
        return
    mean = case.past.mean_rate(case.now.time)
    for what, usual, times in (
        ("its mean of 7 days", mean, limits.spike_of_mean),
        ("the median of the other markets", case.peers, limits.spike_of_peers),
    ):
        if usual is not None and rate > times * usual and rate - usual >= limits.spike_least:
            saw = f"{rate:z.2%} a year is quoted, above {times:g} times {what}, {usual:z.2%}"
            yield Found(code="SPIKE", act=Act.STOP, saw=saw, evidence=(_number("quote", f"{rate:z.6f}"),))
            return


_OF_A_MARKET = {
    "utilisation": "utilisation",
    "cash": "cash",
    "index": "share price",
    "prices": "price",
    "token_supply": "supply of its asset",
}


def missing(case: Case) -> Iterator[Found]:
    """MISSING: a number that a look of the last two days had is missing now. It stops new money until the number is
    back; missing data alone is no reason to leave."""
    if not case.chain:
        return
    gone = [
        name
        for field, name in _OF_A_MARKET.items()
        if getattr(case.now, field) in (None, ())
        and (field != "prices" or case.subject.pegged)  # no alarm needs the price of an asset without a peg
        and case.past.last_with(field, case.now.time) is not None
    ]
    gone += [
        f"supply of its collateral {token}"
        for token, raw in case.now.backing
        if raw is None and case.past.backing(token, case.now.time) is not None
    ]
    if gone:
        saw = f"{', '.join(gone)} cannot be read any more"
        yield Found(code="MISSING", act=Act.STOP, saw=saw)


TRIGGERS: tuple[Trigger, ...] = (
    utilisation,
    cash_falling,
    cash_thin,
    collateral_locked,
    peg,
    share_price,
    supply_jump,
    tvl_fall,
    bad_debt,
    spike,
    missing,
)
"""All triggers."""


def found_in(case: Case) -> list[Found]:
    """All signs that one look shows, except disabled codes."""
    off = {*case.limits.off, *case.subject.off}
    found = [one for trigger in TRIGGERS for one in trigger(case) if one.code not in off]
    return [bounded(one, case.limits) for one in found]


def bounded(found: Found, limits: AlarmLimits) -> Found:
    """The sign, limited to stopping new money if the policy says so (``stop_only``)."""
    if found.act is Act.LEAVE and found.code in limits.stop_only:
        return replace(found, act=Act.STOP)
    return found


def _number(what: str, value: str, source: str = "") -> Evidence:
    return Evidence(what=what, value=value, source=source or "the market's state")


__all__ = ["KEPT", "PEERS", "TRIGGERS", "Case", "Found", "bounded", "found_in"]
