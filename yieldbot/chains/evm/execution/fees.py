"""The EIP-1559 fees that a transaction offers, fetched from the chain."""

from __future__ import annotations

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import Fees, price
from yieldbot.model.amounts import BlockRef
from yieldbot.model.plan import Declined


async def fetch_priority_fee(account: Account) -> int:
    """The priority fee to offer, in wei per gas: the node's suggestion, at most the chain's ``priority_fee_gwei``; that
    setting if the node suggests nothing."""
    ours = int(account.settings.priority_fee_gwei * 10**9)
    suggested = await account.node.priority_fee_wei()
    return min(suggested, ours) if suggested else ours


async def fetch_fees(account: Account, block: BlockRef) -> Fees | Declined:
    """The fees to offer after ``block``; FEE_ABOVE_CEILING if gas costs more than the chain's ceiling."""
    _, base_fee_wei = await account.node.block_and_base_fee(block.height)
    return price(base_fee_wei, await fetch_priority_fee(account), account.max_fee_wei)
