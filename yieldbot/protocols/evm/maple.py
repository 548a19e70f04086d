"""Maple's announced changes: calls scheduled at its Globals, and proposals of its GovernorTimelock. Both store only a
hash on the chain; the call itself is in the calldata of the transaction that announced it, and is believed if its hash
matches. Pure.

Source: maple-labs/globals-v2, MapleGlobals.sol (scheduleCall, timelockParametersOf), GovernorTimelock.sol
(scheduleProposals, proposeRoleUpdates); pool-v2, Pool.sol (manager), PoolManager.sol (globals, poolDelegate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from yieldbot.model.amounts import Amount
from yieldbot.model.controls import Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.market import Exit, ExitKind
from yieldbot.model.reads import EthCall, Flow
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.evm.control_events import ScheduledCall
from yieldbot.protocols.reads import Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

MANAGER = "manager"
ASKED = (MANAGER, selector_of("manager()"))
"""The view by which a pool names its PoolManager, as (name, calldata)."""
DELAYS = "defaultTimelockParameters"
LEAST_DELAY = 86_400
"""Seconds that each call of a GovernorTimelock waits at least (``MIN_DELAY``); a function may have one of its own."""
LONGEST_CYCLE = 366 * 86_400
"""Seconds of a withdrawal cycle beyond which it is not believed."""
MOST_INPUT = 200_000
"""Most bytes of a transaction's calldata that are searched."""
MOST_FOUND = 20
"""Most positions in one transaction's calldata at which these functions' selectors are decoded."""


def with_manager(named: Sequence[Dependency], readings: Mapping[Address, Reading]) -> tuple[Dependency, ...]:
    """The contracts that a market depends on, with a pool's PoolManager and Maple's Globals added, where they were
    read."""
    found = list(named)
    for one in named:
        reading = readings.get(one.address)
        manager = reading.named(MANAGER) if reading is not None else None
        behind = readings.get(manager) if manager is not None else None
        if behind is None or behind.code is None or not behind.code.size or one.part is not Part.POOL:
            continue
        found.append(Dependency(behind.address, Part.INSIDE, "pool manager"))
        exits = readings.get(behind.named("withdrawalManager") or Address(""))
        if exits is not None and exits.code is not None and exits.code.size:
            found.append(Dependency(exits.address, Part.INSIDE, "withdrawal manager"))
        book = readings.get(behind.named("globals") or Address(""))
        if book is not None and DELAYS in book.answers:
            found.append(Dependency(book.address, Part.ADMIN, "Globals"))
    return tuple({one.address: one for one in reversed(found)}.values())[::-1]


EXIT_VIEWS = ("queue()", "totalShares()", "getCurrentConfig()")
"""Views of a pool's withdrawal manager: of one that serves requests in turn, and of one that has windows."""
NEXT_CYCLES = 2
"""Cycles after the present one in which a request of now is paid (MapleWithdrawalManager.sol, ``addShares``)."""


def read_exit(manager: Address) -> Flow[list[bytes]]:
    """The answers to EXIT_VIEWS of the withdrawal manager that a pool's manager names; empty: it names none."""
    reads = Reads()
    named = reads.add(EthCall(manager, selector_of("withdrawalManager()"), optional=True))
    yield from reads.made()
    number = int.from_bytes(named.data, "big") if len(named.data) == 32 else 0
    if not 0 < number < 2**160:
        return []
    at, reads = checksum(f"0x{number:040x}"), Reads()
    asked = [reads.add(EthCall(at, selector_of(view), optional=True)) for view in EXIT_VIEWS]
    yield from reads.made()
    return [one.data for one in asked]


