"""Fuzz targets of the watch: what strangers' contracts, programs and services answer about who controls them. Each
takes any bytes and must end in a value."""

from __future__ import annotations

import json
from typing import Any

from yieldbot.model.ids import Address
from yieldbot.model.text import one_line

AT = Address("0x00000000000000000000000000000000000000C0")
PRINTED = 1000
"""Characters of any words that are shown."""


def _printable(words: str) -> None:
    if len(words) > PRINTED or words != one_line(words, PRINTED):
        raise AssertionError(f"not one printable line: {words[:80]!r}")


def control(data: bytes) -> None:
    """A first byte that chooses the decoder, then its bytes."""
    if data:
        (_log, _comet, _payload, _squads, _safe, _kept)[data[0] % 6](data[1:])


def _log(data: bytes) -> None:
    """A topic's place, a number of topics, the topics, the data."""
    from yieldbot.model.reads import EthLog
    from yieldbot.protocols.evm.control_events import described_one, topics

    if len(data) < 2:
        return
    first, count = topics()[data[0] % len(topics())], data[1] % 4
    rest = data[2:]
    more = tuple(rest[32 * n : 32 * n + 32] for n in range(count))
    told = described_one(EthLog(AT, (first, *more), rest[32 * count :], 1, 0, "0x"))
    if told is not None:
        _printable(told.event.words)


def _comet(data: bytes) -> None:
    from yieldbot.protocols.evm.comet_queue import PREFIX, changes_of, words_of_call
    from yieldbot.protocols.evm.control_events import ScheduledCall
    from yieldbot.protocols.evm.control_reads import Reading

    answers = {"supplyKink": data[:32], "governor": data[32:64], "collateral 0": data[64:320], PREFIX + AT: data}
    reading = Reading(AT, None, {}, answers)
    for change in changes_of(AT, reading, data):
        _printable(change.what + change.after + change.before)
    _printable(words_of_call(ScheduledCall(AT, 0, data), {AT: reading}))


def _payload(data: bytes) -> None:
    from yieldbot.protocols.evm.payloads import actions_of

    words, *_ = actions_of(data, lambda call: f"calls {call.target}")
    if "\n" in words or "\x1b" in words:
        raise AssertionError("not one printable line")


def _squads(data: bytes) -> None:
    from yieldbot.chains.solana.multisigs import (
        GOVERNANCE,
        SQUADS_V3,
        SQUADS_V4,
        SYSTEM,
        controller,
        governance,
        multisig,
        nonce_authority,
        tag,
    )
    from yieldbot.chains.solana.node.answers import AccountImage

    for program, head in ((SQUADS_V4, tag("Multisig")), (SQUADS_V3, tag("Ms")), (GOVERNANCE, b""), (SYSTEM, b"")):
        image = AccountImage(1, program, head + data)
        if (found := multisig(program, image)) is not None:
            _printable(controller(found).words)
        governance(program, image)
        nonce_authority(image)


def _safe(data: bytes) -> None:
    from yieldbot.chains.evm.safe_queue import prepared

    try:
        row: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    prepared(AT, 0, row)


def _kept(data: bytes) -> None:
    """What a look kept, from a file that somebody changed."""
    from yieldbot.chains.evm import controls_kept as kept
    from yieldbot.chains.solana.controls import _Book
    from yieldbot.model.settings import SvmLimits

    try:
        known: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(known, dict):
        for read in (kept.code_of, kept.roles_of, kept.ages_of, kept.queues_of, kept.configurators_of, kept.safes_of):
            read(known)
        _Book.of(known, SvmLimits())


def seeds() -> list[bytes]:
    """One of each kind that is right, or nearly so."""
    from eth_abi.abi import encode

    from tests.evm.test_comet_queue import configured
    from tests.evm.test_safe_queue import row
    from tests.unit.chains.solana.test_multisigs import v3, v4
    from yieldbot.protocols.evm.payloads import STATE

    state = (AT, 1, 2, 1, 5, 0, 0, 9, 9, 9, [(AT, True, 1, 0, "execute()", b"")])
    kept = {"roles": {AT: ["events", [["0x0", AT, 5]], 0, 9]}, "ages": {AT: [1, 2, 3, 4, 5]}, "calls": [[AT, "x", "y"]]}
    found = [b"\0" + bytes([n, 2]) + bytes(200) for n in range(80)]
    found += [b"\1" + configured(supplyKink=5), b"\2" + encode([STATE], [state])]
    found += [b"\3" + v4()[8:], b"\3" + v3()[8:], b"\3\x13" + bytes(200)]
    return [*found, b"\4" + json.dumps(row(AT, AT, b"x", [AT])).encode(), b"\5" + json.dumps(kept).encode()]
