"""Balances and allowances on an EVM chain: fetched from a node, or computed from the event logs in a receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused
from yieldbot.execution.deltas import changes
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.families import EVM_NATIVE
from yieldbot.model.ids import Address
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.tx import Delta
from yieldbot.rpc.together import together

BALANCE_OF = bytes.fromhex("70a08231")  # balanceOf(address)
ALLOWANCE = bytes.fromhex("dd62ed3e")  # allowance(address,address)
APPROVAL_TOPIC = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"


def abi_word(address: Address) -> bytes:
    """An address as one ABI word."""
    return bytes(12) + bytes.fromhex(address[2:])


async def fetch_balances(
    node: Node, owner: Address, tokens: Iterable[Token], block: BlockRef | None = None
) -> dict[Token, int]:
    """Balances in base units at a block, by default the newest. A token with the address NATIVE is the chain's coin."""

    async def one(token: Token) -> int:
        if token.address == EVM_NATIVE:
            return await node.balance_wei(owner, block)
        return int.from_bytes(await node.call(token.address, BALANCE_OF + abi_word(owner), block), "big")

    wanted = list(dict.fromkeys(tokens))
    return dict(zip(wanted, await together([partial(one, token) for token in wanted]), strict=True))


async def fetch_allowance(node: Node, token: Address, owner: Address, spender: Address) -> int:
    """How much ``spender`` may take of the owner's tokens at the newest block, in base units (EIP-20)."""
    return int.from_bytes(await node.call(token, ALLOWANCE + abi_word(owner) + abi_word(spender)), "big")


def tokens_sent(receipt: Mapping[str, Any], owner: Address) -> frozenset[str]:
    """Contracts, in lower case, with a Transfer log in the receipt whose sender is ``owner``."""
    mine = "0x" + abi_word(owner).hex()
    return frozenset(
        str(log["address"]).lower()
        for log in receipt.get("logs", ())
        if len(log["topics"]) >= 3 and log["topics"][0] == TRANSFER_TOPIC and str(log["topics"][1]).lower() == mine
    )


def nfts_sent(receipt: Mapping[str, Any], owner: Address) -> frozenset[str]:
    """Contracts (lower case) with an ERC-721 Transfer log (with the token id as fourth topic) whose sender is
    ``owner``. No call of ours ever sends an NFT away."""
    mine = "0x" + abi_word(owner).hex()
    return frozenset(
        str(log["address"]).lower()
        for log in receipt.get("logs", ())
        if len(log["topics"]) == 4 and log["topics"][0] == TRANSFER_TOPIC and str(log["topics"][1]).lower() == mine
    )


def allowances_touched(receipt: Mapping[str, Any], owner: Address) -> frozenset[tuple[Address, Address]]:
    """(token, spender) of every Approval log in a receipt whose owner is ``owner``."""
    from eth_utils.address import to_checksum_address

    mine = "0x" + abi_word(owner).hex()
    return frozenset(
        (
            Address(str(to_checksum_address(log["address"]))),
            Address(str(to_checksum_address("0x" + log["topics"][2][-40:]))),
        )
        for log in receipt.get("logs", ())
        if len(log["topics"]) >= 3 and log["topics"][0] == APPROVAL_TOPIC and str(log["topics"][1]).lower() == mine
    )


def given(receipt: Mapping[str, Any], owner: Address) -> frozenset[str]:
    """What ``owner`` gave away according to a receipt's logs, as lower-case texts: ``transfer TOKEN``, ``nft
    CONTRACT``, ``approval TOKEN SPENDER``."""
    return frozenset(
        (
            *(f"transfer {token}" for token in tokens_sent(receipt, owner)),
            *(f"nft {contract}" for contract in nfts_sent(receipt, owner)),
            *(f"approval {token} {spender}".lower() for token, spender in allowances_touched(receipt, owner)),
        )
    )


def given_fault(simulated: Iterable[str] | None, real: frozenset[str], compared: Iterable[Delta]) -> str | None:
    """Why the chain's logs show that more was given away than in the simulation; None if they do not. Pure.

    simulated, real: see ``given``; simulated None (rows of older programs): not compared. compared: balance changes
    that are compared elsewhere; their tokens are ignored here.
    """
    if simulated is None:
        return None
    more = real - frozenset(simulated) - {f"transfer {delta.token.address.lower()}" for delta in compared}
    return f"events that the simulation did not have: {', '.join(sorted(more))}" if more else None


def log_changes(receipt: Mapping[str, Any], owner: Address, tokens: Iterable[Token]) -> tuple[Delta, ...]:
    """Balance changes computed from the receipt's Transfer logs, for nodes that no longer have the previous block's
    state."""
    mine = "0x" + abi_word(owner).hex()
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
    """(the owner's balance changes in ``block``, the balances in the block before it), in base units.

    If the node no longer has that state, the changes come from Transfer logs, and earlier balances are unknown. The
    growth of rebasing tokens within the block is then missing; the tolerance covers it.
    """
    try:
        parent = await node.block(block.height - 1)
        before = await fetch_balances(node, owner, tokens, parent)
        return changes(before, await fetch_balances(node, owner, tokens, block)), before
    except NodeRefused:
        return log_changes(receipt, owner, [token for token in tokens if token.address != EVM_NATIVE]), {}


REDEEM_REQUEST = "0x1fdc681a13d8c5da54e301c7ce6542dcde4581e4725043fdab2db12ddc574506"
"""EIP-7540's RedeemRequest(address indexed controller, address indexed owner, uint256 indexed requestId,
address sender, uint256 shares)."""


def request_of(receipt: Mapping[str, Any], vault: str, owner: Address) -> int | None:
    """The id of the request that ``owner`` made to a vault, from the vault's RedeemRequest log (EIP-7540); None if
    there is none, or it is 0."""
    mine = "0x" + abi_word(owner).hex()
    for log in receipt.get("logs", ()):
        topics = log["topics"]
        ours = len(topics) == 4 and topics[0].lower() == REDEEM_REQUEST and topics[1].lower() == mine
        if ours and str(log["address"]).lower() == vault.lower():
            return int(topics[3], 16) or None
    return None
