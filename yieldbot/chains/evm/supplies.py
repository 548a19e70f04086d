"""The total supply of each token, read in the same round as the markets. Flows, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow

TOTAL_SUPPLY = bytes.fromhex("18160ddd")  # totalSupply(), EIP-20


def supply_of(token: Address) -> Flow[int | None]:
    """A token's ``totalSupply`` (EIP-20) in base units, in one round; None if it returns none."""
    (data,) = yield [EthCall(token, TOTAL_SUPPLY, optional=True)]
    return int.from_bytes(data[:32], "big") if len(data) >= 32 else None


def known(answers: Iterable[tuple[Address, object]]) -> Mapping[Address, int]:
    """The supplies among flows' answers, by token address; failures are left out."""
    return {token: answer for token, answer in answers if isinstance(answer, int)}
