"""Compares the answers of several endpoints: which members count, and how a difference is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.errors import NodeRefused

if TYPE_CHECKING:
    from yieldbot.rpc.endpoint import Endpoint

BLOCK = ("hash", "number", "timestamp", "baseFeePerGas")
RECEIPT = ("blockHash", "blockNumber", "transactionHash", "status", "gasUsed", "effectiveGasPrice")
LOG = ("address", "topics", "data", "blockHash", "logIndex", "transactionHash")
"""Members of blocks, receipts and event logs that are compared."""

BATCH = "batch"
"""The name under which a JSON-RPC batch is voted on: its parameters are the requests."""
NO_BLOCK = "no block"
"""The key of an endpoint that does not know the block."""
EXCERPT = 40
"""Characters of an answer that a message shows."""


def key_of(method: str, answer: Any) -> str:
    """The text under which an answer is compared: equal for two endpoints that agree. It holds everything that a
    decision depends on, and nothing that honest nodes write differently (letter case, members other than BLOCK, RECEIPT
    and LOG)."""
    if method == BATCH:
        return " ".join(key_of(one, part) for one, part in answer)
    if isinstance(answer, str):
        return answer.lower()
    if method.startswith("eth_getBlockBy"):
        if not isinstance(answer, Mapping):
            return NO_BLOCK
        return " ".join(str(answer.get(name)).lower() for name in BLOCK)
    if method == "eth_getTransactionReceipt" and isinstance(answer, Mapping):
        kept: dict[str, Any] = {name: answer.get(name) for name in RECEIPT}
        kept["logs"] = _logs(answer.get("logs"))
        return json.dumps(kept, sort_keys=True).lower()
    if method == "eth_getLogs":
        return json.dumps(_logs(answer)).lower()
    return json.dumps(answer, sort_keys=True).lower()


async def whole_batch(endpoint: Endpoint, requests: Sequence[tuple[str, list[Any]]]) -> list[tuple[str, Any]]:
    """(method, answer) of each request of a batch. Raises the first refusal among them: several endpoints vote on a
    whole batch."""
    answers = await endpoint.batch(requests)
    if refused := next((one for one in answers if isinstance(one, NodeRefused)), None):
        raise refused
    return [(method, answer) for (method, _), answer in zip(requests, answers, strict=True)]


def _logs(found: Any) -> Any:
    if not isinstance(found, list):
        return found
    return [[log.get(name) for name in LOG] if isinstance(log, Mapping) else log for log in found]


def where_they_differ(keys: list[str]) -> int:
    """The index of the first character at which the keys differ."""
    shortest = min(map(len, keys))
    return next((i for i in range(shortest) if len({key[i] for key in keys}) > 1), shortest)


def excerpt(key: str, start: int) -> str:
    """EXCERPT characters of a long key, from just before index ``start``, where the difference begins."""
    if start < EXCERPT - 8:
        return key[:EXCERPT]
    return f"{key[:2]}…{key[start - 8 : start + EXCERPT - 12]}"
