"""Mistakes in calls of tools are answered by the names of their arguments, never by flags of the command line."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.kit.api.served import Served
from tests.unit.api.test_messages import free_of_flags, with_another_token
from tests.unit.mcp.test_tools import ASSISTANT, asked, listed

USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
NOT_SOLANA = base64.b64encode(b"no transaction").decode()
MISTAKES: dict[str, tuple[tuple[dict[str, Any], str], ...]] = {
    "list_markets": (({"limit": 0}, "limit"),),
    "get_market": (({"key": "none"}, "list_markets has the keys"),),
    "get_risk": (({}, "key"),),
    "get_forecast": (({"key": "none"}, "list_markets"),),
    "get_history": (({"key": "none", "days": 0}, "days"),),
    "list_signals": (({"limit": "x"}, "limit"),),
    "list_positions": (),
    "list_plans": (({"status": "x" * 40}, "status"),),
    "explain_plan": (({"plan_id": "none"}, "list_plans has their ids"),),
    "list_transactions": (({"limit": 10**9}, "limit"),),
    "decode": (
        ({"chain": "base"}, "give data, or a message"),
        ({"chain": "base", "data": "0x", "message": "{}"}, "give data, or a message"),
        ({"chain": "base", "data": "0x00", "contract": "0xab"}, "contract: "),
        ({"chain": "base", "data": "0x0"}, "contract: name"),
        ({"chain": "base", "data": "zz", "contract": USDC}, "data is no bytes"),
        ({"chain": "solana", "data": "zz"}, "data is no base64"),
        ({"chain": "solana", "data": NOT_SOLANA}, "data is no Solana transaction"),
        ({"chain": "solana", "data": NOT_SOLANA, "contract": USDC}, "contract means nothing on Solana"),
        ({"chain": "base", "message": "{"}, "message is not a JSON"),
        ({"chain": "base", "message": "[" * 30_000}, "message is not a JSON"),
        ({"chain": "base", "message": '{"domain":{"chainId":1}}'}, ""),
        ({"chain": "moon", "data": "0x"}, "contract"),
    ),
    "quote": (
        ({"given": "USDC", "wanted": "USDC", "amount": "1"}, "given and wanted are the same token"),
        ({"given": "USDC", "wanted": "WETH", "amount": "0"}, "amount 0: must be above 0"),
        ({"given": "USDC", "wanted": "WETH", "amount": "1", "chain": "moon"}, "moon"),
    ),
    "list_found_markets": (({}, "nothing was discovered yet"), ({"state": "x"}, "state"), ({"limit": 0}, "limit")),
    "what_if": (
        ({"wealth": "0"}, "wealth 0: must be above 0"),
        ({"horizon_days": 0}, "horizon_days"),
    ),
    "rehearse": (),
    "request_approval": (),
}
"""For each tool: arguments, and what the answer says."""


async def test_every_tool_names_its_arguments(served: Served) -> None:
    assert {one.name for one in await listed(served)} == set(MISTAKES)
    with_another_token(served)
    for tool, mistakes in MISTAKES.items():
        for arguments, words in mistakes:
            found = await asked(served, ASSISTANT, tool, **arguments)
            assert isinstance(found, str) and words in found and free_of_flags(found), (tool, arguments, found)


async def test_a_message_is_decoded_as_an_object_and_as_its_text(served: Served) -> None:
    """The SDK parses a text that is JSON before the tool gets it."""
    message = {
        "types": {
            "EIP712Domain": [{"name": "chainId", "type": "uint256"}],
            "Note": [{"name": "text", "type": "string"}],
        },
        "primaryType": "Note",
        "domain": {"chainId": 8453},
        "message": {"text": "hello"},
    }
    for given in (message, json.dumps(message)):
        found = await asked(served, ASSISTANT, "decode", chain="base", message=given)
        assert "its target is not in the registry" in found
    assert "at most 40000" in await asked(served, ASSISTANT, "decode", chain="base", message={"a": "x" * 40_001})
    assert served.asked[-1][1]["message"] == json.dumps(message)
