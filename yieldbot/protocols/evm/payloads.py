"""The actions of a payload of Aave's governance, from its PayloadsController. Pure.

Source: aave-dao/aave-governance-v3, IPayloadsControllerCore.sol (Payload, ExecutionAction).
"""

from __future__ import annotations

from collections.abc import Callable

from yieldbot.model.controls import UNREADABLE
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.text import one_line
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.evm.control_events import ScheduledCall
from yieldbot.protocols.reads import Reads

MOST_PAYLOADS, MOST_ACTIONS = 20, 10
LONGEST_SIGNATURE = 80
ACTION = "(address,bool,uint8,uint256,string,bytes)"
STATE = f"(address,uint8,uint8,uint40,uint40,uint40,uint40,uint40,uint40,uint40,{ACTION}[])"


def read_payloads(named: list[tuple[Address, str]]) -> Flow[list[bytes]]:
    """The answers of PayloadsControllers to ``getPayloadById``, in order; empty bytes if one does not answer. named:
    (controller, "call/" and the payload's number)."""
    reads = Reads()
    selector = selector_of("getPayloadById(uint40)")
    handles = [
        reads.add(EthCall(at, selector + int(id_.removeprefix("call/")).to_bytes(32, "big"), optional=True))
        for at, id_ in named[:MOST_PAYLOADS]
    ]
    yield from reads.made()
    return [handle.data for handle in handles]


def actions_of(answer: bytes, decoded: Callable[[ScheduledCall], str]) -> tuple[str, int | None, tuple[str, ...]]:
    """(a text about the payload's actions, unix seconds from which it may be executed, the functions that it calls, as
    in ``ControlEvent.calls``); ("", None, ()) for an answer that cannot be decoded. Code that it runs as its own, as
    payloads usually do, is none of these. decoded: describes a call."""
    from eth_abi.abi import decode

    try:
        ((*_, queued_at, _, _, _, delay, _, actions),) = decode([STATE], answer)
    except Exception:  # a contract may answer anything
        return "", None, ()
    found, selectors = list[str](), list[str]()
    for target, delegates, _, value, signature, data in actions[:MOST_ACTIONS]:
        name = one_line(str(signature), LONGEST_SIGNATURE)
        if delegates:
            found.append(f"runs the code of {checksum(target)}{f' ({name})' if name else ''} as its own")
        else:
            call = ScheduledCall(checksum(target), value, (selector_of(name) if name else b"") + data)
            found.append(decoded(call))
            selectors.append(call.selector)
    if len(actions) > MOST_ACTIONS:
        found.append(f"and {len(actions) - MOST_ACTIONS} further actions")
        selectors.append(UNREADABLE)
    due = queued_at + delay
    return "; ".join(found), due if queued_at and due < 2**40 else None, tuple(selectors)
