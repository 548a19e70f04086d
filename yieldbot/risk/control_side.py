"""Component of a grade: who can change the contracts, after what delay, and how old the contracts are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.model.controls import ContractFacts, Controller, ControllerKind, Part, Power
from yieldbot.model.risk import Component, Evidence
from yieldbot.risk.audits import Audit, audits, of_code
from yieldbot.risk.facts import Facts
from yieldbot.risk.scales import Scales, score

NAME = "contract"
DAY = 86_400
COUNTED = (Part.POOL, Part.ADMIN, Part.INSIDE)
"""Parts whose contracts can take the money if they are changed; oracles and rate models are judged by other
components."""
STALE_DAYS = 7
"""Days after which the last look counts as missing newer facts; each run and ``yieldbot watch`` takes a new one."""
MOST_HOLDERS = 8
"""Most role holders of one contract that the evidence lists."""


def contract(facts: Facts, now: int, scales: Scales, among: tuple[Audit, ...] | None = None) -> Component:
    """score = (1 - w) * min over contracts of control + w * age of the youngest contract, with w = ``weight_days``.

    control: for the weakest party that can change a contract on its own, the better of the score of its delay and the
    score of its number of signers; 100 if nobody can change it. now: unix seconds of the block.
    """
    of, weight = scales.sections[NAME], scales.sides[NAME].weight
    controls = facts.controls
    counted = [] if controls is None else [one for one in controls.contracts if one.part in COUNTED]
    if controls is None or not counted:
        return Component(name=NAME, score=float(of["unknown"]), weight=weight,
                         missing=("who can change its contracts", "age of its contracts"))  # fmt: skip
    seen, missing = list[Evidence](), list(controls.missing)
    least, ages = 100.0, list[float]()
    for one in counted:
        found = min((_control(who, of) for who in one.changers), default=float(of["immutable"]))
        least = min(least, found)
        seen += _evidence(one)
        missing += [f"{one.name or one.address}: {what}" for what in one.missing]
        reports = of_code(one, (*audits(), *facts.audits) if among is None else among)
        if code := one.implementation_hash or one.code_hash:
            seen.append(
                Evidence(what=f"{one.name or one.part}: code", value=code, source=str(one.address), block=one.block)
            )
        seen += [
            Evidence(what=f"{one.name or one.part}: audited", value=f"{report.firm}, {report.date}, of this very code",
                     source=report.source, block=one.block)
            for report in reports
        ]  # fmt: skip
        tried = score(of["audits"], float(len({report.firm for report in reports})))
        since = one.created_at if one.created_at is not None else one.there_since
        if since is None:
            missing.append(f"age of {one.name or one.address}")
            ages.append(tried)
            continue
        days = (now - since) / DAY
        ages.append(max(tried, score(of["days"], max(days, 0.0))))
        shown = f"{days:z,.0f} days" if one.created_at is not None else f"at least {days:z,.0f} days, seen since"
        seen.append(
            Evidence(what=f"{one.name or one.part}: age", value=shown, source=str(one.address), block=one.block)
        )
        if one.created_at is None:
            missing.append(f"age of {one.name or one.address}: {shown}")
    if (old := (now - controls.time) / DAY) > STALE_DAYS and controls.time:
        missing.append(f"who can change its contracts for {old:z,.0f} days, since the last look")
    part = float(of["weight_days"])
    found = (1.0 - part) * least + part * min(ages, default=0.0)
    return Component(name=NAME, score=found, weight=weight, evidence=tuple(seen), missing=tuple(missing))


def weak_owner(facts: Facts) -> str | None:
    """A contract whose code a single key can replace, through its proxy's admin or through a role; None: no such
    contract is known."""
    for one in facts.controls.contracts if facts.controls else ():
        by = [who for role in one.roles if role.power is Power.UPGRADE for who in role.holders]
        for who in (one.upgrade_by, *by) if one.part in COUNTED else ():
            if who.kind is not ControllerKind.NONE and _one_key(who):
                return f"{one.name or one.address} can be exchanged by {who.words}"
    return None


def _one_key(who: Controller) -> bool:
    return who.signatures <= 1 and who.warning_seconds == 0


def _control(who: Controller, of: Mapping[str, Any]) -> float:
    """The better of the score of its delay and the score of its number of signers."""
    signers = {
        ControllerKind.NONE: float(of["immutable"]),
        ControllerKind.GOVERNOR: float(of["governor"]),
        ControllerKind.EOA: float(of["eoa"]),
        ControllerKind.UNKNOWN: float(of["unknown"]),
        ControllerKind.CONTRACT: float(of["other"]),
        ControllerKind.TIMELOCK: float(of["other"]),
    }
    last = list(who.chain)[-1]
    if last.kind is ControllerKind.SAFE:
        found = score(of["multisig"], float(last.threshold or 0))
    else:
        found = signers[last.kind]
    if who.warning_seconds:
        found = max(found, score(of["timelock_hours"], who.warning_seconds / 3600.0))
    return found


def _evidence(one: ContractFacts) -> list[Evidence]:
    name = one.name or str(one.part)
    shown = {"code can be exchanged by": one.upgrade_by, "settings can be changed by": one.owner}
    roles = [
        Evidence(what=f"{name}: {role.name}", value=who.words, source=str(one.address), block=one.block)
        for role in one.roles
        if role.power is not Power.OTHER
        for who in role.holders
    ][:MOST_HOLDERS]
    return [
        Evidence(what=f"{name}: {what}", value=who.words, source=str(one.address), block=one.block)
        for what, who in shown.items()
        if who.kind is not ControllerKind.NONE
    ] + roles or [Evidence(what=f"{name}: can be changed by", value="nobody", source=str(one.address), block=one.block)]
