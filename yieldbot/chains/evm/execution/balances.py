"""Balances and allowances on an EVM chain: read from a node, and what a receipt's events say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused
from yieldbot.execution.deltas import changes
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.native import NATIVE
from yieldbot.model.tx import Delta
from yieldbot.rpc.together import together

BALANCE_OF = bytes.fromhex("70a08231")
ALLOWANCE = bytes.fromhex("dd62ed3e")
APPROVAL_TOPIC = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"


def word(address: Address) -> bytes:
    """An address as one ABI word."""
    return bytes(12) + bytes.fromhex(address[2:])


async def balances(
    node: Node, owner: Address, tokens: Iterable[Token], block: BlockRef | None = None
) -> dict[Token, int]:
    """Our raw balances at a block (the newest by default); the native token is told by its address."""

    async def one(token: Token) -> int:
        if token.address == NATIVE:
            return await node.balance_wei(owner, block)
        return int.from_bytes(await node.call(token.address, BALANCE_OF + word(owner), block), "big")

    wanted = list(dict.fromkeys(tokens))
    return dict(zip(wanted, await together([partial(one, token) for token in wanted]), strict=True))


async def allowance(node: Node, token: Address, owner: Address, spender: Address) -> int:
    """The raw allowance of ``spender`` over our tokens, at the newest block."""
    return int.from_bytes(await node.call(token, ALLOWANCE + word(owner) + word(spender)), "big")


def tokens_sent(receipt: Mapping[str, Any], owner: Address) -> frozenset[str]:
    """Lower-case contracts whose Transfer events in a receipt say that we gave something away."""
    mine = "0x" + word(owner).hex()
    return frozenset(
        str(log["address"]).lower()
        for log in receipt.get("logs", ())
        if len(log["topics"]) >= 3 and log["topics"][0] == TRANSFER_TOPIC and str(log["topics"][1]).lower() == mine
    )


def nfts_sent(receipt: Mapping[str, Any], owner: Address) -> frozenset[str]:
    """Lower-case contracts whose ERC-721 Transfer events (the token's id is a fourth topic) say that we gave a token
    of theirs away: no call of ours ever means to."""
    mine = "0x" + word(owner).hex()
    return frozenset(
        str(log["address"]).lower()
        for log in receipt.get("logs", ())
        if len(log["topics"]) == 4 and log["topics"][0] == TRANSFER_TOPIC and str(log["topics"][1]).lower() == mine
    )


def allowances_touched(receipt: Mapping[str, Any], owner: Address) -> frozenset[tuple[Address, Address]]:
    """(token, spender) of every Approval event of ours in a receipt."""
    from eth_utils.address import to_checksum_address

    mine = "0x" + word(owner).hex()
    return frozenset(
        (
            Address(str(to_checksum_address(log["address"]))),
            Address(str(to_checksum_address("0x" + log["topics"][2][-40:]))),
        )
        for log in receipt.get("logs", ())
        if len(log["topics"]) >= 3 and log["topics"][0] == APPROVAL_TOPIC and str(log["topics"][1]).lower() == mine
    )


def given(receipt: Mapping[str, Any], owner: Address) -> frozenset[str]:
    """What a receipt's events say that we gave away, in lower case: ``transfer TOKEN``, ``nft CONTRACT``,
    ``approval TOKEN SPENDER``."""
    return frozenset(
        (
            *(f"transfer {token}" for token in tokens_sent(receipt, owner)),
            *(f"nft {contract}" for contract in nfts_sent(receipt, owner)),
            *(f"approval {token} {spender}".lower() for token, spender in allowances_touched(receipt, owner)),
        )
    )


def given_fault(simulated: Iterable[str] | None, real: frozenset[str], compared: Iterable[Delta]) -> str | None:
    """Why more of ours went on the chain than in the simulation; None when it did not. Pure. Transfers of tokens whose
    balances are ``compared`` are judged by those; without a simulation's word nothing is said."""
    if simulated is None:
        return None
    more = real - frozenset(simulated) - {f"transfer {delta.token.address.lower()}" for delta in compared}
    return f"events that the simulation did not have: {', '.join(sorted(more))}" if more else None


def log_changes(receipt: Mapping[str, Any], owner: Address, tokens: Iterable[Token]) -> tuple[Delta, ...]:
    """Changes as the receipt's Transfer events tell them: for a node that has forgotten the older block's state."""
    mine = "0x" + word(owner).hex()
    sums = {token.address.lower(): 0 for token in tokens}
    for log in receipt.get("logs", ()):
        address, topics = str(log["address"]).lower(), [str(topic).lower() for topic in log["topics"]]
        if address in sums and len(topics) == 3 and topics[0] == TRANSFER_TOPIC:
            raw = int(str(log["data"]), 16)
            sums[address] += raw * ((topics[2] == mine) - (topics[1] == mine))
    return tuple(Delta(token, sums[token.address.lower()]) for token in tokens)


async def changes_in(
    node: Node, owner: Address, tokens: Sequence[Token], block: BlockRef, receipt: Mapping[str, Any]
) -> tuple[tuple[Delta, ...], dict[Token, int]]:
    """Our balance changes from the block before to ``block``, with the balances before.

    Where the node no longer has that state, Transfer events stand in for it (tokens that grow by themselves are then
    off by their growth in that block, which tolerance covers), and no balance before is known.
    """
    try:
        parent = await node.block(block.height - 1)
        before = await balances(node, owner, tokens, parent)
        return changes(before, await balances(node, owner, tokens, block)), before
    except NodeRefused:
        return log_changes(receipt, owner, [token for token in tokens if token.address != NATIVE]), {}


REDEEM_REQUEST = "0x1fdc681a13d8c5da54e301c7ce6542dcde4581e4725043fdab2db12ddc574506"
"""EIP-7540's RedeemRequest(address indexed controller, address indexed owner, uint256 indexed requestId,
address sender, uint256 shares)."""


def request_of(receipt: Mapping[str, Any], vault: str, owner: Address) -> int | None:
    """The number of the request that we made of a vault, by its own event; None where it is 0, or there is none."""
    mine = "0x" + word(owner).hex()
    for log in receipt.get("logs", ()):
        topics = log["topics"]
        ours = len(topics) == 4 and topics[0].lower() == REDEEM_REQUEST and topics[1].lower() == mine
        if ours and str(log["address"]).lower() == vault.lower():
            return int(topics[3], 16) or None
    return None
