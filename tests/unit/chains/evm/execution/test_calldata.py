"""Calls as abis/*.json describe them: what is read from a file, from bytes, and from what a market names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from tests.kit.wiring import OWNER, POOL, STRANGER, USDC, supply_data
from yieldbot.chains.evm.execution.abi_calls import (
    Argument,
    abi_functions,
    addresses_in,
    arguments,
    functions,
    selector,
)
from yieldbot.chains.evm.execution.calldata_rules import numbers_in, objection


def test_addresses_and_numbers_of_nested_params() -> None:
    params: dict[str, Any] = {
        "pool": POOL,
        "list": [STRANGER, {"token": USDC}, 7],
        "set": frozenset({OWNER}),
        "pair": (500, "0x12"),
        "on": True,
        "off": False,
        "text": "0x" + "1" * 41,
        "not": "1x" + "1" * 40,
    }
    assert set(addresses_in(params)) == {POOL, STRANGER, USDC.address, OWNER}
    assert sorted(numbers_in(params)) == ["500", "7"]
    assert list(numbers_in(None)) == list(addresses_in(5)) == []


def entry(name: str, *inputs: dict[str, Any], kind: str = "function") -> dict[str, Any]:
    return {"type": kind, "name": name, "inputs": list(inputs)}


AMOUNT = {"name": "_Amount", "type": "uint256", "role": "amount"}


def test_a_folder_of_abis_is_read_by_selector_whatever_shape_its_files_have(tmp_path: Path) -> None:
    renamed = entry("take", AMOUNT | {"name": "wad"})
    (tmp_path / "a.json").write_text(json.dumps([entry("take", AMOUNT), entry("Taken", kind="event"), 5]))
    (tmp_path / "b.json").write_text(json.dumps({"abi": [renamed], "name": "x"}))
    (tmp_path / "c.json").write_text(json.dumps({"one": [entry("take", AMOUNT)], "two": {"abi": [entry("other")]}}))
    (tmp_path / "d.txt").write_text("none")
    found = abi_functions(tmp_path)
    assert set(found) == {selector("take(uint256)"), selector("other()")}
    assert [one.inputs[0]["name"] for one in found[selector("take(uint256)")]] == ["_Amount", "wad"]
    (tmp_path / "e.json").write_text("{")
    with pytest.raises(ValueError, match=r"e\.json is not an ABI"):
        abi_functions(tmp_path)


PART = {"name": "who", "type": "address", "role": "recipient"}
STRUCT = {"name": "parts", "type": "tuple[2]", "components": [PART, AMOUNT]}
LIST = {"name": "raws", "type": "uint256[]", "role": "free", "reason": "moves no money"}


def test_structs_and_lists_are_flattened_each_leaf_with_its_role() -> None:
    (function,) = functions([entry("f", STRUCT, LIST)])
    assert function.signature == "f((address,uint256)[2],uint256[])" and function.has_roles
    values = [[(OWNER, 1), (POOL, 2)], [3, 4]]
    data = selector(function.signature) + encode(function.types, values)
    assert arguments(function, data) == (
        Argument("who", "address", OWNER.lower(), "recipient"),
        Argument("amount", "uint256", 1, "amount"),
        Argument("who", "address", POOL.lower(), "recipient"),
        Argument("amount", "uint256", 2, "amount"),
        Argument("raws", "uint256", 3, "free"),
        Argument("raws", "uint256", 4, "free"),
    )
    assert arguments(function, data + b"\0") is arguments(function, data[:-1]) is arguments(function, b"") is None


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, True),
        ({"role": ""}, False),
        ({"role": "nothing"}, False),
        ({"role": "free"}, False),
        ({"role": "free", "reason": ""}, False),
        ({"role": "free", "reason": "why"}, True),
    ],
)
def test_every_argument_needs_a_role_and_a_free_one_its_reason(changes: dict[str, str], whole: bool) -> None:
    (bare,) = functions([entry("f", AMOUNT | changes)])
    (inside,) = functions([entry("f", {"type": "tuple", "components": [PART, AMOUNT | changes]})])
    assert bare.has_roles is inside.has_roles is whole
    assert next(functions([entry("f")])).has_roles, "no argument, nothing to say"


def fault(
    item: dict[str, Any], value: Any, most: int | None = 10, shares: int = 3, least: int | None = 7
) -> str | None:
    (function,) = functions([entry("f", item)])
    data = selector(function.signature) + encode(function.types, [value])
    known = frozenset({POOL.lower(), "500"})
    found = objection([function], data, OWNER, known, most, most_shares=shares, least=least)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("kind", "role", "good", "bad", "code"),
    [
        ("uint256", "amount", 10, 11, "AMOUNT_ABOVE_PLAN"),
        ("uint256", "shares", 3, 4, "AMOUNT_ABOVE_PLAN"),
        ("address", "recipient", OWNER, STRANGER, "RECIPIENT_NOT_SELF"),
        ("address", "market", POOL, STRANGER, "ADDRESS_NOT_KNOWN"),
        ("uint256", "market", 500, 501, "ADDRESS_NOT_KNOWN"),
        ("bytes", "empty", b"", b"\0", "CALLDATA_OPAQUE"),
        ("string", "empty", "", "x", "CALLDATA_OPAQUE"),
        ("uint256[]", "empty", [], [0], "CALLDATA_OPAQUE"),
        ("uint256", "least", 7, 6, "LEAST_BELOW_PLAN"),
        ("uint256", "zero", 0, 1, "ARGUMENT_NOT_KNOWN"),
        ("bool", "zero", False, True, "ARGUMENT_NOT_KNOWN"),
        ("address", "zero", "0x" + "00" * 20, POOL, "ARGUMENT_NOT_KNOWN"),
        ("bytes", "zero", None, b"", "CALLDATA_OPAQUE"),
        ("address", "least", None, POOL, "ARGUMENT_NOT_KNOWN"),
        ("bytes", "amount", None, b"", "CALLDATA_OPAQUE"),
        ("address", "amount", None, STRANGER, "ADDRESS_NOT_KNOWN"),
        ("address", "amount", None, POOL, "ARGUMENT_NOT_KNOWN"),
        ("uint256", "deadline", None, 5, "ARGUMENT_NOT_KNOWN"),
        ("uint256", "recipient", None, 5, "ARGUMENT_NOT_KNOWN"),
    ],
)
def test_each_role_has_its_rule_and_all_else_is_refused(kind: str, role: str, good: Any, bad: Any, code: str) -> None:
    item = {"name": "it", "type": kind, "role": role}
    assert good is None or fault(item, good) is None
    assert fault(item, bad) == code


def test_a_free_argument_may_be_anything_and_a_whole_position_any_amount() -> None:
    free = {"name": "it", "type": "uint256", "role": "free", "reason": "why"}
    assert fault(free, 2**256 - 1) is None
    assert fault(AMOUNT, 2**256 - 1, most=None) is None and fault(AMOUNT, 2**256 - 1) == "AMOUNT_ABOVE_PLAN"
    least = {"name": "it", "type": "uint256", "role": "least_out"}
    assert fault(least, 1) == "SWAP_NOT_PLANNED"
    assert fault(least | {"role": "least"}, 10**9, least=None) == "LEAST_BELOW_PLAN", "nothing was approved"


def test_one_reading_without_fault_is_enough_and_the_last_fault_is_told() -> None:
    known = frozenset({USDC.address.lower()})
    inputs: list[dict[str, Any]] = [
        {"name": "asset", "type": "address", "role": "market"},
        AMOUNT,
        {"name": "to", "type": "address", "role": "recipient"},
        {"name": "code", "type": "uint16", "role": "free", "reason": "moves no money"},
    ]
    (good,) = functions([entry("supply", *inputs)])
    (bad,) = functions([entry("supply", *inputs[:3], inputs[3] | {"role": ""})])
    (other,) = functions([entry("other", AMOUNT)])
    assert objection([bad, good], supply_data(), OWNER, known, None) is None
    assert objection([good, bad], supply_data(), OWNER, known, None) is None
    found = objection([other, bad], supply_data(), OWNER, known, None)
    assert found == ("ARGUMENT_WITHOUT_ROLE", "supply: abis/ does not say what each of its arguments is")
    found = objection([bad, other], supply_data(), OWNER, known, None)
    assert found == ("CALLDATA_MALFORMED", "the bytes are not an exact call of other(uint256)")
    found = objection([], supply_data(), OWNER, known, None)
    assert found == ("CALLDATA_UNKNOWN", "nothing in abis/ describes the call 617ba037")