def exit_of(answers: Sequence[bytes], worth: Callable[[int], Amount], cash: Amount | None, now: int) -> Exit | None:
    """How money leaves a pool, by the answers to ``read_exit``; None where they are no withdrawal manager's. worth: of
    shares, in the pool's asset. now: unix seconds."""
    queue, total, config = answers if answers else (b"",) * len(EXIT_VIEWS)
    if len(queue) == 64 and len(total) == 32:
        first, last = (int.from_bytes(queue[at : at + 32], "big") for at in (0, 32))
        shares = int.from_bytes(total, "big")
        if max(first, last) >= 2**128 or shares >= 2**128:
            return None
        before = f"{max(0, last - first + 1)} requests of {worth(shares)} wait before a new one"
        return Exit(kind=ExitKind.WINDOW, seconds=None, cash=cash, limit=f"exits are served in turn: {before}")
    if len(config) == 128:
        _, begun, cycle, window = (int.from_bytes(config[at : at + 32], "big") for at in range(0, 128, 32))
        if not 0 < window <= cycle <= LONGEST_CYCLE or not 0 < begun <= now:
            return None
        opens = begun + ((now - begun) // cycle + NEXT_CYCLES) * cycle
        when = f"{datetime.fromtimestamp(opens, UTC):%Y-%m-%d %H:%M} UTC"
        limit = f"a request of now is paid from {when} on, for {window / 3600:g} h, as far as there is cash"
        return Exit(kind=ExitKind.WINDOW, seconds=opens + window - now, cash=cash, limit=limit)
    return None


def delay_of(reading: Reading) -> int | None:
    """The delay of a GovernorTimelock's calls, in seconds; None for any other contract."""
    answer = reading.answers.get(DELAYS, b"")
    if len(answer) != 64 or any(reading.named(view) for view in ("governor", "owner", "admin")):
        return None
    return min(int.from_bytes(answer[:32], "big"), LEAST_DELAY)


def read_delays(calls: Sequence[tuple[Address, bytes]]) -> Flow[list[int | None]]:
    """The delay of each scheduled call in seconds, by Globals (``timelockParametersOf``); None where it is unknown.
    calls: (Globals, 96 bytes of caller, contract and function)."""
    reads, asked = Reads(), []
    for at, id_ in calls:
        own = EthCall(at, selector_of("timelockParametersOf(address,bytes32)") + id_[32:], optional=True)
        usual = EthCall(at, selector_of(f"{DELAYS}()"), optional=True)
        asked.append((reads.add(own), reads.add(usual)))
    yield from reads.made()
    found: list[int | None] = []
    for mine, general in asked:
        words = [int.from_bytes(one.data[at : at + 32], "big") for one in (mine, general) for at in (0, 32)]
        delay = words[0] if words[1] else words[2]  # a window of 0 is one that is not set
        found.append(delay if len(general.data) == 64 and delay < 2**32 else None)
    return found


def call_in(data: bytes, wanted: bytes, at: Address, target: Address | None = None) -> ScheduledCall | None:
    """The call with the hash ``wanted`` that a transaction's calldata ``data`` announces, wherever it is in there (a
    Safe passes calldata on); None if there is none. at: the contract that stores the hash. target: the contract that
    would be called, for a call at Globals; None for a proposal."""
    for found in _announced(data[:MOST_INPUT], at, target):
        from eth_abi.abi import encode

        inside = encode(["bytes"], [found.data]) if target else encode(["address", "bytes"], [found.target, found.data])
        if keccak(inside) == wanted:
            return found
    return None


def _announced(data: bytes, own: Address, target: Address | None) -> list[ScheduledCall]:
    from eth_abi.abi import decode, encode

    found = list[ScheduledCall]()
    shapes = {
        "scheduleProposals(address[],bytes[])": ["address[]", "bytes[]"],
        "scheduleCall(address,bytes32,bytes)": ["address", "bytes32", "bytes"],
        "proposeRoleUpdates(bytes32[],address[],bool[])": ["bytes32[]", "address[]", "bool[]"],
    }
    for signature, types in shapes.items():
        selector, place = selector_of(signature), -1
        for _ in range(MOST_FOUND):
            place = data.find(selector, place + 1)
            if place < 0:
                break
            try:
                values = decode(types, data[place + 4 :], strict=False)
            except Exception:  # bytes that merely resemble such a call
                continue
            if signature.startswith("scheduleCall"):
                found.append(ScheduledCall(target or checksum(values[0]), 0, bytes(values[2])))
            elif signature.startswith("scheduleProposals"):
                found += [ScheduledCall(checksum(to), 0, bytes(one)) for to, one in zip(*values, strict=False)]
            else:
                inside = selector_of("updateRole(bytes32,address,bool)")
                rows = zip(*values, strict=False)
                made = [inside + encode(["bytes32", "address", "bool"], row) for row in rows]
                found += [ScheduledCall(own, 0, one) for one in made]
    return found
