"""A swap by Balancer's Router is signed only as it was approved: each argument, and nothing of the native token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.chains.evm.execution.test_swaps import (
    ABIS,
    DAI,
    DEADLINE,
    GIVEN,
    LEAST,
    NOW,
    OWNER,
    STRANGER,
    USDC,
    pool,
)
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.errors import MarketError
from yieldbot.model.exchange import SwapTerms
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.uniswap_v4 import PERMIT2

BALANCER = exchanges()["balancer_v3"]
POOL = replace(pool(USDC, DAI, protocol="balancer_v3"), params={"router": STRANGER, "permit2": PERMIT2, "alone": True})
TERMS = SwapTerms((POOL,), GIVEN, LEAST)
ENDS: tuple[Any, ...] = (POOL.address, USDC.address, DAI.address)


def refused(*arguments: Any, terms: SwapTerms = TERMS) -> str | None:
    data = abi("balancer_v3").encode("swapSingleTokenExactIn", *arguments)
    found = objection(ABIS[data[:4]], data, OWNER, frozenset(), GIVEN.raw, terms, NOW)
    return found[0] if found else None


def test_the_adapters_call_passes_and_is_paid_through_permit2() -> None:
    (call,) = BALANCER.swap((POOL,), GIVEN, LEAST, OWNER, DEADLINE)
    assert call.to == STRANGER and call.least == LEAST and call.allowance is not None
    assert (call.allowance.spender, call.allowance.raw) == (PERMIT2, GIVEN.raw)
    assert call.allowance.onward is not None and call.allowance.onward.spender == STRANGER
    assert call.data == abi("balancer_v3").encode(
        "swapSingleTokenExactIn", *ENDS, GIVEN.raw, LEAST.raw, DEADLINE, False, b""
    )
    assert objection(ABIS[call.data[:4]], call.data, OWNER, frozenset(), GIVEN.raw, TERMS, NOW) is None
    assert BALANCER.targets((POOL,)) == {STRANGER: frozenset({call.data[:4]})}
    assert BALANCER.spenders((POOL,)) == (STRANGER, PERMIT2)
    with pytest.raises(MarketError, match="one at a time"):
        BALANCER.swap((POOL, POOL), GIVEN, LEAST, OWNER, DEADLINE)


def test_any_other_argument_is_refused() -> None:
    least, ends = LEAST.raw, ENDS
    assert refused(*ends, GIVEN.raw, least + 1, DEADLINE, False, b"") is None
    assert refused(*ends, GIVEN.raw + 1, least, DEADLINE, False, b"") == "AMOUNT_ABOVE_PLAN"
    assert refused(*ends, GIVEN.raw - 1, least, DEADLINE, False, b"") == "AMOUNT_NOT_EXACT"
    assert refused(*ends, GIVEN.raw, least - 1, DEADLINE, False, b"") == "LEAST_BELOW_PLAN"
    for late in (NOW, NOW + 3601):
        assert refused(*ends, GIVEN.raw, least, late, False, b"") == "DEADLINE_NOT_NEAR"
    assert refused(*ends, GIVEN.raw, least, DEADLINE, True, b"") == "ARGUMENT_NOT_KNOWN"
    assert refused(*ends, GIVEN.raw, least, DEADLINE, False, b"x") == "ARGUMENT_NOT_KNOWN"
    for other in ((OWNER, *ends[1:]), (ends[0], ends[2], ends[1]), (*ends[:2], STRANGER)):
        assert refused(*other, GIVEN.raw, least, DEADLINE, False, b"") == "PATH_NOT_PLANNED"
    curve = replace(POOL, protocol="curve_stableswap")
    assert refused(*ends, GIVEN.raw, least, DEADLINE, False, b"", terms=SwapTerms((curve,), GIVEN, LEAST))
