"""Sends single transactions on a fork, as their owner and without a key, and explains failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.reverts import revert_words
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined

RECEIPT_SECONDS = 20.0
"""How long to wait for a fork's receipt."""


async def impersonate(fork: Node, owner: Address) -> None:
    """Let the fork accept transactions of ``owner`` without a signature."""
    await fork.request("anvil_impersonateAccount", [owner])


async def mined(account: Account, fork: Node, fields: dict[str, str], description: str) -> Mapping[str, Any] | Declined:
    """Send a transaction on the fork and wait for it: the receipt of a success, or Declined WOULD_REVERT with the
    reason.

    fields: as for ``eth_sendTransaction``. Raises TransientError if there is no receipt within RECEIPT_SECONDS.
    """
    try:
        sent = await fork.request("eth_sendTransaction", [fields])
    except NodeRefused as refusal:
        return would_revert(account, description, refusal)
    deadline = time.monotonic() + RECEIPT_SECONDS
    while time.monotonic() < deadline:
        receipt = await fork.request("eth_getTransactionReceipt", [sent])
        if isinstance(receipt, Mapping):
            if int(receipt["status"], 16) == 1:
                return receipt
            before = hex(int(receipt["blockNumber"], 16) - 1)
            call = {key: value for key, value in fields.items() if key in ("from", "to", "data", "value", "gas")}
            return Declined("WOULD_REVERT", f"{description}: {await replay(fork, call, before, account)}")
        await asyncio.sleep(0.005)
    raise TransientError(f"the fork mined nothing in {RECEIPT_SECONDS:g} s")


async def replay(node: Node, call: dict[str, str], at: str, account: Account) -> str:
    """Why a call reverts, found by repeating it on the state of block ``at`` (hex)."""
    try:
        await node.request("eth_call", [call, at])
    except NodeRefused as refusal:
        return revert_words(refusal.data, account.explain, refusal.node_message)
    except TransientError:
        pass
    return "no reason can be found: made again before that block, the call succeeds"


def would_revert(account: Account, description: str, refusal: NodeRefused) -> Declined:
    """The refusal of a call that a fork\'s node refused, with its revert reason."""
    return Declined(
        "WOULD_REVERT", f"{description}: {revert_words(refusal.data, account.explain, refusal.node_message)}"
    )
