"""Alarms from who controls what a market stands on: what became weaker, and what is about to change. Pure.

CONTROL_WEAKER asks to leave if the owner, the upgrader, the curator or a timelock is weaker than at the last accepted
look (fewer signatures, a shorter delay), or if code or oracle were replaced without notice. It only stops new money if
a change was announced in time, or if the controllers can no longer be read. PENDING_CHANGE stops new money while an
announced change is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from yieldbot.model.controls import (
    CONFIGURATOR,
    NO_ONE,
    ContractFacts,
    ControlEvent,
    Controller,
    ControllerKind,
    Controls,
    Part,
    Pending,
    Power,
    span,
    weakest,
)
from yieldbot.model.ids import MarketId
from yieldbot.model.risk import Act, Alarm, Evidence
from yieldbot.model.text import counted

WEAKER, PENDING = "CONTROL_WEAKER", "PENDING_CHANGE"
FLOOD_SECONDS = 7 * 86_400
"""Seconds for which events that were too many to be read stop new money."""
CALL = "scheduled call: "
"""How the words of a call begin that waits in a timelock."""
OVERDUE_SECONDS = 30 * 86_400
"""Seconds after its due time at which an announced call that was not made counts as abandoned."""
SETTINGS = ("oracle", "oracle source", "rate model", "configurator", "role manager")
"""Settings that decide who sets prices and rates, as opposed to amounts such as caps and factors."""
LEAST_WARNING = 3600
"""Shortest notice in seconds: a change announced for less time counts as made without notice."""
MOST_EACH = 12
"""Most alarms of one market; further ones are counted in the last one."""


def weaker(before: Controller, now: Controller) -> tuple[Act, str] | None:
    """(what the alarm asks for, why) if the new controller is weaker than the one before; None: it is not."""
    if now == before:
        return None
    if now.kind is ControllerKind.UNKNOWN and before.kind is not ControllerKind.UNKNOWN:
        return Act.STOP, f"it is not known any more: {now.words}; it was {before.words}"
    last, first = list(now.chain)[-1].kind, list(before.chain)[-1].kind
    if last is ControllerKind.EOA and first not in (ControllerKind.EOA, ControllerKind.UNKNOWN):
        return Act.LEAVE, f"one key now: {now.words}; it was {before.words}"
    if now.signatures < before.signatures:
        return Act.LEAVE, f"{_keys(before)} before, {_keys(now)} now: {now.words}; it was {before.words}"
    if now.warning_seconds < before.warning_seconds:
        spans = f"{span(before.warning_seconds)} of warning before, {span(now.warning_seconds)} now"
        return Act.LEAVE, f"{spans}: {now.words}; it was {before.words}"
    first_signers, signers = list(before.chain)[-1].owners, list(now.chain)[-1].owners
    stayed = set(first_signers) & set(signers)
    if first_signers and signers and len(stayed) < min(now.signatures, len(first_signers)):
        few = f"{len(stayed)} of its {len(first_signers)} signers are left, {now.signatures} are needed"
        return Act.STOP, f"{few}: {now.words}; it was {before.words}"
    return None


def _keys(one: Controller) -> str:
    count = one.signatures
    last = list(one.chain)[-1].kind
    if last in (ControllerKind.NONE, ControllerKind.GOVERNOR):
        return "nobody" if last is ControllerKind.NONE else "a vote"
    return f"{counted(count, 'signature')}" if count else "nobody knows whose signatures"


def changes(before: ContractFacts, now: ContractFacts) -> list[tuple[Act, str]]:
    """Changes for the worse in one contract, each as (what the alarm asks for, what was observed)."""
    found: list[tuple[Act, str]] = []
    for what, then, at in (("upgrader", before.upgrade_by, now.upgrade_by), ("owner", before.owner, now.owner)):
        if (why := weaker(then, at)) is not None:
            found.append((why[0], f"{what}: {why[1]}"))
    old = dict(before.rights)
    for name, holder in now.rights:
        if name in old and (why := weaker(old[name], holder)) is not None:
            found.append((why[0] if name in TAKING else Act.STOP, f"{name}: {why[1]}"))
    found += given(before, now)
    warned = before.upgrade_by.warning_seconds >= LEAST_WARNING
    for what, was, code in (
        ("code", before.code_hash, now.code_hash),
        ("code behind it", before.implementation_hash, now.implementation_hash),
    ):
        if was and code != was:
            if not code and any("code" in one for one in now.missing):
                continue  # not read this time: reported as missing
            act = Act.STOP if warned and code and what != "code" else Act.LEAVE
            how = (
                f"after {span(before.upgrade_by.warning_seconds)} of warning" if act is Act.STOP else "without warning"
            )
            found.append((act, f"{what} changed {how}: {was[:12]}… is {code[:12] or 'gone'}… now"))
    values = dict(now.values)
    for name, was in dict(before.values).items():
        after = values.get(name)
        if after is None or after == was:
            continue
        if name in SETTINGS:
            act = Act.STOP if before.owner.warning_seconds >= LEAST_WARNING else Act.LEAVE
            how = "" if act is Act.STOP else " without warning"
            found.append((act, f"{name} changed{how}: {after}, it was {was}"))
        elif name == "deployed at slot":
            found.append((Act.STOP, f"its program was deployed anew at slot {after}, last at {was}"))
        elif name == "timelock seconds" and int(after) < int(was):
            found.append((Act.LEAVE, f"its timelock is {span(int(after))} now, it was {span(int(was))}"))
    return found


TAKING = ("curator", "mint", "minter", "master minter", "permanent delegate")
"""Rights other than the owner's whose holders can take the money, or mint tokens without backing."""
TOKENS = (Part.ASSET, Part.BACKER)
"""Parts whose pending changes ask for nothing: tokens of others, whose issuers change them in most months."""
STRONG = (Power.ADMIN, Power.UPGRADE, Power.MINT, Power.PROPOSE)
"""Powers whose holders can take the money, so that a weaker holder is a danger."""


