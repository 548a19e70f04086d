"""Typed data to be described."""

from __future__ import annotations

from typing import Any

from tests.kit.evm.clear import TARGET

NAMED = [
    {"name": "name", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


def typed(primary: str, types: dict[str, Any], message: Any, contract: str = TARGET, **domain: Any) -> dict[str, Any]:
    whole = {"name": "Them", "chainId": 8453, "verifyingContract": contract} | domain
    return {"types": {"EIP712Domain": NAMED, **types}, "primaryType": primary, "domain": whole, "message": message}
