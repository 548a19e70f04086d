"""A swap by Aerodrome's router is signed by its terms alone: each argument in its place, each route as planned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from tests.kit.wiring import CHAIN, NOW, OWNER, STRANGER, USDC
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols import exchanges
from yieldbot.resources import folder

WETH = Token(CHAIN, Address("0x4200000000000000000000000000000000000006"), "WETH", 18)
DAI = Token(CHAIN, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "DAI", 18)
ROUTER = Address("0xcF77a3Ba9A5CA399B7c97c74d54e5b1Beb874E43")
FACTORY = Address("0x420DD381b31aEf6683db6B902084cB0FFECe40Da")
GIVEN, LEAST, DEADLINE = Amount(USDC, 1000 * 10**6), Amount(DAI, 9991 * 10**17), NOW + 600
ABIS = abi_functions(folder("abis"))
AERODROME = exchanges()["aerodrome"]
TYPES = ["uint256", "uint256", "(address,address,bool,address)[]", "address", "uint256"]


def pool(a: Token, b: Token, stable: bool, router: str | None = ROUTER) -> Pool:
    zero, one = sorted((a, b), key=lambda token: int(token.address, 16))
    params = {"stable": stable, "factory": FACTORY, "router": router}
    return Pool("aerodrome", f"Aerodrome {'stable' if stable else 'volatile'}", STRANGER, zero, one, params)


WAYS = {"one pool": (pool(USDC, DAI, True),), "two pools": (pool(USDC, WETH, False), pool(WETH, DAI, False))}


def built(way: str) -> EvmCall:
    (call,) = AERODROME.swap(WAYS[way], GIVEN, LEAST, OWNER, DEADLINE)
    return call


def code(way: str, data: bytes, now: int = NOW) -> str | None:
    terms = SwapTerms(WAYS[way], GIVEN, LEAST)
    found = objection(ABIS.get(data[:4], ()), data, OWNER, frozenset(), GIVEN.raw, terms, now)
    return found[0] if found else None


@pytest.mark.parametrize("way", WAYS)
def test_a_swap_passes_by_its_terms_and_whatever_leaves_them_does_not(way: str) -> None:
    call = built(way)
    assert call.to == ROUTER and call.allowance == Allowance(USDC, ROUTER, GIVEN.raw) and call.least == LEAST
    assert call.description.startswith("swap 1,000 USDC for at least 999.1 DAI") and "Aerodrome" in call.description
    assert AERODROME.targets(WAYS[way]) == {ROUTER: frozenset({call.data[:4]})}
    assert AERODROME.spenders(WAYS[way]) == (ROUTER,) and code(way, call.data) is None
    given, least, routes, to, deadline = decode(TYPES, call.data[4:])

    def said(**of: Any) -> bytes:
        values = {"given": given, "least": least, "routes": routes, "to": to, "deadline": deadline} | of
        return call.data[:4] + encode(TYPES, list(values.values()))

    def rerouted(at: int, value: Any) -> bytes:
        return said(routes=[*routes[:-1], (*routes[-1][:at], value, *routes[-1][at + 1 :])])

    assert said() == call.data and code(way, said(least=least + 1)) is None
    for expected, data in (
        ("RECIPIENT_NOT_SELF", said(to=STRANGER)),
        ("AMOUNT_ABOVE_PLAN", said(given=given + 1)),
        ("AMOUNT_NOT_EXACT", said(given=given - 1)),
        ("LEAST_BELOW_PLAN", said(least=least - 1)),
        ("DEADLINE_NOT_NEAR", said(deadline=NOW)),
        ("DEADLINE_NOT_NEAR", said(deadline=NOW + 3601)),
        ("PATH_NOT_PLANNED", rerouted(0, STRANGER)),
        ("PATH_NOT_PLANNED", rerouted(1, STRANGER)),
        ("PATH_NOT_PLANNED", rerouted(2, not routes[-1][2])),
        ("PATH_NOT_PLANNED", rerouted(3, STRANGER)),
        ("PATH_NOT_PLANNED", said(routes=[])),
        ("PATH_NOT_PLANNED", said(routes=[*routes, routes[-1]])),
        (
            "PATH_NOT_PLANNED",
            AERODROME.swap(WAYS["two pools" if way == "one pool" else "one pool"], GIVEN, LEAST, OWNER, DEADLINE)[
                0
            ].data,
        ),
        ("CALLDATA_MALFORMED", call.data + bytes(32)),
    ):
        assert code(way, data) == expected, expected
    assert code(way, call.data, now=DEADLINE) == "DEADLINE_NOT_NEAR"
    unplanned = objection(ABIS[call.data[:4]], call.data, OWNER, frozenset(), GIVEN.raw)
    assert unplanned is not None and unplanned[0] == "SWAP_NOT_PLANNED"
    other = replace(WAYS["one pool"][0], protocol="uniswap_v2")
    found = objection(
        ABIS[call.data[:4]], call.data, OWNER, frozenset(), GIVEN.raw, SwapTerms((other,), GIVEN, LEAST), NOW
    )
    assert found is not None, "the terms of another exchange's swap let none of this one pass"


def test_pools_without_a_router_are_not_swapped_in() -> None:
    with pytest.raises(MarketError, match="names no router"):
        AERODROME.swap((pool(USDC, DAI, True, None),), GIVEN, LEAST, OWNER, DEADLINE)
