"""One call from fees to outcome: nonce, simulation, judgement, signature, journal, network, confirmation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import TxContext, price, unsigned
from yieldbot.chains.evm.execution.confirm import confirm
from yieldbot.chains.evm.execution.fees import fetch_priority_fee
from yieldbot.chains.evm.execution.nonces import clear_leftovers, next_nonce
from yieldbot.chains.evm.execution.rollup import cost_above_gain, node_gas
from yieldbot.chains.evm.execution.submit import record, sign, submit
from yieldbot.model.plan import Declined
from yieldbot.model.tx import ApprovedTx, Confirmed, EvmCall, Outcome, Reverted, SimulatedTx, UnsignedTx
from yieldbot.rpc.together import both

Simulate = Callable[[UnsignedTx], Awaitable[SimulatedTx | Declined]]
Judge = Callable[[SimulatedTx], ApprovedTx | Declined]


async def transact(
    account: Account, context: TxContext, call: EvmCall, gas: int, simulate: Simulate, judge: Judge
) -> Outcome | Declined:
    """Execute one call as a transaction.

    gas: its limit by the rehearsal; on Arbitrum the node's own estimate may raise it. simulate, judge: the stages for
    this kind of transaction. Refusals are values; see ``execute_leg`` for what is raised.
    """
    _, base_fee_wei = await account.node.block_and_base_fee()
    fees = price(base_fee_wei, await fetch_priority_fee(account, call.data, gas), account.max_fee_wei)
    if isinstance(fees, Declined):
        return fees
    await clear_leftovers(account)
    nonce, gas = await both(next_nonce(account), node_gas(account, call, gas))
    if isinstance(nonce, Declined):
        return nonce
    gas_wei = gas * (base_fee_wei + fees.priority_fee_wei)
    if (dear := cost_above_gain(account, call.description, gas_wei)) is not None:
        return dear
    simulated = await simulate(unsigned(call, context, nonce, gas, fees))
    if isinstance(simulated, Declined):
        return simulated
    if (dear := cost_above_gain(account, call.description, gas_wei, simulated.rollup)) is not None:
        return dear
    await account.node.verify_chain()  # the last check before a key is used
    approved = judge(simulated)
    if isinstance(approved, Declined):
        return approved
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot was halted on the way ({reason}): `yieldbot resume` lifts it")
    signed = sign(account, approved)
    if isinstance(signed, Declined):
        return signed
    recorded = record(account, signed)
    await submit(account, recorded)
    outcomes = await confirm(account, (recorded,))
    mined = (outcome for outcome in outcomes if isinstance(outcome, Confirmed | Reverted))
    return next(mined, outcomes[0])  # of several attempts the mined one has the outcome
