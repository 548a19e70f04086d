"""A plan's leg that moves liquidity: one transaction after another, by the stages of every other.

What it may do in all is the leg's: of the asset no more than its amount may leave the wallet, of the pool's other token
and of a position that is taken out or laid anew nothing, however many transactions it takes. Each transaction is judged
besides by the order that it belongs to (``judge_liquidity``), and that order by what the leg may name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.chains.evm.execution.abi_calls import APPROVE
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import allowance
from yieldbot.chains.evm.execution.build import TxContext, allowance_call
from yieldbot.chains.evm.execution.judge import Rules
from yieldbot.chains.evm.execution.leg import TAKE_BACK_GAS
from yieldbot.chains.evm.execution.simulate import RehearsedTx, rehearse, simulate_tx
from yieldbot.chains.evm.execution.transact import transact
from yieldbot.chains.evm.liquidity.judge import judge_liquidity
from yieldbot.chains.evm.liquidity.order import LpOrder, Provides, Step
from yieldbot.errors import MarketError, SafetyError
from yieldbot.execution.approvals import NEVER, Approval, in_time
from yieldbot.execution.deltas import change_of
from yieldbot.execution.gate import barred
from yieldbot.execution.planned import leg_in_plan
from yieldbot.execution.results import LegResult, mark
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import ApprovedTx, Confirmed, EvmCall, Outcome, SimulatedTx


async def execute_provided(account: Account, approval: Approval, work: LegWork) -> LegResult:
    """Carry out one leg of liquidity, as ``execute_leg`` does others. What it swapped and did not put in when it stops
    half-way lies in the wallet, and the next run decides anew."""
    assert work.provides is not None
    rehearsed = (
        barred(account) or account.limits((work.leg,)) or await rehearse(account, (work,), await account.node.block())
    )
    if isinstance(rehearsed, Declined):
        return _ended(account, approval, work, LegResult((), rehearsed))
    outcomes: list[Outcome] = []
    declined: Declined | None = None
    planned = [tx for tx in rehearsed.legs[0].txs if not _is_zero(tx.call)]
    work.provides.tally.begin()
    try:
        async for step in work.provides.steps(account.node):
            found = _gas(step, planned)
            if isinstance(found, Declined):
                declined = found
                break
            outcome = await _one(account, approval, work, step, found, outcomes)
            if isinstance(outcome, Declined):
                declined = outcome
                break
            outcomes.append(outcome)
            if not isinstance(outcome, Confirmed):
                break
            work.provides.tally.add(outcome.deltas)
    except SafetyError as refused:
        declined = Declined(refused.code, refused.message)
    except MarketError as unread:
        declined = Declined("MARKET_UNREADABLE", str(unread))
    result = LegResult(tuple(outcomes), declined)
    if result.done and planned:
        result = replace(
            result, declined=Declined("NOT_THE_CALL", f"{planned[0].description}: was rehearsed and not made")
        )
    return _ended(account, approval, work, result, await _take_back(account, approval, work, outcomes))


def _ended(
    account: Account, approval: Approval, work: LegWork, result: LegResult, more: Sequence[Outcome] = ()
) -> LegResult:
    mark(account.journal, approval, work.index, result)
    return replace(result, outcomes=(*result.outcomes, *more))


def _gas(step: Step, planned: list[RehearsedTx]) -> int | Declined:
    """The gas limit that the rehearsal found for this call, which is then done; taking an allowance back needs no
    rehearsal."""
    if _is_zero(step.call):
        return TAKE_BACK_GAS
    if not planned or (planned[0].to, planned[0].call.data[:4]) != (step.call.to, step.call.data[:4]):
        return Declined("NOT_THE_CALL", f"{step.call.description}: was not rehearsed")
    return planned.pop(0).gas_limit


def _is_zero(call: EvmCall) -> bool:
    return call.data[:4] == APPROVE and not any(call.data[36:])


async def _one(
    account: Account, approval: Approval, work: LegWork, step: Step, gas: int, outcomes: Sequence[Outcome]
) -> Outcome | Declined:
    assert work.provides is not None
    provides = work.provides
    context = TxContext(account.settings.chain, account.owner, approval.plan.id, work.index, work.leg.market_id)
    may_move = frozenset(token.address for token in step.moves)

    def judged(simulated: SimulatedTx) -> ApprovedTx | Declined:
        return judge_provided(Rules.of(account), approval, work, step, simulated, outcomes, account.now())

    return await transact(
        account,
        step.call,
        gas,
        context,
        simulate=lambda tx: simulate_tx(account, tx, None, tokens=provides.tokens, may_move=may_move),
        judge=judged,
    )


def judge_provided(
    rules: Rules,
    approval: Approval,
    work: LegWork,
    step: Step,
    simulated: SimulatedTx,
    outcomes: Sequence[Outcome],
    now: int,
) -> ApprovedTx | Declined:
    """The policy's word on one transaction of a leg of liquidity. Pure. outcomes: of the leg's transactions before it.

    Setting an allowance to zero needs no living approval: it is never wrong.
    """
    takes_back = _is_zero(step.call)
    refused = (
        (None if takes_back else in_time(approval, now))
        or leg_in_plan(approval.plan, work)
        or _foreign(work, step.order, approval.plan.id)
        or _beyond(work, outcomes, simulated)
    )
    if refused is not None:
        return replace(refused, reason=f"{simulated.tx.description}: {refused.reason}")
    deltas = tuple(replace(d, least=step.least.get(d.token, d.least)) for d in simulated.deltas)
    chain_now = simulated.block.timestamp  # deadlines are in the chain's time, the approval in this machine's
    judged = judge_liquidity(rules, step.order, step.call, replace(simulated, deltas=deltas), chain_now)
    if isinstance(judged, Declined):
        return judged
    ends = NEVER if takes_back else min(approval.expires_at, now + (work.lasts_seconds or 0))
    return replace(judged, approver=approval.approver, expires_at=ends)


def _foreign(work: LegWork, order: LpOrder, plan_id: str) -> Declined | None:
    """Why an order is none of the leg's; None when it is."""
    provides = work.provides
    assert provides is not None
    named = order.manager, order.tokens, order.router in (None, provides.router), order.share, order.id
    if named != (provides.manager, provides.pair, True, None, plan_id):
        return Declined("NOT_IN_PLAN", "the order names another pool, manager, router or plan")
    if order.ticks is not None and not _near(order.ticks, work.leg.ticks, provides.shift_ticks):
        return Declined("NOT_IN_PLAN", f"a range of ticks {order.ticks}, one of {work.leg.ticks} was approved")
    if order.token_id is not None and order.token_id not in provides.token_ids:
        return Declined("NOT_IN_PLAN", f"position {order.token_id} is not the leg's")
    return None


