"""Tokenomics of assets, collaterals and reward tokens, as inputs of components: who may mint a token, and by how much
its supply grew. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.model.controls import NO_ONE, ContractFacts, Controller, ControllerKind, Part, Power, weakest
from yieldbot.model.durations import days_long
from yieldbot.model.risk import Evidence
from yieldbot.risk.facts import Facts
from yieldbot.risk.scales import Scales, score

DAY, HELD_DAYS, LEAST_DAYS = 86_400, 31, 7
"""Seconds of a day; days for which supplies are stored; least days over which growth is taken as known."""
MUCH = 0.10
"""Fraction of a market's money from which a collateral's issuance is scored."""
MINTERS = ("minter", "master minter")
"""Rights of an EVM token whose holder may mint, or appoints those who may."""
SHOWN = ("master minter", "minter", "freeze", "permanent delegate", "pause")
"""Rights that the evidence shows in addition to the right to mint."""

Supplies = Mapping[str, tuple[tuple[int, float], ...]]
"""By a token's address, (unix seconds, total supply in base units), the oldest first."""


def daily(before: Supplies, read: Mapping[str, float], now: int) -> dict[str, tuple[tuple[int, float], ...]]:
    """The supplies that are stored after a look: the first of each day, and the newest, of the last HELD_DAYS days."""
    found = {}
    for token in {**before, **read}:
        rows = list(before.get(token, ()))
        if token in read:
            if len(rows) > 1 and rows[-1][0] // DAY == rows[-2][0] // DAY:
                rows.pop()
            rows.append((now, read[token]))
        if kept := tuple(row for row in rows if now - row[0] <= HELD_DAYS * DAY):
            found[token] = kept
    return found


def growth_of(supplies: Supplies) -> dict[str, tuple[float, float]]:
    """By token, (growth of its supply as a fraction, days between the oldest and the newest reading)."""
    found = {}
    for token, rows in supplies.items():
        (first, was), (last, raw) = rows[0], rows[-1]
        if was > 0.0 and last > first:
            found[token] = (raw / was - 1.0, (last - first) / DAY)
    return found


def minter(one: ContractFacts) -> Controller | None:
    """The least safe controller among those who can mint a token, as far as they are known: the mint's authority on
    Solana; on EVM chains the holders of a minting role, its minter, whoever appoints minters, those who can replace its
    code, and its owner. NONE: the contract names nobody; None: not known."""
    rights = dict(one.rights)
    if "mint" in rights:
        return rights["mint"]
    if not one.code_hash:
        return None
    able = [who for role in one.roles if role.power is Power.MINT for who in role.holders]
    able += [rights[name] for name in MINTERS if name in rights]
    able += [one.upgrade_by, one.owner]
    found = weakest(who for who in able if who.kind is not ControllerKind.NONE)
    return found or (None if unlisted(one) else NO_ONE)


def unlisted(one: ContractFacts) -> tuple[str, ...]:
    """Names of a token's roles and lists of minters of whom not all are known."""
    return tuple(role.name for role in one.roles if role.power is Power.MINT and role.missing)


def issued(
    facts: Facts, part: Part, address: str, symbol: str, scales: Scales
) -> tuple[float, list[Evidence], list[str]]:
    """(score of the token's minter, evidence, facts that are not known). Minters that no view lists count as not
    known, whoever else may mint."""
    of = scales.sections["issuance"]
    contracts = facts.controls.contracts if facts.controls else ()
    parts = (part, Part.BACKER) if part is Part.COLLATERAL else (part,)
    one = next((c for c in contracts if c.part in parts and c.address.lower() == address.lower()), None)
    who = None if one is None else minter(one)
    if one is None or who is None:
        return float(of["mint_unknown"]), [], [f"who may mint {symbol}"]
    seen = [Evidence(what=f"{symbol}: may be minted by", value=who.words, source=str(one.address), block=one.block)]
    seen += [
        Evidence(what=f"{symbol}: {name}", value=holder.words, source=str(one.address), block=one.block)
        for name, holder in one.rights
        if name in SHOWN and holder.kind is not ControllerKind.NONE
    ]
    found = _minted(who, of)
    if names := unlisted(one):
        found = min(found, float(of["mint_unknown"]))
        return found, seen, [f"who else may mint {symbol} ({', '.join(names)})"]
    return found, seen, []


def _minted(who: Controller, of: Mapping[str, Any]) -> float:
    last = list(who.chain)[-1]
    if last.kind in (ControllerKind.NONE, ControllerKind.GOVERNOR):
        return 100.0
    if last.kind is ControllerKind.SAFE:
        found = score(of["mint_signers"], float(last.threshold or 0))
    else:
        found = float(of["mint_key"] if last.kind is ControllerKind.EOA else of["mint_other"])
    return max(found, score(of["mint_hours"], who.warning_seconds / 3600.0))


def grown(facts: Facts, address: str, symbol: str, scales: Scales) -> tuple[float, list[Evidence], list[str]]:
    """(score of the growth of a token's supply over up to 30 days, evidence, facts that are not known)."""
    growth, days = next((row for at, row in facts.growth.items() if at.lower() == address.lower()), (0.0, 0.0))
    scale = scales.sections["yield_quality"]["supply_growth"]
    seen = []
    if days >= 1.0:
        seen = [
            Evidence(
                what=f"supply of {symbol} over {days_long(days)}", value=f"{growth:+z.1%}", source="looks of the watch"
            )
        ]
    if days < LEAST_DAYS:
        worst = float(scales.sections["issuance"]["growth_unknown"])
        return min(score(scale, growth), worst), seen, [f"growth of the supply of {symbol}"]
    return score(scale, growth), seen, []
