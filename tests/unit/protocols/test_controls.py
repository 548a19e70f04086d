"""Contracts that answer anything: reading who controls them never raises, ends, and assumes the worst."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from yieldbot.model.controls import ControllerKind, Dependency, Part, Power
from yieldbot.model.ids import Address
from yieldbot.model.reads import CodeHead, EthCall, EthCode, EthSlot, Read
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.control_facts import controller_of, facts_of
from yieldbot.protocols.evm.control_reads import (
    MOST_OF_ONE,
    MOST_ROUNDS,
    SLOTS,
    KnownCode,
    Reading,
    address_of,
    calldata,
    read_controls,
    remembered,
)
from yieldbot.protocols.evm.role_reads import Holders
from yieldbot.protocols.evm.standing import OF_PROTOCOL

POOL = address_of(0x1000)
WANTED = [Dependency(POOL, Part.POOL, "pool", (("cap", b"\x01\x02\x03\x04"), ("pending cap", b"\x05\x06\x07\x08")))]


def head(code: bytes = b"\x60\x80", size: int | None = None) -> bytes:
    return keccak(code) + (len(code) if size is None else size).to_bytes(32, "big") + code[:64].ljust(64, b"\0")


def word(number: int) -> bytes:
    return int(number).to_bytes(32, "big")


def run(answer, wanted: Sequence[Dependency] = WANTED, known: KnownCode | None = None, beside=()):  # type: ignore[no-untyped-def]
    """The readings, the rounds and the addresses that were read."""
    flow = read_controls(wanted, known, beside)
    rounds, seen = 0, set[Address]()
    try:
        reads: Sequence[Read] = next(flow)
        while True:
            rounds += 1
            seen |= {read.address for read in reads if isinstance(read, EthCode)}
            reads = flow.send([answer(read) for read in reads])
    except StopIteration as done:
        return done.value, rounds, seen


def test_who_answers_what_no_contract_has_is_believed_nothing() -> None:
    def anything(read: Read) -> bytes:
        if isinstance(read, EthCode):
            return head()
        return (2 * 86_400).to_bytes(32, "big") if isinstance(read, EthCall) else bytes(32)

    readings, _, _ = run(anything)
    found = facts_of(WANTED[0], readings)
    assert found.owner.kind is ControllerKind.UNKNOWN and not found.rights and not found.values and not found.pending
    assert any("no contract has" in why for why in found.missing)


def test_an_endless_row_of_owners_is_cut_and_named() -> None:
    def ever_new(read: Read) -> bytes:
        if isinstance(read, EthCode):
            return head()
        if isinstance(read, EthSlot) or read.data != calldata("owner"):  # type: ignore[union-attr]
            return bytes(32) if isinstance(read, EthSlot) else b""
        return (int(read.to, 16) + 1).to_bytes(32, "big")  # type: ignore[union-attr]

    readings, rounds, _ = run(ever_new)
    owner = facts_of(WANTED[0], readings).owner
    assert rounds == MOST_ROUNDS and list(owner.chain)[-1].kind is ControllerKind.UNKNOWN
    assert "not followed so far" in owner.words and owner.signatures == 0


def read_as(**answers: Address) -> Reading:
    """A contract that is no proxy and names these addresses."""
    return proxy(**answers)


def proxy(
    *, runs: Address | None = None, admin: Address | None = None, old: bool = False, **answers: Address
) -> Reading:
    """A proxy by its storage slots."""
    names = ("old implementation", "old admin") if old else ("implementation", "admin")
    slots = dict.fromkeys(SLOTS, 0) | {name: int(at, 16) for name, at in zip(names, (runs, admin), strict=True) if at}
    said = {name: word(int(at, 16)) for name, at in answers.items()}
    return Reading(POOL, CodeHead.of(head()), slots, said)


KEY, LATE, BOOK, CODE = (address_of(n) for n in (0x3001, 0x3002, 0x3003, 0x3004))


def world(**readings: Reading) -> dict[Address, Reading]:
    """Readings of contracts by name, and of one key."""
    at = {"pool": POOL, "late": LATE, "book": BOOK, "code": CODE}
    key = Reading(KEY, CodeHead.of(head(b"")), {}, {})
    return {KEY: key} | {at[name]: replace(one, address=at[name]) for name, one in readings.items()}


def test_a_proxy_whose_owner_is_a_proxy_is_as_weak_as_whoever_may_exchange_that() -> None:
    """A timelock says two days, and one key may make it say anything; one that only itself can exchange is believed."""
    delay = {"getMinDelay": address_of(2 * 86_400)}
    owned = read_as(owner=LATE)
    found = facts_of(WANTED[0], world(pool=owned, late=proxy(runs=CODE, admin=KEY, **delay), code=read_as()))
    assert found.owner.warning_seconds == 0 and found.owner.signatures == 1, found.owner.words
    assert [one.kind for one in found.owner.chain] == [ControllerKind.CONTRACT, ControllerKind.EOA]
    behind_it = world(pool=proxy(runs=CODE, admin=BOOK), book=read_as(owner=LATE),
                      late=proxy(runs=CODE, admin=KEY, **delay), code=read_as())  # fmt: skip
    assert facts_of(WANTED[0], behind_it).upgrade_by.warning_seconds == 0, "a proxy behind a proxy"
    for itself in (LATE, BOOK):  # by the timelock, or by an administrator that it owns
        readings = world(
            pool=owned, late=proxy(runs=CODE, admin=itself, **delay), book=read_as(owner=LATE), code=read_as()
        )
        assert facts_of(WANTED[0], readings).owner.warning_seconds == 2 * 86_400
    lost = world(pool=owned, late=proxy(runs=CODE, admin=BOOK, **delay), code=read_as())
    assert list(facts_of(WANTED[0], lost).owner.chain)[-1].kind is ControllerKind.UNKNOWN, "not read: the worst"


def test_a_proxy_from_before_the_standard_has_an_admin_too() -> None:
    readings = world(pool=proxy(runs=CODE, admin=KEY, old=True), code=read_as())
    found = facts_of(WANTED[0], readings)
    assert (found.implementation, found.upgrade_by.kind) == (CODE, ControllerKind.EOA)
    key = remembered(WANTED, readings).views
    assert any("old admin" in names for names in key.values()), "a warm look reads it again"
    slots = set[int]()

    def answer(read: Read) -> bytes:
        slots.update([read.slot] if isinstance(read, EthSlot) and read.address == POOL else [])
        return head() if isinstance(read, EthCode) else bytes(32) if isinstance(read, EthSlot) else b""

    run(answer, known=remembered(WANTED, readings))
    assert SLOTS["old admin"] in slots


def test_controllers_that_all_name_each_other_end() -> None:
    """Each of 41 contracts has every other one in a role, and as the admin of its proxy."""
    many = [address_of(0x5000 + n) for n in range(41)]
    everybody = tuple((one, 0, 0) for one in many)
    readings = {
        one: replace(
            proxy(runs=CODE, admin=many[n - 1]), address=one, roles=(Holders("admin", Power.ADMIN, everybody),)
        )
        for n, one in enumerate(many)
    } | {CODE: replace(read_as(), address=CODE)}
    found = facts_of(Dependency(many[0], Part.POOL), readings)
    assert found.upgrade_by.signatures == 0 and all(one.words for role in found.roles for one in role.holders)


def test_a_contract_that_names_ever_new_addresses_costs_no_more_than_its_share() -> None:
    draw = random.Random(1)

    def wide(read: Read) -> bytes:
        if isinstance(read, EthCode):
            return head()
        return (
            b""
            if isinstance(read, EthCall) and read.data == calldata("nonsense")
            else draw.getrandbits(150).to_bytes(32, "big")
        )

    other = Dependency(address_of(0x2000), Part.POOL)
    readings, _, seen = run(wide, [*WANTED, other])
    assert other.address in readings and len(seen) <= 2 * (MOST_OF_ONE + 1)


def test_pending_changes_and_settings_of_a_dependencys_own_views() -> None:
    due = 1_800_000_000

    def said(read: Read) -> bytes:
        if isinstance(read, EthCode):
            return head()
        if isinstance(read, EthSlot):
            return bytes(32)
        assert isinstance(read, EthCall)
        return {
            b"\x01\x02\x03\x04": (77).to_bytes(32, "big"),
            b"\x05\x06\x07\x08": (5000).to_bytes(32, "big") + due.to_bytes(32, "big"),
            calldata("owner"): (0x1111).to_bytes(32, "big"),
            calldata("pendingOwner"): (0x2222).to_bytes(32, "big"),
            calldata("timelock"): (86_400).to_bytes(32, "big"),
            calldata("pendingTimelock"): (0).to_bytes(32, "big") + (due + 1).to_bytes(32, "big"),
        }.get(read.data, b"")

    readings, _, _ = run(said)
    found = facts_of(WANTED[0], readings)
    assert dict(found.values) == {"timelock seconds": "86400", "cap": "77"}
    assert [(one.what, one.after, one.due) for one in found.pending] == [
        ("owner", address_of(0x2222), None),
        ("timelock seconds", "0", due + 1),
        ("cap", "5000", due),
    ]


def test_unreadable_storage_is_the_worst_case_and_named() -> None:
    def refused(read: Read) -> bytes:
        return b"" if isinstance(read, EthSlot) else head() if isinstance(read, EthCode) else b""

    readings, _, _ = run(refused)
    found = facts_of(WANTED[0], readings)
    assert found.upgrade_by.kind is ControllerKind.UNKNOWN and any("storage" in why for why in found.missing)
    nothing = facts_of(Dependency(address_of(9), Part.POOL), readings)
    assert nothing.owner.kind is nothing.upgrade_by.kind is ControllerKind.UNKNOWN and nothing.missing


@pytest.mark.parametrize("owns", [True, False])
def test_aaves_payloads_controller_counts_as_a_governor_only_for_the_executor_that_it_names(owns: bool) -> None:
    executor, controller = address_of(0x3001), address_of(0x3002)
    named = int(executor, 16) if owns else 0x9999

    def reading(address: Address, **answers: bytes) -> Reading:
        from yieldbot.model.reads import CodeHead

        return Reading(address, CodeHead.of(head(address.encode())), {}, answers)

    readings = {
        executor: reading(executor, owner=int(controller, 16).to_bytes(32, "big")),
        controller: reading(
            controller,
            owner=int(executor, 16).to_bytes(32, "big"),
            executorSettings=named.to_bytes(32, "big") + (86_400).to_bytes(32, "big"),
        ),
    }
    found = list(controller_of(executor, readings).chain)
    assert found[0].kind is ControllerKind.CONTRACT
    assert found[1].kind is (ControllerKind.GOVERNOR if owns else ControllerKind.UNKNOWN)
    assert found[1].delay_seconds == (86_400 if owns else None)


def test_every_protocol_says_what_its_markets_stand_on() -> None:
    assert set(adapters()) - {"idle"} <= set(OF_PROTOCOL)
