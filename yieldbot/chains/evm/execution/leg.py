"""One leg of an approved plan, transaction by transaction: simulate, judge, sign, record, submit, confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import allowance
from yieldbot.chains.evm.execution.build import TxContext, allowance_call, spender_names
from yieldbot.chains.evm.execution.judge import Rules, judge
from yieldbot.chains.evm.execution.permit2 import permit_call, permitted, still_permitted
from yieldbot.chains.evm.execution.simulate import rehearse, simulate_tx
from yieldbot.chains.evm.execution.transact import transact
from yieldbot.execution.approvals import Approval
from yieldbot.execution.gate import barred
from yieldbot.execution.results import LegResult, mark
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, EvmCall, Outcome

TAKE_BACK_GAS = 120_000
"""Gas limit for setting an allowance to zero, proxies of tokens included; the simulation shows that it is enough."""


async def execute_leg(account: Account, approval: Approval, work: LegWork) -> LegResult:
    """Carry out one leg. The plan's mark in the journal follows (executed after its last leg, failed on the way).

    Refusals and reverts are values in the result. An allowance given for a leg that then stops is taken back.
    Raises PendingError (an outcome is open: settle first), TransientError (nothing was signed that is not journalled),
    InvariantError (balances changed otherwise than simulated; the account is stopped), SafetyError (the signer gave
    other bytes).
    """
    rehearsed = (
        barred(account) or account.limits((work.leg,)) or await rehearse(account, (work,), await account.node.block())
    )
    if isinstance(rehearsed, Declined):
        stopped = LegResult((), rehearsed)
        mark(account.journal, approval, work.index, stopped)
        return stopped
    outcomes: list[Outcome] = []
    declined: Declined | None = None
    steps = rehearsed.legs[0].txs
    settles = [(call.allowance.token, call.allowance.spender) for call in work.calls if call.allowance]
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        outcome = await _execute(account, approval, work, step.call, step.gas_limit, settles if last else ())
        if isinstance(outcome, Declined):
            declined = outcome
            break
        outcomes.append(outcome)
        if not isinstance(outcome, Confirmed):
            break
    result = LegResult(tuple(outcomes), declined)
    if result.done:
        result = replace(result, declined=await _left_allowed(account, work, settles))
    if not result.done:
        result = replace(result, outcomes=(*outcomes, *await _take_back(account, approval, work)))
    mark(account.journal, approval, work.index, result)
    return result


async def _left_allowed(account: Account, work: LegWork, settles: Sequence[tuple[Token, Address]]) -> Declined | None:
    """Why the leg is not done although all of it was mined: some of what it allowed was not taken. On the fork nothing
    was left, but the chain moves on."""
    for token, spender in settles:
        if left := await allowance(account.node, token.address, account.owner, spender):
            name = spender_names(work).get(spender, spender)
            return Declined("ALLOWANCE_LEFT", f"{Amount(token, left)} stayed allowed to {name}: it is taken back")
    return await still_permitted(account.node, account.owner, work.calls)


async def _execute(
    account: Account,
    approval: Approval,
    work: LegWork,
    call: EvmCall,
    gas: int,
    settles: Sequence[tuple[Token, Address]],
) -> Outcome | Declined:
    """One call of the leg. ``gas``: its limit, as the rehearsal found it; ``settles``: allowances that must be zero
    after it."""
    context = TxContext(account.settings.chain, account.owner, approval.plan.id, work.index, work.leg.market_id)
    return await transact(
        account,
        call,
        gas,
        context,
        simulate=lambda tx: simulate_tx(account, tx, work, settles),
        judge=lambda simulated: judge(Rules.of(account), approval, work, simulated, account.now()),
    )


async def _take_back(account: Account, approval: Approval, work: LegWork) -> list[Outcome]:
    """Set to zero what the stopped leg has left allowed; as far as the policy and the node still let us."""
    outcomes: list[Outcome] = []
    for need in {call.allowance for call in work.calls if call.allowance}:
        if await allowance(account.node, need.token.address, account.owner, need.spender):
            name = spender_names(work).get(need.spender, need.spender)
            call = allowance_call(need.token, need.spender, 0, name)
            outcome = await _execute(account, approval, work, call, TAKE_BACK_GAS, ())
            if not isinstance(outcome, Declined):
                outcomes.append(outcome)
        if need.onward is not None and await permitted(account.node, account.owner, need):
            call = permit_call(need, 0, spender_names(work).get(need.onward.spender, need.onward.spender))
            outcome = await _execute(account, approval, work, call, TAKE_BACK_GAS, ())
            if not isinstance(outcome, Declined):
                outcomes.append(outcome)
    return outcomes
