"""Which alarms of one market keep new money out of others. Pure.

Danger goes upwards, from what is in danger to the markets that depend on it, and never down to what those hold besides:

- An alarm about a collateral bars every market that rests on it, and every market of it.
- An alarm about a market's own share or contract bars every market whose money goes through it. What the market itself
  holds is judged by its own looks.
- Signs of too little cash, quotes and missing facts are of their market alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.names import of_table
from yieldbot.model.risk import Act, Alarm
from yieldbot.risk.blacklist import LEAST_SHARE
from yieldbot.risk.look_through import LARGE, same, shares

OF_SHARE = frozenset({"SHARE_PRICE_DOWN", "SHARE_PRICE_UP", "BAD_DEBT"})
"""Signs of a market's own share: who holds the share is in the same danger."""
OF_CONTRACT = frozenset({"CONTROL_WEAKER", "PENDING_CHANGE"})
"""Signs of the contracts that a market stands on."""
CONTRACTS = ("pool", "comptroller", "lending_market", "group")
"""Params that name the contract which a market shares with others."""

_Raised = tuple[MarketState, Alarm]


@dataclass(slots=True)
class _Dangers:
    """The alarms that may bar other markets, by what they are about."""

    collaterals: dict[str, list[_Raised]] = field(default_factory=dict)
    """By a collateral's address."""
    inside: dict[str, list[_Raised]] = field(default_factory=dict)
    """By the address of a share or contract that money may go through."""
    pools: dict[str, list[_Raised]] = field(default_factory=dict)
    """By the id of a market that vaults may be looked through to."""

    @classmethod
    def of(cls, states: Iterable[MarketState]) -> _Dangers:
        """Of all markets together."""
        found = cls()
        for state in states:
            for alarm in state.alarms:
                if alarm.about:
                    found.collaterals.setdefault(same(alarm.about), []).append((state, alarm))
                elif alarm.code in OF_SHARE | OF_CONTRACT:
                    for name in _names(state, alarm.code):
                        found.inside.setdefault(name, []).append((state, alarm))
                    found.pools.setdefault(str(state.market.id), []).append((state, alarm))
        return found

    def __bool__(self) -> bool:
        return bool(self.collaterals or self.pools)

    def barring(self, state: MarketState) -> Iterator[tuple[_Raised, Act]]:
        """The alarms of others that bar a market, and what each asks for there."""
        parts = shares(state) | {same(state.market.asset.address): 1.0} if self.collaterals else {}
        for token in self.collaterals.keys() & parts.keys():
            for other, alarm in self.collaterals[token]:
                if parts[token] >= (LARGE if alarm.code == "COLLATERAL_LOCKED" else LEAST_SHARE):
                    yield (other, alarm), Act.STOP
        through: dict[str, float] = {}
        for one in state.backing.parts if state.backing is not None and self.inside else ():
            for name in {name for key in one.through for name in _keys(key)}:
                through[name] = through.get(name, 0.0) + one.share
        for name in self.inside.keys() & through.keys():
            for other, alarm in self.inside[name]:
                yield from _large(other, alarm, through[name])
        for pool in self.pools.keys() & state.pools if self.pools else ():
            for other, alarm in self.pools[pool]:
                if str(state.market.id) not in other.pools:
                    yield from _large(other, alarm, _slot(state, pool))


def passed_on(snapshot: Snapshot, limits: AlarmLimits) -> Snapshot:
    """The snapshot in which the alarms of each market are also in those that they bar, as far as those do not have the
    same sign and do not have it off."""
    states = [one for one in snapshot.states.values() if one.market.kind is not Kind.IDLE]
    dangers = _Dangers.of(states)
    if not dangers:
        return snapshot
    changed: dict[MarketId, MarketState] = {}
    for state in states:
        left = {*limits.off, *of_table(limits.off_for, state.market, ()), *(alarm.code for alarm in state.alarms)}
        found: dict[str, Alarm] = {}
        for (other, alarm), act in dangers.barring(state):
            if other.market.id == state.market.id or alarm.code in left:
                continue
            saw = f"it stands on what {other.market.name} is in danger by: {alarm.saw}"
            one = replace(alarm, act=Act.STOP if alarm.code in limits.stop_only else act, saw=saw)
            if alarm.code not in found or found[alarm.code].act is Act.STOP:
                found[alarm.code] = one
        if found:
            alarms = sorted((*state.alarms, *found.values()), key=lambda alarm: alarm.act is not Act.LEAVE)
            changed[state.market.id] = replace(state, alarms=tuple(alarms))
    return replace(snapshot, states={**snapshot.states, **changed}) if changed else snapshot


def _large(other: MarketState, alarm: Alarm, part: float) -> Iterator[tuple[_Raised, Act]]:
    if part >= LEAST_SHARE:
        yield (other, alarm), alarm.act if part >= LARGE else Act.STOP


def _slot(state: MarketState, pool: str) -> float:
    """The part of a market's money that is in a pool which it ends in."""
    curve = state.curve
    if not isinstance(curve, LookThroughCurve):
        return 1.0
    whole = curve.others + curve.ours
    return sum(slot.held for slot in curve.slots if slot.pool == pool) / whole if whole > 0.0 else 0.0


def _names(state: MarketState, code: str) -> set[str]:
    """What a market's money is called where others hold it: its share, or the market where it has no token; and for
    signs of contracts those that it has in common with others."""
    share, params = state.share_token, state.market.params
    found = {same(str(share.address if share is not None else state.market.address))}
    if code in OF_CONTRACT:
        found |= {same(str(params[name])) for name in CONTRACTS if params.get(name)}
    return found


def _keys(key: str) -> tuple[str, ...]:
    """The names of what lies between: a token's address, a pool's without its kind."""
    kind, _, at = key.partition(":")
    return (same(key), same(at)) if at and "/" not in kind else (same(key),)
