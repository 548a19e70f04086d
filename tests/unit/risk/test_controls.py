"""What became weaker, what is about to change, and what the watch says of it: once, and until it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yieldbot.model.controls import (
    NO_ONE,
    ContractFacts,
    ControlEvent,
    Controller,
    ControllerKind,
    Controls,
    Look,
    Part,
    Pending,
    Power,
    Role,
    weakest,
)
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.notices import Severity
from yieldbot.model.risk import Act
from yieldbot.risk.controls import (
    FLOOD_SECONDS,
    MOST_EACH,
    OVERDUE_SECONDS,
    alarms_of_controls,
    changes,
    still_open,
    weaker,
)
from yieldbot.risk.watching import READER, WatchMemory, accept, advance

M, OTHER = MarketId("m"), MarketId("other")
POOL, ADMIN, NEXT = (Address(f"0x{n:040x}") for n in (0x101, 0x102, 0x103))
T0, DAY = 1_750_000_000, 86_400
KEY = Controller(kind=ControllerKind.EOA, address=ADMIN)


def safe(threshold: int) -> Controller:
    return Controller(
        kind=ControllerKind.SAFE, address=ADMIN, threshold=threshold, owners=(POOL, ADMIN, NEXT, M, OTHER)
    )  # type: ignore[arg-type]


def late(seconds: int, behind: Controller | None = None) -> Controller:
    return Controller(kind=ControllerKind.TIMELOCK, address=ADMIN, delay_seconds=seconds, behind=behind)


UNKNOWN = Controller(kind=ControllerKind.UNKNOWN, why="not readable")
BEYOND = Controller(kind=ControllerKind.CONTRACT, address=ADMIN)
VOTE = Controller(kind=ControllerKind.GOVERNOR, address=ADMIN)


@pytest.mark.parametrize(
    ("before", "now", "act"),
    [
        (KEY, KEY, None),
        (safe(4), safe(4), None),
        (safe(4), safe(5), None),
        (safe(4), safe(3), Act.LEAVE),
        (safe(4), KEY, Act.LEAVE),
        (KEY, safe(4), None),
        (BEYOND, KEY, Act.LEAVE),
        (late(2 * DAY, safe(4)), safe(4), Act.LEAVE),
        (late(2 * DAY, safe(4)), late(DAY, safe(4)), Act.LEAVE),
        (late(DAY, safe(4)), late(2 * DAY, safe(4)), None),
        (late(DAY, safe(4)), late(DAY, KEY), Act.LEAVE),
        (NO_ONE, KEY, Act.LEAVE),
        (NO_ONE, safe(5), Act.LEAVE),
        (VOTE, safe(5), Act.LEAVE),
        (safe(4), NO_ONE, None),
        (safe(4), UNKNOWN, Act.STOP),
        (UNKNOWN, safe(4), None),
        (UNKNOWN, UNKNOWN, None),
        (KEY, replace(KEY, address=NEXT), None),
        (safe(2), replace(safe(2), owners=(POOL, ADMIN, "a", "b", "c")), None),
        (safe(3), replace(safe(3), owners=(POOL, ADMIN, "a", "b", "c")), Act.STOP),
        (safe(3), replace(safe(4), owners=(POOL, "x", "a", "b", "c")), Act.STOP),
    ],
)
def test_weaker(before: Controller, now: Controller, act: Act | None) -> None:
    found = weaker(before, now)
    assert (found[0] if found else None) is act
    if found is not None:
        assert before.words in found[1] or now.words in found[1]


def facts(**values: object) -> ContractFacts:
    base = ContractFacts(address=POOL, part=Part.POOL, name="Pool", code_hash="aa" * 32, implementation=NEXT,
                         implementation_hash="bb" * 32, upgrade_by=late(DAY, safe(4)), owner=safe(4))  # fmt: skip
    return replace(base, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "acts"),
    [
        (facts(), facts(), []),
        (facts(), facts(implementation_hash="cc" * 32), [Act.STOP]),
        (facts(upgrade_by=KEY), facts(upgrade_by=KEY, implementation_hash="cc" * 32), [Act.LEAVE]),
        (facts(), facts(code_hash="cc" * 32), [Act.LEAVE]),
        (facts(), facts(code_hash=""), [Act.LEAVE]),
        (facts(), facts(code_hash="", missing=("code: not readable",)), []),
        (facts(owner=late(DAY, safe(4))), facts(owner=late(DAY, safe(4)), values=()), []),
        (facts(values=(("oracle", "1"),)), facts(values=(("oracle", "2"),)), [Act.LEAVE]),
        (
            facts(values=(("oracle", "1"),), owner=late(DAY, safe(4))),
            facts(values=(("oracle", "2"),), owner=late(DAY, safe(4))),
            [Act.STOP],
        ),
        (facts(values=(("cap of market 1", "1"),)), facts(values=(("cap of market 1", "2"),)), []),
        (facts(values=(("timelock seconds", "9"),)), facts(values=(("timelock seconds", "8"),)), [Act.LEAVE]),
        (facts(values=(("timelock seconds", "8"),)), facts(values=(("timelock seconds", "9"),)), []),
        (facts(values=(("deployed at slot", "8"),)), facts(values=(("deployed at slot", "9"),)), [Act.STOP]),
        (facts(rights=(("curator", safe(4)),)), facts(rights=(("curator", KEY),)), [Act.LEAVE]),
        (facts(rights=(("guardian", safe(4)),)), facts(rights=(("guardian", KEY),)), [Act.STOP]),
    ],
)
def test_changes(before: ContractFacts, now: ContractFacts, acts: list[Act]) -> None:
    assert [act for act, _ in changes(before, now)] == acts


def role(*holders: Controller, name: str = "MINTER_ROLE", power: Power = Power.MINT, missing: str = "") -> Role:
    return Role(name=name, power=power, holders=holders, missing=missing)


ADMIN_SAFE = role(safe(4), name="DEFAULT_ADMIN_ROLE", power=Power.ADMIN)
OTHER_KEY = Controller(kind=ControllerKind.EOA, address=NEXT)


@pytest.mark.parametrize(
    ("before", "now", "acts"),
    [
        ((), (ADMIN_SAFE, role(KEY)), []),
        ((ADMIN_SAFE,), (ADMIN_SAFE,), []),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(KEY)), [Act.LEAVE]),
        ((ADMIN_SAFE, role(KEY)), (ADMIN_SAFE, role(KEY, OTHER_KEY)), [Act.LEAVE]),
        ((ADMIN_SAFE, role(KEY, OTHER_KEY)), (ADMIN_SAFE, role(KEY)), []),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(late(2 * DAY, replace(OTHER_KEY, address=POOL)))), [Act.LEAVE]),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(replace(safe(3), address=NEXT))), [Act.LEAVE]),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(replace(safe(5), address=NEXT))), []),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(KEY, name="PAUSER_ROLE", power=Power.PAUSE)), [Act.STOP]),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(KEY, name="KEEPER_ROLE", power=Power.OTHER)), []),
        ((ADMIN_SAFE,), (ADMIN_SAFE, role(replace(UNKNOWN, address=NEXT))), [Act.STOP]),
        ((replace(ADMIN_SAFE, missing="of old"),), (ADMIN_SAFE, role(KEY)), []),
        ((replace(ADMIN_SAFE, missing="of old"),), (ADMIN_SAFE, replace(role(KEY), given=(99,))), []),
        ((replace(ADMIN_SAFE, missing="of old"),), (ADMIN_SAFE, replace(role(KEY), given=(101,))), [Act.LEAVE]),
        ((ADMIN_SAFE,), (replace(ADMIN_SAFE, holders=(safe(2),)),), [Act.LEAVE]),
        ((ADMIN_SAFE,), (replace(ADMIN_SAFE, holders=(safe(5),)),), []),
        (
            (ADMIN_SAFE, role(safe(4), name="PAUSER_ROLE", power=Power.PAUSE)),
            (ADMIN_SAFE, role(safe(3), name="PAUSER_ROLE", power=Power.PAUSE)),
            [Act.STOP],
        ),
    ],
)
def test_roles_given(before: tuple[Role, ...], now: tuple[Role, ...], acts: list[Act]) -> None:
    assert [act for act, _ in changes(facts(roles=before, block=100), facts(roles=now))] == acts


def test_a_role_that_changes_hands_is_one_line_with_who_holds_it() -> None:
    memory, _ = advance(None, look(1, facts(roles=(ADMIN_SAFE,))))
    event_ = event(2, what="RoleGranted", words=f"{NEXT} gets the role MINTER_ROLE")
    after, said = advance(memory, look(2, facts(roles=(ADMIN_SAFE, role(OTHER_KEY))), event_))
    assert [line for line in said[0].lines] == ["Pool 0x0000…0101: MINTER_ROLE is held by one key 0x0000…0103 now"]
    assert [a.act for a in after.alarms[M]] == [Act.LEAVE]
    _, said = advance(after, look(3, facts(roles=(ADMIN_SAFE,))))
    assert "MINTER_ROLE was held by one key" in said[0].lines[0] and said[0].ended


def test_who_holds_the_admins_role_alone_may_change_it_and_who_is_not_known_counts_as_the_worst() -> None:
    one = facts(roles=(role(KEY, name="DEFAULT_ADMIN_ROLE", power=Power.ADMIN, missing="events of old"),))
    assert [who.kind for who in one.changers[-2:]] == [ControllerKind.EOA, ControllerKind.UNKNOWN]
    assert weakest([safe(3), KEY, late(DAY, KEY)]) is KEY and weakest([]) is None


def controls(one: ContractFacts, market: MarketId = M, **more: object) -> Controls:
    return replace(Controls(market=market, contracts=(one,)), **more)  # type: ignore[arg-type]


def event(block: int, **values: object) -> ControlEvent:
    return replace(ControlEvent(contract=POOL, what="X", words="x happened", block=block, tx="0x1"), **values)  # type: ignore[arg-type]


def look(at: int, one: ContractFacts, *events: ControlEvent, **more: object) -> Look:
    made = Look(block=at, time=T0 + at, controls={M: controls(one)}, events=events)
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_weakness_is_said_once_stands_and_ends_when_it_is_undone() -> None:
    memory, said = advance(None, look(1, facts()))
    assert said == () and memory.alarms == {}
    memory, said = advance(memory, look(2, facts(owner=KEY)))
    assert [a.act for a in said[0].alarms] == [Act.LEAVE] and said[0].lines
    (alarm,) = memory.alarms[M]
    assert alarm.since == T0 + 2
    memory, said = advance(memory, look(3, facts(owner=KEY)))
    assert said == () and memory.alarms[M] == (alarm,), "the same since"
    memory, said = advance(memory, look(4, facts()))
    assert memory.alarms == {} and [a.saw for a in said[0].ended] == [alarm.saw]


def test_what_a_person_accepts_counts_no_more_and_the_next_weakness_does() -> None:
    memory, _ = advance(None, look(1, facts()))
    memory, _ = advance(memory, look(2, facts(owner=safe(2))))
    memory = accept(memory, [M, MarketId("nowhere")])
    assert memory.alarms == {}
    memory, _ = advance(memory, look(3, facts(owner=safe(2))))
    assert memory.alarms == {}
    memory, _ = advance(memory, look(4, facts(owner=KEY)))
    assert [a.act for a in memory.alarms[M]] == [Act.LEAVE]


def test_a_market_that_a_look_lacks_keeps_its_alarms_and_its_facts() -> None:
    memory, _ = advance(None, look(1, facts()))
    memory, _ = advance(memory, look(2, facts(owner=KEY)))
    after, said = advance(memory, Look(block=3, time=T0 + 3, controls={}))
    assert after.alarms == memory.alarms and after.accepted == memory.accepted and said == ()
    gone = controls(facts(values=(), owner=KEY), missing=("the market",))
    after, _ = advance(after, Look(block=4, time=T0 + 4, controls={M: gone}))
    assert after.last == memory.last and [a.act for a in after.alarms[M]] == [Act.LEAVE]


def test_what_only_a_newer_version_finds_did_not_become_weaker() -> None:
    """A proxy from before the standard counted as one that nobody can exchange; what stood before stands on."""
    memory, _ = advance(None, look(1, facts()))
    weakened, _ = advance(memory, look(2, facts(owner=KEY)))
    found = facts(upgrade_by=KEY, implementation=NEXT)
    after, said = advance(replace(memory, reader=READER - 1), look(3, found))
    assert after.alarms == {} and said == () and after.reader == READER
    again, _ = advance(after, look(4, replace(found, owner=KEY)))
    assert [a.act for a in again.alarms[M]] == [Act.LEAVE], "from then on it counts"
    after, _ = advance(replace(weakened, reader=READER - 1), look(3, replace(found, owner=KEY)))
    assert Act.LEAVE in {a.act for a in after.alarms[M]}


def test_one_of_many_collaterals_stops_new_money_and_takes_none_out() -> None:
    """A token on which a tenth of a pool rests: its issuers steer no market."""
    before, now = (facts(part=Part.BACKER, owner=who, name="COIN") for who in (safe(4), KEY))
    memory, _ = advance(None, look(1, before))
    after, said = advance(memory, look(2, now))
    assert [(one.code, one.act) for one in after.alarms[M]] == [("CONTROL_WEAKER", Act.STOP)] and said[0].lines
    announced = facts(part=Part.BACKER, pending=(Pending(what="owner", after=NEXT),))
    flood = event(2, contract=ADMIN, what="flood", pending=Pending(what="anything", after="many", id="flood/2"))
    after, _ = advance(memory, look(2, announced, flood))
    assert after.alarms == {}


def test_a_governor_that_floods_events_stops_new_money_of_what_it_controls() -> None:
    """Its events are too many to be read one by one, so that any of them may be about the market."""
    memory, _ = advance(None, look(1, facts()))
    many = Pending(what="anything", after="51 events", id="flood/2")
    for contract, stops in ((ADMIN, True), (NEXT, False)):
        flood = ControlEvent(contract=contract, what="flood", words="51 events", block=2, pending=many)
        after, said = advance(memory, look(2, facts(), flood))
        acts = [one.act for one in after.alarms.get(M, ())]
        assert acts == ([Act.STOP] if stops else []) and len(said) == int(stops)
        later = replace(look(3, facts()), time=T0 + 2 + FLOOD_SECONDS - 1)
        assert len(advance(after, later)[0].alarms.get(M, ())) == int(stops), "for a week"
        assert not advance(after, replace(later, time=T0 + 2 + FLOOD_SECONDS))[0].alarms


def test_events_read_twice_are_said_once_and_those_of_strangers_never() -> None:
    memory, _ = advance(None, look(1, facts()))
    memory, said = advance(memory, look(20, facts(), event(19), event(18, contract=NEXT), event(17, contract=ADMIN)))
    unknown = "[not understood: X]"
    assert [line.partition(": ")[2] for line in said[0].lines] == [
        f"x happened (block 19) {unknown}",
        f"x happened (block 17) {unknown}",
    ]
    assert said[0].severities == (Severity.CRITICAL, Severity.CRITICAL)
    _, said = advance(memory, look(30, facts(), event(19)))
    assert said == () and memory.since == max(20 - 12, memory.began) == 8
    first, _ = advance(None, look(15, facts()))
    assert first.since == 15, "what happened before the first look is no news"


def test_a_scheduled_call_stands_until_it_is_made_cancelled_or_given_up() -> None:
    call = Pending(what="scheduled call", after="f()", due=T0 + 100, id="call/1", names=(POOL,))
    opened = event(2, contract=ADMIN, pending=call)
    foreign = event(3, contract=ADMIN, pending=replace(call, names=(NEXT,), id="call/2"))
    memory, said = advance(WatchMemory(block=1, time=T0), look(5, facts(), opened, foreign))
    (alarm,) = memory.alarms[M]
    assert (alarm.code, alarm.act) == ("PENDING_CHANGE", Act.STOP) and "UTC on" in alarm.saw and said
    after, _ = advance(memory, look(6, facts(), event(6, contract=ADMIN, closes="call/1")))
    assert after.alarms == {} and [one.pending.id for one in after.open if one.pending] == ["call/2"]
    assert still_open(memory.open, (), T0 + 100 + OVERDUE_SECONDS) == ()
    assert len(still_open(memory.open, (), T0 + 99 + OVERDUE_SECONDS)) == 2


def test_a_timelock_that_changes_itself_concerns_who_stands_on_it() -> None:
    own = event(2, contract=ADMIN, pending=Pending(what="scheduled call", after="f()", id="call/1", names=(ADMIN,)))
    assert alarms_of_controls({}, {M: controls(facts())}, [own], T0)[M]
    other = ContractFacts(address=NEXT, part=Part.POOL, owner=KEY.__class__(kind=ControllerKind.EOA, address=POOL))
    assert alarms_of_controls({}, {OTHER: controls(other, OTHER)}, [own], T0) == {}


def test_many_changes_at_once_are_bounded_and_the_worst_counts() -> None:
    many = [(f"right {n}", safe(4)) for n in range(MOST_EACH + 5)]
    before = facts(rights=tuple(many))
    now = facts(rights=tuple((name, KEY) for name, _ in many), owner=KEY)
    found = alarms_of_controls({M: controls(before)}, {M: controls(now)}, (), T0)[M]
    assert len(found) == MOST_EACH and found[-1].act is Act.LEAVE
    assert found[-1].saw == f"{len(many) + 1 - MOST_EACH + 1} further changes at once"
