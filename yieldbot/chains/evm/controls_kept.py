"""The part of ``Look.known`` about an EVM chain's contracts: what one look stores for the next, as a JSON object.

A part that cannot be decoded counts as empty, so that the next look reads everything anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.model.ids import Address
from yieldbot.protocols.evm.age_reads import Age
from yieldbot.protocols.evm.control_reads import VIEWS, KnownCode
from yieldbot.protocols.evm.queue_reads import KnownQueue, OpenCall
from yieldbot.protocols.evm.role_reads import KnownRoles


def code_of(known: Mapping[str, Any]) -> KnownCode:
    """What earlier looks found about contracts' code; empty if they tried other view functions than this version
    does."""
    try:
        if known["tried"] != list(VIEWS):
            return KnownCode()
        keys = {Address(at): str(key) for at, key in known["keys"].items()}
        views = {str(key): tuple(map(str, names)) for key, names in known["views"].items()}
        return KnownCode(keys, views, tuple(Address(at) for at in known["next"]))
    except (KeyError, TypeError, AttributeError):
        return KnownCode()


def roles_of(known: Mapping[str, Any]) -> dict[Address, KnownRoles]:
    """The holders of roles that the last look found, by contract."""
    try:
        return {
            Address(at): KnownRoles(
                str(how),
                tuple((int(role, 16), Address(account), int(given)) for role, account, given in held),
                int(since),
                int(until),
            )
            for at, (how, held, since, until) in known["roles"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def ages_of(known: Mapping[str, Any]) -> dict[Address, Age]:
    """The ages of contracts that earlier looks found."""
    try:
        return {Address(at): Age(*map(int, numbers)) for at, numbers in known["ages"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def queues_of(known: Mapping[str, Any]) -> tuple[dict[Address, KnownQueue], tuple[OpenCall, ...]]:
    """(queues of timelocks that earlier looks read, by contract; the calls that were open in them)."""
    try:
        spans = {Address(at): KnownQueue(int(since), int(floor)) for at, (since, floor) in known["queues"].items()}
        return spans, tuple(
            OpenCall(
                Address(at),
                str(what),
                str(id_),
                str(words),
                tuple(Address(name) for name in names),
                tuple(str(one) for calls in rest for one in calls),
            )
            for at, what, id_, words, names, *rest in known["calls"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}, ()


def configurators_of(known: Mapping[str, Any]) -> tuple[dict[Address, Address], dict[Address, int]]:
    """The Configurators that earlier looks found, by Comet, and when they were looked for, in unix seconds."""
    try:
        found = {Address(comet): Address(at) for comet, at in known["configurators"].items()}
        return found, {Address(comet): int(time) for comet, time in known["searched"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}, {}


def safes_of(known: Mapping[str, Any]) -> tuple[tuple[Address, str], ...]:
    """(Safe, id) of each transaction that could be executed according to Safe's transaction service at the last
    look."""
    try:
        return tuple((Address(safe), str(id_)) for safe, id_ in known["safes"])
    except (KeyError, TypeError, ValueError):
        return ()


def document(
    code: KnownCode,
    roles: Mapping[Address, KnownRoles],
    ages: Mapping[Address, Age],
    queues: tuple[Mapping[Address, KnownQueue], tuple[OpenCall, ...]],
    configurators: tuple[Mapping[Address, Address], Mapping[Address, int]],
    safes: Sequence[tuple[Address, str]],
) -> dict[str, Any]:
    """The JSON object that holds all of these."""
    return {
        "tried": list(VIEWS),
        "keys": dict(code.keys),
        "views": {key: list(names) for key, names in code.views.items()},
        "next": list(code.next),
        "roles": {
            at: [
                one.how,
                [[hex(role), account, given] for role, account, given in one.candidates],
                one.since,
                one.until,
            ]
            for at, one in roles.items()
        },
        "safes": [list(one) for one in safes],
        "configurators": dict(configurators[0]),
        "searched": dict(configurators[1]),
        "queues": {at: [one.since, one.floor] for at, one in queues[0].items()},
        "calls": [[one.contract, one.what, one.id, one.words, list(one.names), list(one.calls)] for one in queues[1]],
        "ages": {at: [one.without, one.without_time, one.since, one.time, one.refused] for at, one in ages.items()},
    }
