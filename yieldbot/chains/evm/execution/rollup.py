"""A rollup's fee for a transaction's data on L1, fetched from the chain for exactly the bytes that will be signed.

No fork charges it. The OP stack charges it in addition to the gas (GasPriceOracle); Arbitrum takes it as additional
gas, which only Arbitrum's own node can estimate (NodeInterface). Limits leave room for a rise until the transaction is
mined.
"""

from __future__ import annotations

from functools import partial

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import BASE_FEE_HEADROOM, Fees, TxContext, gas_limit, unsigned
from yieldbot.chains.evm.execution.reverts import REVERTED
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.rollups import (
    GAS_PRICE_ORACLE,
    NODE_INTERFACE,
    OPERATOR_CONSTANT,
    OPERATOR_SCALAR,
    SCROLL_ORACLE,
    SIGNATURE,
    TOKEN_RATIO,
    l1_component_call,
    l1_fee_call,
    mantle_l1_fee,
    mantle_operator_fee,
    operator_fee_call,
    wei_of,
)
from yieldbot.chains.evm.signing.sign import payload
from yieldbot.errors import MarketError, NodeRefused, TransientError
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Declined
from yieldbot.model.settings import FeeKind
from yieldbot.model.tx import NO_ROLLUP_FEE, EvmCall, RollupFee, UnsignedTx
from yieldbot.rpc.together import both, together


async def fetch_rollup_fee(account: Account, node: Node, tx: UnsignedTx, block: BlockRef | None = None) -> RollupFee:
    """The fee of exactly this transaction at ``block`` (None: the newest). node: the chain's own; on the OP stack a
    fork will do.

    Raises TransientError if the fee cannot be read: without it nothing may be signed.
    """
    kind = account.settings.fee_kind
    try:
        if kind is FeeKind.OP_STACK:
            data_fee = node.call(GAS_PRICE_ORACLE, l1_fee_call(payload(tx)), block)
            l1, operator = await both(data_fee, _operator_fee(node, tx.gas, block))
            return RollupFee(l1_wei=wei_of(l1), operator_wei=operator)
        if kind is FeeKind.MANTLE:
            return await _mantle_fee(node, tx, block)
        if kind is FeeKind.SCROLL:
            return RollupFee(l1_wei=wei_of(await node.call(SCROLL_ORACLE, l1_fee_call(payload(tx) + SIGNATURE), block)))
        if kind is FeeKind.ARBITRUM:
            answer = await account.node.call(NODE_INTERFACE, l1_component_call(tx.to, tx.data), block)
            return RollupFee(l1_gas=wei_of(answer))
    except (NodeRefused, MarketError) as failure:
        where = f"fee_kind of chains/{account.settings.name}.toml is {kind}"
        raise TransientError(f"the fee for data on L1 cannot be read ({where}): {failure}") from None
    return NO_ROLLUP_FEE


async def _mantle_fee(node: Node, tx: UnsignedTx, block: BlockRef | None) -> RollupFee:
    calls = (l1_fee_call(payload(tx)), TOKEN_RATIO, OPERATOR_SCALAR, OPERATOR_CONSTANT)
    asks = [partial(node.call, GAS_PRICE_ORACLE, call, block) for call in calls]
    l1, ratio, scalar, fixed = await together(asks)
    return RollupFee(mantle_l1_fee(l1, ratio), mantle_operator_fee(tx.gas, scalar, fixed))


async def _operator_fee(node: Node, gas: int, block: BlockRef | None) -> int:
    try:
        return wei_of(await node.call(GAS_PRICE_ORACLE, operator_fee_call(gas), block))
    except NodeRefused as refusal:
        if refusal.data or refusal.code != REVERTED:
            raise
        return 0  # before the Isthmus upgrade the oracle lacks this function, and the chain this fee