def given(before: ContractFacts, now: ContractFacts) -> list[tuple[Act, str]]:
    """Roles that have a weaker holder now: a single key, an unknown party, a party weaker than everybody who could
    grant the role, or a holder who became weaker.

    If not all holders were known before, a holder who is new to us but was not granted the role since counts as known:
    the worst was already assumed.
    """
    if not before.roles:
        return []
    old = {role.name: role for role in before.roles}
    could = [one for role in before.roles if role.power is Power.ADMIN for one in role.holders]
    found = []
    for role in now.roles:
        was = old.get(role.name)
        had = {one.last: one for one in was.holders} if was else {}
        least = weakest((*had.values(), *could)) or NO_ONE
        whole = not any(one.missing for one in before.roles)
        since = dict(zip((one.last for one in role.holders), role.given, strict=False))
        for one in role.holders if role.power is not Power.OTHER else ():
            if one.last in had:
                if (why := weaker(had[one.last], one)) is not None:
                    found.append((why[0] if role.power in STRONG else Act.STOP, f"{role.name}: {why[1]}"))
                continue
            if not whole and since.get(one.last, 0) <= before.block:
                continue
            key = list(one.chain)[-1].kind is ControllerKind.EOA and one.warning_seconds < LEAST_WARNING
            if key or one.kind is ControllerKind.UNKNOWN or weaker(least, one) is not None:
                strong = role.power in STRONG and one.kind is not ControllerKind.UNKNOWN
                found.append((Act.LEAVE if strong else Act.STOP, f"{role.name} was given to {one.words}"))
    return found


def held(before: ContractFacts, now: ContractFacts) -> list[tuple[str, str]]:
    """(account, description) of everybody who holds a role now and did not before, or the reverse; empty if roles
    were not read before."""
    if not before.roles:
        return []
    one, two = ({(role.name, who.last): who for role in facts.roles for who in role.holders} for facts in (before, now))
    got = [(at, f"{name} is held by {who.words} now") for (name, at), who in two.items() if (name, at) not in one]
    lost = [(at, f"{name} was held by {who.words}") for (name, at), who in one.items() if (name, at) not in two]
    return [*got, *lost] if now.roles else []


def differences(before: ContractFacts, now: ContractFacts) -> list[str]:
    """Every difference between two looks as text, whether it makes control weaker or not."""
    found = []
    for what, then, at in (
        ("upgrader", before.upgrade_by, now.upgrade_by),
        ("owner", before.owner, now.owner),
        *((name, dict(before.rights).get(name), holder) for name, holder in now.rights),
    ):
        if then is not None and then != at:
            found.append(f"{what} is {at.words}, it was {then.words}")
    if before.implementation != now.implementation:
        found.append(
            f"it runs the code of {now.implementation or 'its own'}, it was {before.implementation or 'its own'}"
        )
    if before.code_hash != now.code_hash and now.code_hash:
        found.append(f"its code is {now.code_hash[:12]}…, it was {before.code_hash[:12] or 'none'}…")
    found += [words for _, words in held(before, now)]
    values = dict(before.values)
    found += [
        f"{name} is {after}, it was {values[name]}"
        for name, after in now.values
        if name in values and values[name] != after
    ]
    return found


def still_open(open_ones: Iterable[ControlEvent], events: Sequence[ControlEvent], now: int) -> tuple[ControlEvent, ...]:
    """Announced changes that are pending after a look: earlier and new ones, without those carried out, cancelled or
    abandoned."""
    standing: dict[str, ControlEvent] = {}
    for event in (*open_ones, *events):
        if event.pending is not None:
            standing[event.key] = _ending(event, now)
        elif event.closes:
            ended = (event.contract.lower(), event.closes)
            standing = {
                key: one
                for key, one in standing.items()
                if one.pending is None or (one.contract.lower(), one.pending.id) != ended
            }
    return tuple(
        event
        for event in standing.values()
        if event.pending is not None and (event.pending.due is None or _ends(event.pending) > now)
    )


def _ending(event: ControlEvent, now: int) -> ControlEvent:
    """The event; one about too many events to be read ends by itself, since nothing else could end it."""
    if event.what != "flood" or event.pending is None or event.pending.due is not None:
        return event
    return replace(event, pending=replace(event.pending, due=now + FLOOD_SECONDS, itself=True))


