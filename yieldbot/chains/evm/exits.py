"""Fingerprints of EVM markets: a proof or refusal of a market's exit holds while its fingerprint stays the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.exits import fingerprint
from yieldbot.errors import TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import MarketState

IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
BEACON = "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"
"""Storage slots of EIP-1967: keccak256 of eip1967.proxy.implementation and eip1967.proxy.beacon, less one."""
IMPLEMENTATION_OF = bytes.fromhex("5c60da1b")  # implementation(), of a beacon


async def fingerprints(node: Node, states: Sequence[MarketState], block: BlockRef) -> dict[MarketId, str]:
    """Fingerprints of the markets at the block, by id. Markets whose fingerprint cannot be read are left out."""

    async def one(state: MarketState) -> str | None:
        try:
            return await _fingerprint(node, state, block)
        except TransientError:
            return None

    found = await asyncio.gather(*(one(state) for state in states))
    return {state.market.id: current for state, current in zip(states, found, strict=True) if current is not None}


async def _fingerprint(node: Node, state: MarketState, block: BlockRef) -> str:
    """The fingerprint of the market's contract, its implementation and its beacon, in three rounds of requests. Of a
    principal token it is that of the standardized yield token, which pays it and can be replaced."""
    at = Address(state.market.params.get("sy", state.market.address))
    code, behind, beacon = await asyncio.gather(
        node.code(at, block), _slot(node, at, IMPLEMENTATION, block), _slot(node, at, BEACON, block)
    )
    names = [name for name in (behind, beacon) if name is not None]
    codes = [code, *await asyncio.gather(*(node.code(name, block) for name in names))]
    if beacon is not None:
        answer = await node.call(beacon, IMPLEMENTATION_OF, block)
        if len(answer) == 32 and any(answer):
            names.append(Address("0x" + answer[12:].hex()))
            codes.append(await node.code(names[-1], block))
    return fingerprint(state, names, codes)


async def _slot(node: Node, address: Address, slot: str, block: BlockRef) -> Address | None:
    """The address in a storage slot; None: the slot is empty."""
    at = {"blockHash": block.hash, "requireCanonical": True}
    word = str(await node.request("eth_getStorageAt", [address, slot, at])).removeprefix("0x").rjust(64, "0")
    return Address("0x" + word[-40:]) if word[-40:].strip("0") else None
