"""Pools of a Solana program that a table names one by one, filtered by pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.protocols.solana.layout import layout

Named = tuple[Address, dict[str, Any], Token, Token]


class NamedPools(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    program: str
    """The exchange's program."""
    pools: list[str] = Field(min_length=1)
    """Addresses of the pools."""


def named_pools(
    deployment: Deployment, pairs: Sequence[tuple[Token, Token]], struct: str, mints: tuple[str, str]
) -> Flow[list[Named]]:
    """(address, fields, both tokens) of each named pool of a pair.

    struct: its account in the protocol's layout; mints: the fields that name its tokens.
    """
    program = Address(deployment.params["program"])
    addresses = [Address(at) for at in deployment.params["pools"]]
    answers = yield [SvmAccount(address, program) for address in addresses]
    listed = {token.address: token for pair in pairs for token in pair}
    wanted = {frozenset(pair) for pair in pairs}
    found = list[Named]()
    for address, data in zip(addresses, answers, strict=True):
        fields = layout(deployment.protocol).decode(struct, data)
        one, other = (listed.get(fields[mint]) for mint in mints)
        if one is not None and other is not None and {one, other} in wanted:
            found.append((address, fields, one, other))
    return found
