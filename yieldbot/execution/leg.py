"""One leg of an approved plan, transaction by transaction: simulate, judge, sign, record, submit, confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yieldbot.execution.account import Account, LegWork
from yieldbot.execution.approve import Approval, Rules, judge
from yieldbot.execution.build import TxContext, allowance_call, spender_names
from yieldbot.execution.deltas import allowance
from yieldbot.execution.permit2 import permit_call, permitted, still_permitted
from yieldbot.execution.simulate import rehearse, simulate_tx
from yieldbot.execution.transact import barred, transact
from yieldbot.journal.events import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, EvmCall, Outcome

TAKE_BACK_GAS = 120_000
"""Gas limit for setting an allowance to zero, proxies of tokens included; the simulation shows that it is enough."""


@dataclass(frozen=True, slots=True)
class LegResult:
    """The outcomes of the transactions that were sent, in order, and why the leg stopped early (None: it did not)."""

    outcomes: tuple[Outcome, ...]
    declined: Declined | None = None

    @property
    def done(self) -> bool:
        """Every transaction of the leg was sent and succeeded."""
        return self.declined is None and all(isinstance(outcome, Confirmed) for outcome in self.outcomes)


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


def mark(journal: Journal, approval: Approval, index: int, result: LegResult) -> None:
    """The plan's mark after a leg: executed after its last one; when it stopped on the way, rejected where a person did
    that (at the signing device, by a halt) and failed otherwise, which the policy's max_failures counts."""
    if journal.plan(approval.plan.id) is None:
        return
    if not result.done:
        reason = result.declined.reason if result.declined else "a transaction did not succeed"
        said_no = result.declined is not None and result.declined.code in ("HUMAN_REJECTED", "HALTED")
        status = PlanStatus.REJECTED if said_no else PlanStatus.FAILED
        journal.append(PlanMarked(approval.plan.id, status, "execution", f"leg {index + 1}: {reason}"))
    elif index == len(approval.plan.legs) - 1:
        journal.append(PlanMarked(approval.plan.id, PlanStatus.EXECUTED, "execution"))
