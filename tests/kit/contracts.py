"""Calls contracts by function signature, independently of the product's own code."""

from __future__ import annotations

import time
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from yieldbot.sandbox.evm.node import Sandbox


def calldata(signature: str, *values: Any) -> bytes:
    types, depth = [""], 0
    for letter in signature[signature.index("(") + 1 : -1]:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        types = [*types, ""] if letter == "," and not depth else [*types[:-1], types[-1] + letter]
    return bytes(selector(signature)) + encode(types if types[0] else [], values)


def call(sandbox: Sandbox, to: str, signature: str, *values: Any, sender: str | None = None) -> bytes:
    """What a function returns at the newest block. Raises NodeRefused when it reverts."""
    fields = {"to": to, "data": "0x" + calldata(signature, *values).hex()} | ({"from": sender} if sender else {})
    return bytes.fromhex(sandbox.rpc("eth_call", fields, "latest")[2:])


def send(sandbox: Sandbox, to: str | None, data: bytes, sender: str | None = None) -> dict[str, Any]:
    """Send a transaction and return its receipt; it must succeed. to: None creates a contract. sender: any address,
    which gets native coins for gas; None: the node's first account."""
    if sender is not None:
        sandbox.rpc("anvil_impersonateAccount", sender)
        sandbox.rpc("anvil_setBalance", sender, hex(10**18))
    fields = {"from": sender or sandbox.rpc("eth_accounts")[0], "data": "0x" + data.hex(), "gas": hex(10_000_000)}
    receipt = mined(sandbox, fields | ({"to": to} if to else {}))
    assert receipt["status"] == "0x1"
    if sender is not None:
        sandbox.rpc("anvil_stopImpersonatingAccount", sender)
    return receipt


def mined(sandbox: Sandbox, transaction: dict[str, str]) -> dict[str, Any]:
    """Send a transaction and wait for its receipt, since the node answers before it has mined it."""
    name = sandbox.rpc("eth_sendTransaction", transaction)
    while (receipt := sandbox.rpc("eth_getTransactionReceipt", name)) is None:
        time.sleep(0.01)
    return dict(receipt)
