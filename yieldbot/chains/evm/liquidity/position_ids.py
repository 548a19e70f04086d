"""Finds the numbers of our positions at Uniswap v4's position manager, which does not list them: by Transfer events.

Each number in an event is checked with ``ownerOf``, and their count with ``balanceOf``.
"""

from __future__ import annotations

from yieldbot.chains.evm.execution.balances import abi_word
from yieldbot.chains.evm.logs import read_logs
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.protocols.evm.abi import abi

MOST_PARTS = 300
"""Most requests for one account's events; older ones count as unknown."""


async def token_ids(node: Node, manager: Address, owner: Address, block: BlockRef) -> tuple[tuple[int, ...], str]:
    """(the numbers of our positions, lowest first; why some are unknown, or an empty text)."""
    codec = abi("uniswap_v4_manager")
    try:
        answer = await node.call(manager, codec.encode("balanceOf", owner), block)
    except NodeRefused as refusal:
        if refusal.by_provider:
            return (), f"whether {manager} keeps positions of ours is not known: {refusal}"
        return (), f"{manager} does not answer as a position manager"
    count = int.from_bytes(answer[:32], "big")
    if not count:
        return (), ""
    mine = "0x" + abi_word(owner).hex()
    wanted = {"address": manager, "topics": [TRANSFER_TOPIC, None, mine]}
    try:
        read = await read_logs(node, [wanted], 0, block.height, most_parts=MOST_PARTS)
    except TransientError as refusal:
        return (), f"{count} positions of ours are kept there, and {refusal}"
    named = sorted({int(str(log["topics"][3]), 16) for log in read.logs[0] if len(log["topics"]) == 4})
    found = [number for number in named if await _is_ours(node, manager, number, owner, block)]
    lacking = count - len(found)
    why = read.cut or "its events do not name them"
    return tuple(found), f"{lacking} more positions of ours are kept there: {why}" if lacking else ""


async def _is_ours(node: Node, manager: Address, number: int, owner: Address, block: BlockRef) -> bool:
    """Whether the position still belongs to ``owner``."""
    try:
        answer = await node.call(manager, abi("uniswap_v4_manager").encode("ownerOf", number), block)
    except NodeRefused as refusal:
        if refusal.by_provider:
            raise
        return False  # burnt
    return answer[:32] == abi_word(owner)
