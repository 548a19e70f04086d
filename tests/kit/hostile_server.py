"""What a server that was taken over may send to the signer: changed, cut, replayed and forged requests, without end.

It knows every plan, one person's signatures, and all signatures of a plan that has expired.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.kit.config.files import WALLET
from tests.kit.signer import ANNA, BEN, EVE, handed, plan, signature
from yieldbot.model.ids import Address
from yieldbot.model.plan import identified

AFRESH = 100
"""Requests made of the same plan."""
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**53,
        2**63,
        1.5,
        "",
        "0x",
        "ben",
        "anna",
        [],
        {},
        "\u202e",
        "9" * 400,
        "carry out",
        "status",
    ),
    *("0x" + "00" * 65, "0x" + "ff" * 65, {"approver": "ben", "signature": ""}, [[]], {"a": {"b": []}}),
)


def requests(draw: random.Random, owner: str = WALLET) -> Iterator[bytes]:
    """Bodies of requests about this account, none of which may be carried out."""
    own = Address(owner)
    while True:
        good = plan(height=draw.randrange(8, 10**6), raw=draw.randrange(1, 10**9), seconds=1500)
        good = identified(replace(good, owner=own))
        one = handed(good, anna=ANNA)
        forged = {"approver": draw.choice(("ben", "eve", "anna")), "signature": signature(good, EVE)}
        old = identified(replace(plan(height=draw.randrange(8, 10**6), seconds=-100), owner=own))
        both = handed(old, anna=ANNA, ben=BEN)
        revived = handed(identified(replace(old, expires_at=good.expires_at)), anna=ANNA)
        bases = (
            one,
            one | {"approvals": [*one["approvals"], forged]},
            one | {"approvals": one["approvals"] * draw.randrange(1, 32)},
            one | {"approvals": [*one["approvals"], {**one["approvals"][0], "approver": "ben"}]},
            both,
            both | {"plan": one["plan"], "lines": one["lines"]},
            revived | {"approvals": both["approvals"]},
            {"request": "since", "seq": draw.randrange(0, 500)},
            {"request": "status"},
            {"request": "reject", "plan_id": old.id, "reason": "x"},
        )
        for _ in range(AFRESH):
            yield _body(draw, draw.choice(bases))


def frames(draw: random.Random, owner: str) -> Iterator[bytes]:
    """The same as frames; some have another length than they say."""
    for body in requests(draw, owner):
        length = len(body) if draw.random() < 0.9 else draw.choice((0, 1, len(body) * 2 + 1, 2**20 + 1, 2**32 - 1))
        yield struct.pack(">I", length) + body


def _body(draw: random.Random, document: Any) -> bytes:
    if draw.random() < 0.7:
        for _ in range(draw.choice((1, 1, 1, 2, 5))):
            document = _changed(draw, document)
    if isinstance(document, dict) and document.get("request") == "halt":  # it may; nothing would be tried after it
        document = document | {"request": "Halt"}
    body = bytearray(json.dumps(document).encode())
    if draw.random() < 0.2 and body:
        for _ in range(draw.randrange(1, 4)):
            body[draw.randrange(len(body))] = draw.randrange(256)
    if draw.random() < 0.05:
        body = body[: draw.randrange(len(body) + 1)]
    return bytes(body)


def _changed(draw: random.Random, document: Any) -> Any:
    """A copy with one place changed, taken out, or doubled."""
    if not isinstance(document, dict | list) or not document or draw.random() < 0.15:
        return draw.choice(ODD)
    made: Any = dict(document) if isinstance(document, dict) else list(document)
    at = draw.choice(list(made)) if isinstance(made, dict) else draw.randrange(len(made))
    how = draw.random()
    if how < 0.1:
        del made[at]
    elif how < 0.15 and isinstance(made, list):
        made.append(made[at])
    elif how < 0.2 and isinstance(made, dict):
        made[f"{at}_"] = made[at]
    else:
        made[at] = _changed(draw, made[at])
    return made
