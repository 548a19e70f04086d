"""Rollups with their additional fees, on a double of a chain."""

from __future__ import annotations

from tests.kit.chain_double import ChainDouble, settings
from yieldbot.chains.evm.rollups import (
    GAS_PRICE_ORACLE,
    NODE_INTERFACE,
)
from yieldbot.model.settings import FeeKind

OP, ARBITRUM = settings(fee_kind=FeeKind.OP_STACK), settings(fee_kind=FeeKind.ARBITRUM)
L1, OPERATOR, UNITS = 7 * 10**12, 3 * 10**12, 40_000
ORACLE = GAS_PRICE_ORACLE.lower()


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def rollup(chain: ChainDouble, l1: int = L1, operator: int | None = OPERATOR, units: int = UNITS) -> ChainDouble:
    """Put the fee contracts of both kinds of rollups on the double, each with a constant answer."""
    chain.answers[(ORACLE, "49948e0e")] = word(l1)
    if operator is not None:
        chain.answers[(ORACLE, "275aedd2")] = word(operator)
    chain.answers[(NODE_INTERFACE.lower(), "77d488a2")] = word(units) + word(9) + word(8)
    return chain


def asked_of(chain: ChainDouble, to: str) -> list[str]:
    return [call[0]["data"] for name, call in chain.asked if name == "eth_call" and call[0]["to"].lower() == to.lower()]
