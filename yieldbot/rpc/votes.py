"""What is compared of the answers of several endpoints, and what of them can be shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

BLOCK = ("hash", "number", "timestamp", "baseFeePerGas")
RECEIPT = ("blockHash", "blockNumber", "transactionHash", "status", "gasUsed", "effectiveGasPrice")
LOG = ("address", "topics", "data", "blockHash", "logIndex", "transactionHash")

NO_BLOCK = "no block"
EXCERPT = 40
"""Characters of an answer in a message."""


def key_of(method: str, answer: Any) -> str:
    """What is compared of an answer: everything that decides, nothing that honest nodes write differently."""
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


def _logs(found: Any) -> Any:
    if not isinstance(found, list):
        return found
    return [[log.get(name) for name in LOG] if isinstance(log, Mapping) else log for log in found]


def where_they_differ(keys: list[str]) -> int:
    """The first place at which the answers are not the same."""
    shortest = min(map(len, keys))
    return next((i for i in range(shortest) if len({key[i] for key in keys}) > 1), shortest)


def excerpt(key: str, start: int) -> str:
    """What can be shown of a long answer: from just before the place that matters."""
    if start < EXCERPT - 8:
        return key[:EXCERPT]
    return f"{key[:2]}…{key[start - 8 : start + EXCERPT - 12]}"
