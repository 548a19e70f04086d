"""What is compared of the answers of several endpoints: all that decides, and nothing that honest nodes write
differently."""

from __future__ import annotations

from typing import Any

import pytest

from yieldbot.rpc.votes import BLOCK, EXCERPT, LOG, NO_BLOCK, RECEIPT, excerpt, key_of, where_they_differ

BLOCK_METHODS = ("eth_getBlockByNumber", "eth_getBlockByHash")
A_BLOCK: dict[str, Any] = {"hash": "0xAB", "number": "0x1", "timestamp": "0x2", "baseFeePerGas": "0x3", "size": "0x9"}
A_LOG: dict[str, Any] = {name: f"0x{place}" for place, name in enumerate(LOG)} | {"topics": ["0xA"], "removed": False}
A_RECEIPT: dict[str, Any] = {name: f"0x{place}" for place, name in enumerate(RECEIPT)} | {"logs": [A_LOG], "type": 2}


def test_bytes_are_the_same_in_any_case() -> None:
    assert key_of("eth_call", "0xABcd") == key_of("eth_call", "0xabCD") == "0xabcd"
    assert key_of("eth_call", "0xab") != key_of("eth_call", "0xac")


@pytest.mark.parametrize("method", BLOCK_METHODS)
def test_a_block_is_its_hash_number_time_and_base_fee(method: str) -> None:
    said = key_of(method, A_BLOCK)
    assert said == "0xab 0x1 0x2 0x3" == key_of(method, A_BLOCK | {"hash": "0xaB", "size": "0x8"})
    for name in BLOCK:
        assert key_of(method, A_BLOCK | {name: "0x77"}) != said
    assert key_of(method, None) == NO_BLOCK and key_of(method, []) == NO_BLOCK


def test_a_receipt_is_what_happened_and_its_events() -> None:
    method = "eth_getTransactionReceipt"
    said = key_of(method, A_RECEIPT)
    assert said == key_of(method, dict(reversed(A_RECEIPT.items())) | {"type": 3, "cumulativeGasUsed": "0x1"})
    for name in RECEIPT:
        assert key_of(method, A_RECEIPT | {name: "0x77"}) != said
    for name in LOG:
        assert key_of(method, A_RECEIPT | {"logs": [A_LOG | {name: "0x77"}]}) != said
    assert key_of(method, A_RECEIPT | {"logs": [A_LOG | {"removed": True}]}) == said
    assert key_of(method, A_RECEIPT | {"logs": []}) != said != key_of(method, A_RECEIPT | {"logs": [A_LOG, A_LOG]})
    assert key_of(method, None) == "null" and key_of(method, {"logs": "0xAB"}).count("0xab") == 1
    assert key_of("eth_getTransactionByHash", A_RECEIPT) != key_of(
        "eth_getTransactionByHash", A_RECEIPT | {"type": 3}
    ), "of anything else all counts"


def test_events_are_compared_by_what_they_say_and_in_their_order() -> None:
    other = A_LOG | {"data": "0x77"}
    assert key_of("eth_getLogs", [A_LOG | {"removed": True}, other]) == key_of("eth_getLogs", [A_LOG, other])
    assert key_of("eth_getLogs", [A_LOG, other]) != key_of("eth_getLogs", [other, A_LOG])
    assert key_of("eth_getLogs", [A_LOG | {"data": "0xAB"}]) == key_of("eth_getLogs", [A_LOG | {"data": "0xab"}])
    assert key_of("eth_getLogs", None) == "null" and key_of("eth_getLogs", ["X", None]) == '["x", null]'
    assert key_of("eth_feeHistory", {"b": "X", "a": 1}) == '{"a": 1, "b": "x"}'


def test_where_answers_part() -> None:
    assert where_they_differ(["abc", "abd"]) == 2 and where_they_differ(["abc", "xbc"]) == 0
    assert where_they_differ(["abc", "ab"]) == 2 == where_they_differ(["ab", "abc", "abd"])
    assert where_they_differ(["abc", "abc", "axc"]) == 1


def test_what_is_shown_begins_just_before_that_place() -> None:
    assert EXCERPT == 40
    key = "0x" + "".join(chr(ord("a") + place % 26) for place in range(200))
    for start in (0, 31):
        assert excerpt(key, start) == key[:40]
    for start in (32, 100):
        assert excerpt(key, start) == "0x…" + key[start - 8 : start + 28]
