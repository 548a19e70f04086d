"""The EIP-1559 fees that a transaction offers, fetched from the chain."""

from __future__ import annotations

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import Fees, price
from yieldbot.chains.evm.linea import TYPICAL_DATA, TYPICAL_LIMIT
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.model.amounts import BlockRef
from yieldbot.model.plan import Declined


async def fetch_priority_fee(account: Account, data: bytes | None = None, gas_limit: int = TYPICAL_LIMIT) -> int:
    """The priority fee to offer, in wei per gas (``tips.fetch_tip``). data: the call's; None: not known yet."""
    length = TYPICAL_DATA if data is None else len(data)
    return await fetch_tip(account.node, account.settings, length, gas_limit)


async def fetch_fees(account: Account, block: BlockRef) -> Fees | Declined:
    """The fees to offer after ``block``; FEE_ABOVE_CEILING if gas costs more than the chain's ceiling."""
    _, base_fee_wei = await account.node.block_and_base_fee(block.height)
    return price(base_fee_wei, await fetch_priority_fee(account), account.max_fee_wei)
