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
from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.uniswap_v4 import PERMIT2

BALANCER = exchanges()["balancer_v3"]
POOL = replace(pool(USDC, DAI, protocol="balancer_v3"), params={"router": STRANGER, "permit2": PERMIT2, "alone": True})
TERMS = SwapTerms((POOL,), GIVEN, LEAST)
VAULT = Address("0x" + "4a" * 20)
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


def test_a_boosted_pools_path_is_exactly_the_one_of_its_coins() -> None:
    """Wrapped where the pool's coin is an ERC-4626 share, one path through the one pool, and nothing else."""
    boosted, shares = exchanges()["balancer_boosted"], (VAULT, DAI.address)
    one = replace(POOL, protocol="balancer_boosted", params={**POOL.params, "coins": shares, "underlying": ENDS[1:]})
    terms = SwapTerms((one,), GIVEN, LEAST)
    (call,) = boosted.swap((one,), GIVEN, LEAST, OWNER, DEADLINE)
    assert call.allowance is not None and call.allowance.onward is not None and call.allowance.spender == PERMIT2
    wrap, swap = (VAULT, VAULT, True), (POOL.address, DAI.address, False)

    def refused(steps: Any, *more: Any, given: int = GIVEN.raw, least: int = LEAST.raw, paths: int = 1) -> str | None:
        path = (USDC.address, steps, given, least)
        data = abi("balancer_boosted").encode("swapExactIn", [path] * paths, *(more or (DEADLINE, False, b"")))
        found = objection(ABIS[data[:4]], data, OWNER, frozenset(), GIVEN.raw, terms, NOW)
        assert found is not None or data[4:] == call.data[4:] or least > LEAST.raw
        return found[0] if found else None

    assert refused([wrap, swap]) is None and refused([wrap, swap], least=LEAST.raw + 1) is None
    for steps in ([swap], [wrap], [swap, wrap], [wrap, swap, wrap], [(VAULT, VAULT, False), swap]):
        assert refused(steps) == "PATH_NOT_PLANNED"
    for swapped in ((OWNER, DAI.address, False), (POOL.address, OWNER, False), (POOL.address, DAI.address, True)):
        assert refused([wrap, swapped]) == "PATH_NOT_PLANNED"
    assert refused([wrap, swap], paths=2) == refused([wrap, swap], paths=0) == "ARGUMENT_NOT_KNOWN"
    assert refused([wrap, swap], given=GIVEN.raw + 1) == "AMOUNT_ABOVE_PLAN"
    assert refused([wrap, swap], least=LEAST.raw - 1) == "LEAST_BELOW_PLAN"
    assert refused([wrap, swap], NOW + 3601, False, b"") == "DEADLINE_NOT_NEAR"
    assert refused([wrap, swap], DEADLINE, True, b"") == refused([wrap, swap], DEADLINE, False, b"x")
    back = boosted.swap((one,), Amount(DAI, GIVEN.raw), Amount(USDC, 1), OWNER, DEADLINE)[0]
    other = SwapTerms((one,), Amount(DAI, GIVEN.raw), Amount(USDC, 1))
    for held, bad in ((other, None), (terms, "PATH_NOT_PLANNED")):
        found = objection(ABIS[back.data[:4]], back.data, OWNER, frozenset(), GIVEN.raw, held, NOW)
        assert (found and found[0]) == bad


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