def _near(ticks: tuple[int, int], approved: tuple[int, int] | None, shift: int) -> bool:
    """Whether a range is as wide as the approved one, and not moved further than it may be."""
    if approved is None:
        return False
    return ticks[1] - ticks[0] == approved[1] - approved[0] and abs(ticks[0] - approved[0]) <= shift


def _beyond(work: LegWork, outcomes: Sequence[Outcome], simulated: SimulatedTx) -> Declined | None:
    """Why the leg would have taken more from the wallet than it may, with this transaction; None when it has not."""
    provides = work.provides
    assert provides is not None
    for token in provides.pair:
        moved = change_of(simulated.deltas, token)
        moved += sum(change_of(o.deltas, token) for o in outcomes if isinstance(o, Confirmed))
        if moved < 0 and moved < -_may_leave(work.leg, token):
            said = f"{Amount(token, -moved)} would have left, {Amount(token, _may_leave(work.leg, token))} may"
            return Declined("AMOUNT_ABOVE_PLAN", said)
    return None


def _may_leave(leg: Leg, token: Token) -> int:
    return leg.amount.raw if leg.kind is LegKind.DEPOSIT and token == leg.amount.token else 0


async def _take_back(account: Account, approval: Approval, work: LegWork, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """What the leg left allowed, set to zero; as far as the policy and the node still let us."""
    assert work.provides is not None
    found: list[Outcome] = []
    for token in work.provides.pair:
        for spender in work.provides.spenders:
            if await allowance(account.node, token.address, account.owner, spender):
                call = allowance_call(token, spender, 0, work.market.name)
                step = Step(call=call, order=_bare(work.provides, approval.plan.id))
                outcome = await _one(account, approval, work, step, TAKE_BACK_GAS, [*outcomes, *found])
                if not isinstance(outcome, Declined):
                    found.append(outcome)
    return found


def _bare(provides: Provides, plan_id: str) -> LpOrder:
    """An order that lets nothing be done but allowances be taken back."""
    return LpOrder(
        id=plan_id,
        manager=provides.manager,
        tokens=provides.pair,
        fee_pips=0,
        token_id=None,
        expires_at=NEVER,
        router=provides.router,
    )
