"""Contracts that answer any bytes: reading who controls them never raises, ends, and believes nothing."""

from __future__ import annotations

import random

from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.unit.protocols.test_controls import POOL, WANTED, head, run
from yieldbot.model.controls import Controller, ControllerKind
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCode, EthCodeAtBlock, EthLog, EthLogs, EthSlot, LogSpan, Read
from yieldbot.protocols.evm.age_reads import AgeReads, with_age
from yieldbot.protocols.evm.control_facts import SAFE_SINGLETONS, facts_of
from yieldbot.protocols.evm.control_reads import MOST_OF_ONE, MOST_ROUNDS, SAFE_PROXIES, address_of, remembered
from yieldbot.protocols.evm.role_reads import MOST_CANDIDATES, RoleReads, granted, numbers, with_roles


def noise(draw: random.Random, read: Read) -> bytes:
    """Any bytes: addresses of a small world, lists, numbers without end, nothing, too little."""
    near = draw.choice((0x1000, 0x1001, 0x1002, 0x1003, draw.getrandbits(160), 0))
    owners = [address_of(draw.choice((0x1001, 0x1002, 0x1003))) for _ in range(draw.randrange(5))]
    listed = encode(["address[]"], [owners])
    kinds = (
        near.to_bytes(32, "big"),
        draw.getrandbits(256).to_bytes(32, "big"),
        listed,
        listed[: draw.randrange(64)],
        draw.randbytes(draw.randrange(200)),
        (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"),
        near.to_bytes(32, "big") + draw.getrandbits(draw.choice((8, 40, 256))).to_bytes(32, "big"),
        draw.randrange(10).to_bytes(32, "big"),
        b"",
    )
    if isinstance(read, EthCode):
        code = bytes.fromhex(draw.choice(SAFE_PROXIES)) + (171).to_bytes(32, "big") + bytes(64)
        minimal = bytes.fromhex("363d3d373d3d3d363d73") + near.to_bytes(20, "big")
        minimal += bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
        many = (
            head(),
            head(b""),
            code,
            head(minimal),
            head(b"\xef\x01\x00" + bytes(20)),
            draw.randbytes(128),
            b"",
            b"x",
        )
        return draw.choice(many)
    if isinstance(read, EthLogs):
        topic = draw.choice((*granted(), draw.randbytes(32)))
        role = draw.choice((bytes(32), draw.randbytes(32), draw.choice(list(numbers())).to_bytes(32, "big")))
        logs = tuple(
            EthLog(
                draw.choice((POOL, address_of(near % 2**160), Address("0x00"))),
                (topic, role, draw.choice((near.to_bytes(32, "big"), draw.randbytes(32), b"x")))[: draw.randrange(4)],
                draw.randbytes(9),
                draw.randrange(100),
                n,
                "0x",
            )
            for n in range(draw.choice((0, 1, 90)))
        )
        return draw.choice((b"", LogSpan(logs, draw.randrange(-5, 200), draw.choice(("", "cut"))).encoded()))
    if isinstance(read, EthCodeAtBlock):
        return draw.choice((b"", draw.randbytes(32 + len(read.addresses)), bytes(28) + draw.randbytes(4) + b"\x01"))
    if isinstance(read, EthSlot):
        return draw.choice(
            (
                near.to_bytes(32, "big"),
                bytes(32),
                draw.randbytes(32),
                b"",
                int(SAFE_SINGLETONS[0], 16).to_bytes(32, "big"),
            )
        )
    return draw.choice(kinds)


@settings(max_examples=draws(3, 300), deadline=None)
@given(st.integers())
def test_no_answers_raise_and_every_reading_ends(seed: int) -> None:
    draw = random.Random(seed)
    book, ages = RoleReads(100), AgeReads(100, 10**9, frozenset([POOL]))
    readings, rounds, seen = run(lambda read: noise(draw, read), beside=(book, ages))
    assert rounds <= MOST_ROUNDS and len(seen) <= MOST_OF_ONE + 1
    readings = with_roles(readings, book)
    found = with_age(facts_of(WANTED[0], readings), ages.ages)
    assert (found.created_at or 0) <= 10**9
    holders = [one for role in found.roles for one in role.holders]
    assert all(len(role.holders) <= 2 * MOST_CANDIDATES and role.name for role in found.roles)
    for controller in (found.upgrade_by, found.owner, *(one for _, one in found.rights), *holders):
        assert controller.words and controller.warning_seconds >= 0 and controller.signatures >= 0
        _believed(controller)
    known = remembered(WANTED, readings)
    again, _, seen = run(lambda read: noise(draw, read), known=known, beside=(RoleReads(120, book.remembered()),))
    # What was known, as many new ones for the contract, and as many for all that was known together.
    assert facts_of(WANTED[0], again) is not None and len(seen) <= 3 * MOST_OF_ONE + 1


def _believed(controller: Controller) -> None:
    """What counts for something is a key, a Safe by its own code, a delay that can be, or nobody."""
    for one in controller.chain:
        if one.kind is ControllerKind.SAFE:
            assert one.code_hash in SAFE_PROXIES and 0 < (one.threshold or 0) <= len(set(one.owners))
        assert (one.delay_seconds or 0) <= 365 * 86_400