async def rehearsed_gas(account: Account, fork: Node, call: EvmCall, needed: int, fees: Fees) -> tuple[int, RollupFee]:
    """The gas limit of a call that needs ``needed`` gas on the fork, Arbitrum's gas for data included, and the fee for
    its data on L1."""
    limit = gas_limit(needed)
    if account.settings.fee_kind is FeeKind.ETHEREUM or not account.pays_gas:
        return limit, NO_ROLLUP_FEE
    context = TxContext(account.settings.chain, account.owner, "", 0, MarketId(""))
    nonce = await fork.nonce(account.owner)
    tx = unsigned(call, context, nonce, limit, fees)
    fee = await fetch_rollup_fee(account, fork, tx)
    return limit + BASE_FEE_HEADROOM * fee.l1_gas, fee


async def node_gas(account: Account, made: EvmCall, gas: int) -> int:
    """The gas limit of a call: ``gas``; on Arbitrum the node's own estimate with its margin, if that is more.

    If Arbitrum's node refuses to estimate, the NodeInterface's gas for data is added. If it says that the call reverts,
    ``gas`` is kept: the simulation that follows finds the reason.
    """
    if account.settings.fee_kind is not FeeKind.ARBITRUM:
        return gas
    call = {"from": account.owner, "to": made.to, "data": "0x" + made.data.hex(), "value": hex(made.value)}
    try:
        return max(gas, gas_limit(int(await account.node.request("eth_estimateGas", [call]), 16)))
    except NodeRefused as refusal:
        if refusal.code == REVERTED or refusal.data:
            return gas
    except (TypeError, ValueError):
        raise TransientError(f"{account.node.host} answered eth_estimateGas with something that is no number") from None
    context = TxContext(account.settings.chain, account.owner, "", 0, MarketId(""))
    fee = await fetch_rollup_fee(account, account.node, unsigned(made, context, 0, gas, Fees(0, 0)))
    return gas + BASE_FEE_HEADROOM * fee.l1_gas


async def charge(account: Account, fork: Node, fee: RollupFee, price_wei: int) -> None:
    """Deduct the L1 fee from our balance on the fork, which does not charge it, so that later calls find the balance
    that the chain would leave. price_wei: wei per gas."""
    if wei := fee.wei + fee.l1_gas * price_wei:
        left = await fork.balance_wei(account.owner) - wei
        await fork.request("anvil_setBalance", [account.owner, hex(max(0, left))])


async def short_of_native(
    account: Account, fork: Node, gas_wei: int, fee: RollupFee = NO_ROLLUP_FEE
) -> Declined | None:
    """Why the wallet cannot pay for a transaction (INSUFFICIENT_NATIVE); None if it can. gas_wei: the most that its gas
    costs, plus the value sent. fee: its L1 fee; BASE_FEE_HEADROOM times as much must be there, since it may rise."""
    held = await fork.balance_wei(account.owner)
    beside = BASE_FEE_HEADROOM * fee.wei
    if held >= gas_wei + beside:
        return None
    native = account.native
    more = f" and its data on L1 {Amount(native, beside)}" if beside else ""
    return Declined(
        "INSUFFICIENT_NATIVE",
        f"gas may cost up to {Amount(native, gas_wei)}{more}, the wallet holds {Amount(native, held)}: "
        f"send {native.symbol} to {account.owner}",
    )


def cost_above_gain(
    account: Account, description: str, gas_wei: int, fee: RollupFee = NO_ROLLUP_FEE
) -> Declined | None:
    """Why a transaction costs more than the plan's gain allows (``Account.max_cost_wei``); None when it does not.
    gas_wei: its gas in wei; fee: its L1 fee."""
    if account.max_cost_wei is None or gas_wei + fee.wei <= account.max_cost_wei:
        return None
    most, beside = Amount(account.native, account.max_cost_wei), " with its data on L1" if fee.wei else ""
    return Declined("COST_ABOVE_GAIN", f"{description}: its gas{beside} costs more than the gain allows, {most}")
