"""Arguments are judged by their role in abis/*.json, whatever they are called."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.wiring import OWNER, RAW, STRANGER, USDC, word
from yieldbot.chains.evm.execution.abi_calls import ROLES, AbiFunction, abi_functions, functions, selector
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.resources import folder

ABIS = abi_functions(folder("abis"))
KNOWN = frozenset({USDC.address.lower(), "860000000000000000"})
ASKED_ALONE = {"getRewardOwed"}
"""Functions that write and are only ever asked with eth_call."""


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def one(name: str, *inputs: dict[str, Any]) -> AbiFunction:
    (found,) = functions([{"type": "function", "name": name, "inputs": list(inputs)}])
    return found


def code(function: AbiFunction, data: bytes, most: int | None = RAW, most_shares: int = 0) -> str | None:
    found = objection((function,), selector(function.signature) + data, OWNER, KNOWN, most, most_shares=most_shares)
    return None if found is None else found[0]


def test_an_amount_is_one_whatever_it_is_called() -> None:
    """Compound v2 calls it mintAmount: by its name nothing would bound it."""
    mint = one("mint", {"name": "mintAmount", "type": "uint256", "role": "amount"})
    assert code(mint, number(RAW)) is None
    assert code(mint, number(10**12)) == "AMOUNT_ABOVE_PLAN"


@pytest.mark.parametrize(
    "without",
    [
        {"name": "mintAmount", "type": "uint256"},
        {"name": "amount", "type": "uint256", "role": "whatever"},
        {"name": "amount", "type": "uint256", "role": "free"},
        {"name": "amount", "type": "uint256", "role": "free", "reason": ""},
    ],
)
def test_an_argument_without_a_role_cannot_be_signed(without: dict[str, str]) -> None:
    assert code(one("mint", without), number(1)) == "ARGUMENT_WITHOUT_ROLE"
    nested = {"name": "params", "type": "tuple", "components": [without]}
    assert code(one("mint", nested), number(1)) == "ARGUMENT_WITHOUT_ROLE"


def test_a_role_is_no_good_for_another_type() -> None:
    where = {"name": "to", "type": "uint160", "role": "recipient"}
    assert code(one("send", where), word(OWNER)) == "ARGUMENT_NOT_KNOWN"
    much = {"name": "amount", "type": "bytes32", "role": "amount"}
    assert code(one("send", much), number(1)) == "ARGUMENT_NOT_KNOWN"


def test_shares_are_bounded_by_what_the_leg_may_give_back() -> None:
    (redeem,) = (f for f in ABIS[selector("redeem(uint256,address,address)")])
    data = number(900) + word(OWNER) + word(OWNER)
    assert code(redeem, data, None, most_shares=900) is None
    assert code(redeem, data, None, most_shares=899) == "AMOUNT_ABOVE_PLAN"
    assert code(redeem, data, None) == "AMOUNT_ABOVE_PLAN"
    elsewhere = number(900) + word(STRANGER) + word(OWNER)
    assert code(redeem, elsewhere, None, most_shares=900) == "RECIPIENT_NOT_SELF"


def test_a_number_of_the_market_is_the_markets() -> None:
    lltv = {"name": "lltv", "type": "uint256", "role": "market"}
    assert code(one("supply", lltv), number(860000000000000000)) is None
    assert code(one("supply", lltv), number(945000000000000000)) == "ADDRESS_NOT_KNOWN"


def test_all_that_can_be_signed_has_roles() -> None:
    """Every function of abis/ that writes: what can be called with our signature is judged argument by argument."""
    files = [json.loads(file.read_text()) for file in sorted(folder("abis").glob("*.json"))]
    entries = [entry for file in files if isinstance(file, list) for entry in file if entry["type"] == "function"]
    writing = [entry for entry in entries if entry["stateMutability"] in ("nonpayable", "payable")]
    assert {"supply", "deposit", "redeem", "mint", "exchange", "execute", "approve"} <= {e["name"] for e in writing}
    for function in functions(entry for entry in writing if entry["name"] not in ASKED_ALONE):
        assert function.has_roles, f"{function.signature}: an argument has no role"
    assert {"amount", "shares", "recipient", "market", "empty", "free"} <= ROLES