def _ends(pending: Pending) -> int:
    """Unix seconds from which an announced change is over: in force, or abandoned."""
    return (pending.due or 0) + (0 if pending.itself else OVERDUE_SECONDS)


def concerns(event: ControlEvent, controls: Controls) -> bool:
    """Whether an announced change concerns a market: its own contract announces it; the scheduled call targets or
    mentions one of its contracts, or would change its controllers; or a contract emits too many events to read them
    one by one."""
    if event.pending is not None and event.pending.what == "proposal":
        return False  # nobody has accepted it yet: it is news, and asks for nothing
    own = {one.address.lower() for one in controls.contracts if one.part not in TOKENS}
    contract, steers = event.contract.lower(), holders(controls)
    if event.what == "flood" and any(
        one.name == CONFIGURATOR and one.address.lower() == contract for one in controls.contracts
    ):
        return False  # a listing of other assets has as many events; what changed for this market its own settings say
    if event.pending is not None and event.pending.what == "scheduled call":
        names = {name.lower() for name in event.pending.names}
        return bool(names & own) or (names == {contract} and contract in steers)
    return contract in own or (event.what == "flood" and contract in steers)


def holders(controls: Controls) -> frozenset[str]:
    """Addresses (lower case) of everybody who controls a market's contracts."""
    found = set[str]()
    for one in controls.contracts:
        if one.part is Part.BACKER:
            continue  # whoever controls one of many collaterals steers no market
        roles = (who for role in one.roles for who in role.holders)
        for right in (one.upgrade_by, one.owner, *(holder for _, holder in one.rights), *roles):
            found |= {each.address.lower() for each in right.chain if each.address is not None}
    return frozenset(found)


def alarms_of_controls(
    before: Mapping[MarketId, Controls],
    now: Mapping[MarketId, Controls],
    announced: Sequence[ControlEvent],
    at: int,
    since: Mapping[tuple[MarketId, str], int] | None = None,
) -> dict[MarketId, tuple[Alarm, ...]]:
    """The alarms that stand now, by market.

    before: the last accepted facts; now: the facts of this look; announced: what ``still_open`` returned; at: unix
    seconds of the look; since: when alarms (by market, and what they describe) were first raised. A market that was not
    read this time has no entry: its earlier alarms stay in force.
    """
    known = since or {}
    found: dict[MarketId, tuple[Alarm, ...]] = {}
    for market, controls in now.items():
        mine = list(_of_market(before.get(market), controls, announced))
        if len(mine) > MOST_EACH:
            act = Act.LEAVE if any(act is Act.LEAVE for _, act, _, _ in mine) else Act.STOP
            rest = len(mine) - MOST_EACH + 1
            mine = [*mine[: MOST_EACH - 1], (WEAKER, act, f"{rest} further changes at once", ())]
        alarms = (
            Alarm(code=code, act=act, saw=saw, since=known.get((market, saw), at), evidence=evidence)
            for code, act, saw, evidence in mine
        )
        if made := tuple(alarms):
            found[market] = made
    return found


def _of_market(
    before: Controls | None, now: Controls, announced: Sequence[ControlEvent]
) -> Iterable[tuple[str, Act, str, tuple[Evidence, ...]]]:
    old = {one.address: one for one in before.contracts} if before else {}
    for one in now.contracts:
        if one.address in old:
            for act, saw in changes(old[one.address], one):
                act = Act.STOP if one.part is Part.BACKER else act
                yield WEAKER, act, f"{name_of(one)}: {saw}", (_evidence(one, saw),)
        for pending in one.pending if one.part not in TOKENS else ():
            yield PENDING, Act.STOP, f"{name_of(one)}: {_announced(pending)}", (_evidence(one, pending.source),)
    mine = [event for event in announced if concerns(event, now)]
    said = [call for event in mine if event.pending and (call := event.pending.after).startswith(CALL)]
    for event in mine:
        if event.pending is not None and not any(_repeats(event.pending.after, call) for call in said):
            source = Evidence(what=event.what, value=event.words, source=event.contract, block=event.block)
            yield PENDING, Act.STOP, f"{event.contract}: {_announced(event.pending)}", (source,)


def _repeats(words: str, call: str) -> bool:
    """Whether words say of what a timelock holds, as an accepted proposal does, only what the timelock's own event
    says."""
    return words != call and call.removeprefix(CALL) in words and ";" not in words


def name_of(one: ContractFacts) -> str:
    """A contract's name and address, short."""
    return f"{one.name or one.part} {one.address[:6]}…{one.address[-4:]}"


def _announced(pending: Pending) -> str:
    from datetime import UTC, datetime

    due = "" if pending.due is None else f", from {datetime.fromtimestamp(pending.due, UTC):%Y-%m-%d %H:%M} UTC on"
    if pending.what in ("scheduled call", "change", "anything"):
        return f"{pending.after}{due}"
    before = f", it is {pending.before}" if pending.before else ""
    return f"its {pending.what} may become {pending.after}{before}{due}"


def _evidence(one: ContractFacts, value: str) -> Evidence:
    return Evidence(what=str(one.part), value=value, source=one.address, block=one.block)
