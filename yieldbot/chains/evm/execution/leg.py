"""Executes one leg of an approved plan: rehearsed again, then each transaction simulated, judged, signed, journalled,
submitted and confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import fetch_allowance
from yieldbot.chains.evm.execution.build import TxContext, allowance_call, spender_names
from yieldbot.chains.evm.execution.judge import Rules, judge
from yieldbot.chains.evm.execution.permit2 import fetch_permitted, permit_call, still_permitted
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.execution.transact import transact
from yieldbot.execution.approvals import Approval
from yieldbot.execution.gate import barred
from yieldbot.execution.results import LegResult, mark
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, EvmCall, Outcome

TAKE_BACK_GAS = 120_000
"""Gas limit for setting an allowance to zero, also for proxy tokens; the simulation shows whether it is enough."""


async def execute_leg(account: Account, approval: Approval, work: LegWork) -> LegResult:
    """Execute one leg, and journal the plan's status (``results.mark``).

    Refusals and reverts are values in the result. If a leg stops half-way, allowances given for it are revoked.

    Raises PendingError (a transaction's outcome is open: settle it first), TransientError (a node failed; everything
    that was signed is in the journal), InvariantError (balances did not change as simulated; the account is stopped),
    SafetyError (the signer returned other bytes than were approved).
    """
    rehearsed = (
        barred(account, approval.plan)
        or account.limits((work.leg,))
        or await rehearse(account, (work,), await account.node.block())
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
    """Why a leg whose transactions all succeeded still is not done: an allowance was not consumed completely (code
    ALLOWANCE_LEFT). It was on the fork, but the chain has moved on since."""
    for token, spender in settles:
        if left := await fetch_allowance(account.node, token.address, account.owner, spender):
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
    """Execute one call of the leg. gas: its limit, from the rehearsal. settles: (token, spender) of allowances that
    must be zero after it."""
    context = TxContext(account.settings.chain, account.owner, approval.plan.id, work.index, work.leg.market_id)
    return await transact(
        account,
        context,
        call,
        gas,
        simulate=lambda tx: simulate_tx(account, tx, work, settles),
        judge=lambda simulated: judge(Rules.of(account), approval, work, simulated, account.now()),
    )


async def _take_back(account: Account, approval: Approval, work: LegWork) -> list[Outcome]:
    """Revoke the allowances that a stopped leg has left; returns the outcomes of the transactions that could be
    sent."""
    outcomes: list[Outcome] = []
    for need in {call.allowance for call in work.calls if call.allowance}:
        if await fetch_allowance(account.node, need.token.address, account.owner, need.spender):
            name = spender_names(work).get(need.spender, need.spender)
            call = allowance_call(need.token, need.spender, 0, name)
            outcome = await _execute(account, approval, work, call, TAKE_BACK_GAS, ())
            if not isinstance(outcome, Declined):
                outcomes.append(outcome)
        if need.onward is not None and await fetch_permitted(account.node, account.owner, need):
            call = permit_call(need, 0, spender_names(work).get(need.onward.spender, need.onward.spender))
            outcome = await _execute(account, approval, work, call, TAKE_BACK_GAS, ())
            if not isinstance(outcome, Declined):
                outcomes.append(outcome)
    return outcomes
