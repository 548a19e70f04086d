"""Component of a grade: what finally backs the money."""

from __future__ import annotations

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.controls import Part
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import MarketState
from yieldbot.model.risk import Component, Evidence
from yieldbot.risk.facts import Facts
from yieldbot.risk.issuance import MUCH, grown, issued
from yieldbot.risk.other_sides import NO_LOANS, made, read_at
from yieldbot.risk.scales import Scales, score

NAMED = 3
"""Number of the largest parts that the evidence names."""


def collateral(state: MarketState, facts: Facts, scales: Scales) -> Component:
    """Score of what backs the market. A vault that is looked through: by the largest part that rests on one market,
    and that market's utilisation. An isolated market: by its liquidation threshold. A pool: by all collateral in it."""
    name, of, curve, block = "collateral", scales.sections["collateral"], state.curve, state.block.height
    where = str(state.market.address)
    if state.market.kind in NO_LOANS:
        return made(name, of["none"], scales, [read_at("lends", "nothing", where, block)])
    if state.backing is not None:
        return _backed(state, state.backing, facts, scales)
    if isinstance(curve, LookThroughCurve):
        parts = sorted(((slot.held, slot.pool) for slot in curve.slots if slot.held > 0.0), reverse=True)
        whole = curve.others + curve.ours
        if not parts or whole <= 0.0:
            return made(name, of["none"], scales, [read_at("invested", "nothing", where, block)])
        share, pool = parts[0][0] / whole, parts[0][1]
        seen = [read_at("largest part", f"{share:z.0%} in {pool}, of {len(parts)}", where, block)]
        found = score(of["largest"], share)
        used = dict(facts.around.used).get(str(pool))
        if used is None:
            return made(name, found, scales, seen, ["utilisation of what its largest part rests on"])
        seen.append(read_at("its utilisation", f"{used:z.1%}", str(pool), block))
        return made(name, min(found, score(of["locked"], used)), scales, seen)
    if (limit := state.market.params.get("lltv")) is not None:
        lltv = float(limit) / 1e18 if float(limit) > 1.0 else float(limit)
        seen = [read_at("lent up to", f"{lltv:z.1%} of one collateral", where, block)]
        return made(name, score(of["lltv"], lltv), scales, seen)
    if state.opaque or state.borrowed is None:
        return made(name, of["unknown"], scales, [], ["what backs it"])
    return made(name, of["many"], scales, [read_at("lends against", "all that is in the pool", where, block)],
                 ["shares of the pool's collateral"])  # fmt: skip


def _backed(state: MarketState, backing: Backing, facts: Facts, scales: Scales) -> Component:
    """By the last look at what backs it: score = (1 - unknown) * min(score of the largest part, of that part's own
    market, of the pool in which a vault's largest part is lent) + unknown * score of an unknown backing."""
    name, of, where = "collateral", scales.sections["collateral"], str(state.market.address)
    seen = [_part(one, where, backing.block) for one in backing.parts[:NAMED]]
    missing = list(backing.missing)
    if backing.idle > 0.0:
        seen.append(read_at("idle", f"{backing.idle:z.0%}", where, backing.block))
    if backing.cycle:
        circle = " holds ".join((*backing.cycle, backing.cycle[0]))
        seen.append(read_at("a circle of vaults", circle, where, backing.block))
    if backing.unknown > 0.0:
        seen.append(read_at("not known", f"{backing.unknown:z.0%}", where, backing.block))
        missing = missing or ["what backs it"]
    found, largest = float(of["none"]), backing.dominant
    if largest is not None:
        if (limit := state.market.params.get("lltv")) is not None:
            lltv = float(limit) / 1e18 if float(limit) > 1.0 else float(limit)
            seen.append(read_at("lent up to", f"{lltv:z.1%} of one collateral", where, state.block.height))
            found = score(of["lltv"], lltv)
        else:
            found = score(of["largest"], largest.share)
        if largest.shared and largest.utilisation is not None:
            found = min(found, score(of["locked"], largest.utilisation))
        used = _below(state, facts)
        if used is not None:
            seen.append(read_at("utilisation of its largest market", f"{used:z.1%}", where, state.block.height))
            found = min(found, score(of["locked"], used))
    tokens = [one for one in backing.parts if one.share >= MUCH and ":" not in one.backing]
    for what, judged in (
        ("who may mint", [issued(facts, Part.COLLATERAL, one.backing, _name(one), scales) for one in tokens]),
        ("growth of the supply of", [grown(facts, one.backing, _name(one), scales) for one in tokens]),
    ):
        found = min((found, *(by for by, _, _ in judged)))
        seen += [row for _, proof, _ in judged for row in proof]
        unknown = [_name(one) for one, (_, _, lacking) in zip(tokens, judged, strict=True) if lacking]
        missing += [f"{what} {', '.join(unknown)}"] if unknown else []
    found = (1.0 - backing.unknown) * found + backing.unknown * float(of["unknown"])
    return made(name, found, scales, seen, missing)


def _name(one: Backer) -> str:
    return one.symbol or one.backing


def _part(one: Backer, where: str, block: int) -> Evidence:
    own = "" if one.utilisation is None else f"; its own market is at {one.utilisation:z.1%}"
    lent = " there" if one.shared and own else ""
    return read_at("rests on", f"{one.share:z.0%} {one.symbol or one.backing}{own}{lent}", where, block)


def _below(state: MarketState, facts: Facts) -> float | None:
    """Utilisation of the market in which a vault has lent its largest part; None: the snapshot does not have that
    market."""
    if not isinstance(state.curve, LookThroughCurve):
        return None
    largest = max(state.curve.slots, key=lambda slot: slot.held, default=None)
    return None if largest is None or largest.held <= 0.0 else dict(facts.around.used).get(str(largest.pool))
