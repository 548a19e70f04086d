"""How much of each token exists, read in the round in which the markets are read. Flows, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow

TOTAL_SUPPLY = bytes.fromhex("18160ddd")  # totalSupply(), EIP-20


def supply_of(token: Address) -> Flow[int | None]:
    """A token's whole supply in base units, in one round; None where it answers none."""
    (data,) = yield [EthCall(token, TOTAL_SUPPLY, optional=True)]
    return int.from_bytes(data[:32], "big") if len(data) >= 32 else None


def known(answers: Iterable[tuple[Address, object]]) -> Mapping[Address, int]:
    """Of the answers of flows those that are a supply."""
    return {token: answer for token, answer in answers if isinstance(answer, int)}
