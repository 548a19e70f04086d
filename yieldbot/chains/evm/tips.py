"""The priority fee that is offered on a chain."""

from __future__ import annotations

from yieldbot.chains.evm.linea import TYPICAL_DATA, TYPICAL_LIMIT, pricing
from yieldbot.chains.evm.node.client import Node
from yieldbot.model.settings import ChainSettings, FeeKind
from yieldbot.model.units import GWEI


async def fetch_tip(
    node: Node, chain: ChainSettings, data_bytes: int = TYPICAL_DATA, gas_limit: int = TYPICAL_LIMIT
) -> int:
    """The priority fee to offer for a call with so many bytes of data, in wei per gas: the node's suggestion, at most
    the chain's ``priority_fee_gwei``; that setting if the node suggests nothing.

    On Linea the least that its sequencer takes for these bytes and this gas, with its margin (``linea.py``), whatever
    the setting: the chain's ``max_fee_gwei`` limits it. Raises TransientError if that cannot be read.
    """
    if chain.fee_kind is FeeKind.LINEA:
        return pricing(await node.extra_data()).priority_fee_wei(data_bytes, gas_limit)
    ours_wei = int(chain.priority_fee_gwei * GWEI)
    suggested_wei = await node.priority_fee_wei()
    return min(suggested_wei, ours_wei) if suggested_wei else ours_wei
