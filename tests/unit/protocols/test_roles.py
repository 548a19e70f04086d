"""Roles of a contract that lists nobody: found by events as far as a node tells them, and asked about one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.unit.protocols.test_controls import POOL, WANTED, head, run, word
from yieldbot.model.controls import ControllerKind
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, EthCode, EthLog, EthLogs, EthSlot, LogSpan, Read
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import address_of, calldata
from yieldbot.protocols.evm.role_reads import MOST_CANDIDATES, KnownRoles, RoleReads, granted, numbers, with_roles

MINTER = next(number for number, name in numbers().items() if name == "MINTER_ROLE")
HOLDER, LEFT = address_of(0xAAAA), address_of(0xBBBB)
HEAD = 1000


def log(role: int, account: Address, block: int = 5) -> EthLog:
    return EthLog(POOL, (granted()[0], word(role), word(int(account, 16)), word(1)), b"", block, 0, "0x")


def chain(
    logs: Callable[[EthLogs], bytes], holds: Sequence[tuple[int, Address]], asked: list[EthLogs] | None = None
) -> Callable[[Read], bytes]:
    """A contract with roles and no list; everybody else is a key."""

    def answer(read: Read) -> bytes:
        if isinstance(read, EthCode):
            return head() if read.address == POOL else head(b"")
        if isinstance(read, EthSlot):
            return bytes(32)
        if isinstance(read, EthLogs):
            if asked is not None:
                asked.append(read)
            return logs(read)
        assert isinstance(read, EthCall)
        if read.to != POOL:
            return b""
        if read.data == calldata("hasRoles"):
            return bytes(32)
        if read.data[:4].hex() == "91d14854":
            role, account = int.from_bytes(read.data[4:36], "big"), address_of(int.from_bytes(read.data[36:], "big"))
            return word((role, account) in holds)
        return b""

    return answer


def spans(*found: EthLog, since: int = 0) -> Callable[[EthLogs], bytes]:
    return lambda read: LogSpan(tuple(one for one in found if one.block >= since), max(since, read.first)).encoded()


def test_events_say_who_may_hold_a_role_and_the_contract_who_does() -> None:
    book = RoleReads(HEAD)
    logs = spans(log(0, HOLDER), log(MINTER, HOLDER), log(MINTER, LEFT))
    readings, rounds, _ = run(chain(logs, [(0, HOLDER), (MINTER, HOLDER)]), beside=(book,))
    assert rounds == 3, "the contract; its events; who still holds them, and who that is"
    facts = facts_of(WANTED[0], with_roles(readings, book))
    assert [(r.name, [h.address for h in r.holders]) for r in facts.roles] == [
        ("DEFAULT_ADMIN_ROLE", [HOLDER]),
        ("MINTER_ROLE", [HOLDER]),
    ]
    assert [one.kind for one in facts.changers] == [ControllerKind.EOA] and not facts.missing
    asked: list[EthLogs] = []
    warm = RoleReads(HEAD + 50, book.remembered())
    readings, rounds, _ = run(chain(spans(), [(0, HOLDER)], asked), beside=(warm,))
    assert [(one.first, one.last, one.past_parts) for one in asked] == [(HEAD - 11, HEAD + 50, 0)]
    facts = facts_of(WANTED[0], with_roles(readings, warm))
    assert [r.name for r in facts.roles] == ["DEFAULT_ADMIN_ROLE"], "a role that is lost is not listed by the next look"


def test_a_past_that_no_node_tells_is_unknown_and_the_worst_is_assumed() -> None:
    book = RoleReads(HEAD)
    readings, _, _ = run(chain(lambda read: b"", []), beside=(book,))
    facts = facts_of(WANTED[0], with_roles(readings, book))
    assert [role.name for role in facts.roles] == ["DEFAULT_ADMIN_ROLE"]
    assert [one.kind for one in facts.changers] == [ControllerKind.UNKNOWN]
    assert facts.missing == ("holders of DEFAULT_ADMIN_ROLE: no node tells whom it was given to before block 1,001",)


def test_a_past_in_parts_is_read_on_by_later_looks_and_is_whole_at_last() -> None:
    known: dict[Address, KnownRoles] = {}
    for n, since in enumerate((600, 300, 0)):
        asked: list[EthLogs] = []
        book = RoleReads(HEAD, known, floors={POOL: 20})
        answer = chain(spans(log(0, HOLDER, block=25), since=since), [(0, HOLDER)], asked)
        readings, _, _ = run(answer, beside=(book,))
        known = book.remembered()
        past = [one for one in asked if one.past_parts]
        assert [(one.first, one.last) for one in past] == [(20, (HEAD, 599, 299)[n])]
        facts = facts_of(WANTED[0], with_roles(readings, book))
        assert bool(facts.missing) is (since > 0)
    assert [one.address for one in facts.roles[0].holders] == [HOLDER] and known[POOL].since == 0
    assert facts.roles[0].given == (25,) and known[POOL].candidates == ((0, HOLDER, 25),)


def test_a_flood_of_grants_is_bounded_and_named() -> None:
    many = [log(MINTER, address_of(0x5000 + n)) for n in range(MOST_CANDIDATES + 40)]
    noise = [log(0x1234 + n, HOLDER) for n in range(200)]
    book = RoleReads(HEAD)
    readings, _, seen = run(chain(spans(*noise, *many), []), beside=(book,))
    facts = facts_of(WANTED[0], with_roles(readings, book))
    assert len(seen) < MOST_CANDIDATES and any(f"more than {MOST_CANDIDATES}" in one for one in facts.missing)


def test_events_that_are_not_told_now_are_asked_for_again() -> None:
    known = {POOL: KnownRoles("events", ((0, HOLDER, 5),), 0, 500)}
    book = RoleReads(HEAD, known)
    readings, _, _ = run(chain(lambda read: b"", [(0, HOLDER)]), beside=(book,))
    assert [r.holders[0].address for r in facts_of(WANTED[0], with_roles(readings, book)).roles] == [HOLDER]
    assert book.remembered()[POOL].until == 500 - 12


def test_events_since_the_last_look_that_are_cut_are_read_as_a_past_by_later_looks() -> None:
    known = {POOL: KnownRoles("events", ((0, HOLDER, 5),), 0, 500)}
    book = RoleReads(HEAD, known)
    readings, _, _ = run(chain(spans(since=900), [(0, HOLDER)]), beside=(book,))
    assert any("before block 900" in one for one in facts_of(WANTED[0], with_roles(readings, book)).missing)
    asked: list[EthLogs] = []
    later = RoleReads(HEAD + 9, book.remembered())
    readings, _, _ = run(
        chain(spans(log(MINTER, LEFT, block=700)), [(0, HOLDER), (MINTER, LEFT)], asked), beside=(later,)
    )
    assert (0, 899) in [(one.first, one.last) for one in asked if one.past_parts]
    facts = facts_of(WANTED[0], with_roles(readings, later))
    assert not facts.missing and facts.roles[1].holders[0].address == LEFT and facts.roles[1].given == (700,)


def test_an_admin_that_is_about_to_change_is_announced_by_its_own_view() -> None:
    due = 1_800_000_000

    def said(read: Read) -> bytes:
        if isinstance(read, EthCall) and read.to == POOL and read.data == calldata("pendingDefaultAdmin"):
            return word(int(LEFT, 16)) + word(due)
        return chain(spans(), [])(read)

    readings, _, _ = run(said)
    (pending,) = facts_of(WANTED[0], readings).pending
    assert (pending.what, pending.due, int(pending.after, 0)) == ("default admin", due, int(LEFT, 16))
