"""The total supply of each token that backs markets, over the last looks, and jumps in it, as when tokens are minted
without backing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.numbers import significant
from yieldbot.model.risk import Act, Evidence
from yieldbot.risk.blacklist import LEAST_SHARE
from yieldbot.risk.sight_window import DAY, KEPT
from yieldbot.risk.triggers import Found

MUCH = 0.01
"""Fraction of a market's money, 0 to 1, from which a collateral whose supply jumped makes money leave; below it, the
market only gets no new money."""
APART_SECONDS = 1800
"""Shortest time between two stored readings of a token's supply, apart from the newest two."""

Supplies = Mapping[str, tuple[tuple[int, float], ...]]
"""By a token's address, (unix seconds, total supply in base units), the oldest first."""


def remembered(before: Supplies, read: Mapping[str, float], now: int) -> dict[str, tuple[tuple[int, float], ...]]:
    """What is stored after a look: for each token the reading before, one for each ``APART_SECONDS`` of the last day,
    and the one that is a day old. Tokens that were not read for a week are dropped."""
    found = {}
    for token in {**before, **read}:
        rows = [*before.get(token, ()), *([(now, read[token])] if token in read else [])]
        if now - rows[-1][0] > KEPT:
            continue
        found[token] = tuple(_thinned(rows, now))
    return found


def _thinned(rows: Sequence[tuple[int, float]], now: int) -> Iterator[tuple[int, float]]:
    kept = 0
    for place, (time, raw) in enumerate(rows):
        following = rows[place + 1][0] if place + 1 < len(rows) else now
        if place < len(rows) - 2 and (following <= now - DAY or time - kept < APART_SECONDS):
            continue
        kept = time
        yield time, raw


def jumps(
    backing: Mapping[MarketId, Backing], supplies: Supplies, limits: AlarmLimits
) -> Mapping[MarketId, tuple[Found, ...]]:
    """By market, signs about the collaterals that back it: supplies that jumped since the last look or within a day,
    and supplies that the last look could not read though one of the two days before could."""
    grown = {token: _grown(rows) for token, rows in supplies.items()}
    found: dict[MarketId, tuple[Found, ...]] = {}
    for market, one in backing.items():
        parts = [part for part in one.parts if part.share >= LEAST_SHARE and supplies.get(part.backing)]
        signs = [sign for part in parts if (sign := _jump(part, grown[part.backing], one.block, limits)) is not None]
        since = one.time - 2 * DAY
        lost = [part for part in parts if since < supplies[part.backing][-1][0] < one.time]
        if lost:
            names = ", ".join(part.symbol or part.backing for part in lost)
            saw = f"supply of its collateral {names} cannot be read any more"
            signs.append(Found(code="MISSING", act=Act.STOP, saw=saw))
        if signs:
            found[market] = tuple(sorted(signs, key=lambda sign: sign.act is not Act.LEAVE))
    return found


def _grown(rows: Sequence[tuple[int, float]]) -> tuple[float, float, float, int]:
    """(largest growth of a supply as a fraction, supply now, supply before, seconds in between), among: since the last
    reading, and since the first one of the day that ends with the newest."""
    now, raw = rows[-1]
    before = [row for row in rows[:-1] if now - row[0] <= DAY + APART_SECONDS] or list(rows[-2:-1])
    before = [row for row in before if now - row[0] <= KEPT]
    before = [row for row in {before[0], rows[-2]} if row[1] > 0.0] if before else []
    if not before:
        return 0.0, raw, raw, 0
    time, least = min(before, key=lambda row: row[1])
    return raw / least - 1.0, raw, least, now - time


def _jump(part: Backer, grown: tuple[float, float, float, int], block: int, limits: AlarmLimits) -> Found | None:
    growth, raw, before, seconds = grown
    if growth < limits.supply_jump - 1e-12:
        return None
    name = part.symbol or part.backing
    rise = f"grew by {growth:z.0%} in {seconds / 3600:z.1f} h"
    saw = f"the supply of {name}, which {part.share:z.1%} of it rests on, {rise}"
    proof = (
        Evidence(what=f"supply of {name}", value=significant(raw, 8), source=part.backing, block=block),
        Evidence(what="supply before", value=significant(before, 8), source="the look before"),
    )
    act = Act.LEAVE if part.share >= MUCH else Act.STOP
    return Found(code="SUPPLY_JUMP", act=act, saw=saw, evidence=proof, about=part.backing)
