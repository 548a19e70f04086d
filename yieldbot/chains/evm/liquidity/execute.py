"""Executes liquidity transactions one after another, each through the same stages as any other transaction. One
executor serves both legs of plans and orders of persons; each has its own judge.

A leg's limits apply to all of its transactions together (``judge_provided``): no more of the asset than the leg's
amount may leave the wallet, and none of the pool's other token when liquidity is removed or a range is rebalanced. Each
transaction is also judged by its own order (``judge_liquidity``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import fetch_allowance
from yieldbot.chains.evm.execution.build import TxContext, allowance_call
from yieldbot.chains.evm.execution.judge import Rules
from yieldbot.chains.evm.execution.leg import TAKE_BACK_GAS
from yieldbot.chains.evm.execution.rehearsal import RehearsedTx
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.execution.transact import transact
from yieldbot.chains.evm.liquidity.judge import judge_liquidity, judge_provided, takes_back, with_least
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall, Provides, Steps, Tally
from yieldbot.chains.evm.liquidity.rehearse import OrderRehearsal
from yieldbot.errors import MarketError, SafetyError
from yieldbot.execution.approvals import NEVER, Approval
from yieldbot.execution.gate import barred
from yieldbot.execution.results import LegResult, mark
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import ApprovedTx, Confirmed, Outcome, SimulatedTx

UNREADABLE = "MARKET_UNREADABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityMove:
    """A leg or order to be executed, with its judge."""

    steps: Steps
    """The calls, one after another."""
    rehearsed: Sequence[RehearsedTx]
    """The calls as they ran on the fork: no other call is made, except to revoke allowances."""
    tokens: Sequence[Token]
    """Tokens whose balances are compared, the position's own among them."""
    context: Callable[[int], TxContext]
    """The transaction's context, by its index among those of this move."""
    judge: Callable[[OrderCall, SimulatedTx, Sequence[Outcome]], ApprovedTx | Declined]
    """Judges one transaction, given the outcomes of those before it."""
    bare: LiquidityOrder
    """The order with which allowances are revoked."""
    spenders: Mapping[Address, str]
    """Spenders that may have received an allowance, with their names."""
    allowed: Sequence[Token]
    """Tokens for which they may have received an allowance."""
    tally: Tally | None = None
    """Balance of what is still to be put in, if the steps need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a leg or order ended."""

    outcomes: tuple[Outcome, ...]
    """Outcomes of the steps; only the last one can be other than Confirmed."""
    declined: Declined | None
    """Why it stopped before a transaction was sent; None: it did not."""
    not_made: RehearsedTx | None
    """The first rehearsed call that was not made; None: all were made."""
    taken_back: tuple[Outcome | Declined, ...]
    """Outcomes of revoking the allowances that were left."""


async def carry_out(account: Account, move: LiquidityMove) -> Moved:
    """Execute the steps until one is not confirmed, then revoke the remaining allowances.

    Refusals are values, also those of the steps; see ``execute_leg`` for what is raised.
    """
    outcomes: list[Outcome] = []
    declined: Declined | None = None
    planned = [tx for tx in move.rehearsed if not takes_back(tx.call.data)]
    if move.tally is not None:
        move.tally.begin()
    try:
        async for step in move.steps(account.node):
            gas = _gas(step, planned, len(outcomes))
            outcome = (
                gas if isinstance(gas, Declined) else await _one(account, move, step, gas, outcomes, len(outcomes))
            )
            if isinstance(outcome, Declined):
                declined = outcome
                break
            outcomes.append(outcome)
            if not isinstance(outcome, Confirmed):
                break
            if move.tally is not None:
                move.tally.add(outcome.deltas)
    except SafetyError as refused:
        declined = Declined(refused.code, refused.message)
    except MarketError as unread:
        declined = Declined(UNREADABLE, str(unread))
    taken_back = await _take_back(account, move, outcomes, len(outcomes) + (declined is not None))
    return Moved(
        outcomes=tuple(outcomes),
        declined=declined,
        not_made=planned[0] if planned else None,
        taken_back=tuple(taken_back),
    )


async def execute_provided(account: Account, approval: Approval, work: LegWork) -> LegResult:
    """Execute a plan's liquidity leg, as ``execute_leg`` does for other legs. If it stops half-way, tokens that were
    swapped but not put in are in the wallet, and the next run decides again."""
    rehearsed = (
        barred(account, approval.plan)
        or account.limits((work.leg,))
        or await rehearse(account, (work,), await account.node.block())
    )
    if isinstance(rehearsed, Declined):
        stopped = LegResult((), rehearsed)
        mark(account.journal, approval, work.index, stopped)
        return stopped
    moved = await carry_out(account, move_of(account, approval, work, rehearsed.legs[0].txs))
    result = LegResult(moved.outcomes, moved.declined)
    if result.done and (missing := moved.not_made) is not None:
        reason = f"{missing.description}: was rehearsed and not made"
        result = replace(result, declined=Declined("NOT_THE_CALL", reason))
    mark(account.journal, approval, work.index, result)
    more = (one for one in moved.taken_back if not isinstance(one, Declined))
    return replace(result, outcomes=(*result.outcomes, *more))


def move_of(account: Account, approval: Approval, work: LegWork, rehearsed: Sequence[RehearsedTx]) -> LiquidityMove:
    """A plan's liquidity leg as a LiquidityMove."""
    provides = work.provides
    assert provides is not None
    context = TxContext(account.settings.chain, account.owner, approval.plan.id, work.index, work.leg.market_id)
    return LiquidityMove(
        steps=provides.steps,
        rehearsed=rehearsed,
        tokens=provides.tokens,
        context=lambda place: context,
        judge=lambda step, simulated, before: judge_provided(
            Rules.of(account), approval, work, step, simulated, before, account.now()
        ),
        bare=_bare(provides, approval.plan.id),
        spenders=dict.fromkeys(provides.spenders, work.market.name),
        allowed=provides.pair,
        tally=provides.tally,
    )


async def execute_order(
    account: Account,
    steps: Steps,
    rehearsal: OrderRehearsal,
    tokens: Sequence[Token],
    market: MarketId,
    order: LiquidityOrder,
) -> list[Outcome | Declined]:
    """Execute a person's order as it was rehearsed; returns the outcomes of its steps and of revoking remaining
    allowances. tokens: whose balances are compared, the position's own among them."""
    legs = [
        Leg(LegKind.DEPOSIT, market, Amount(t, raw)) for t, raw in zip(order.tokens, order.most, strict=True) if raw
    ]
    if (refused := barred(account) or account.limits(legs)) is not None:
        return [refused]

    def judged(step: OrderCall, simulated: SimulatedTx, before: Sequence[Outcome]) -> ApprovedTx | Declined:
        return judge_liquidity(Rules.of(account), step.order, step.call, with_least(step, simulated), account.now())

    move = LiquidityMove(
        steps=steps,
        rehearsed=rehearsal.txs,
        tokens=tokens,
        context=lambda place: TxContext(account.settings.chain, account.owner, order.id, place, market),
        judge=judged,
        bare=order,
        spenders={spender: spender for spender in order.spenders},
        allowed=[token for token, _ in order.limits],
    )
    moved = await carry_out(account, move)
    stopped = [moved.declined] if moved.declined is not None else []
    return [*moved.outcomes, *stopped, *moved.taken_back]


def _gas(step: OrderCall, planned: list[RehearsedTx], place: int) -> int | Declined:
    """The gas limit that the rehearsal found for this call, which is then removed from ``planned``. Declined for a call
    that was not rehearsed; a revocation needs no rehearsal."""
    if takes_back(step.call.data):
        return TAKE_BACK_GAS
    if not planned or (planned[0].to, planned[0].call.data[:4]) != (step.call.to, step.call.data[:4]):
        return Declined("NOT_THE_CALL", f"{step.call.description}: was not rehearsed as call {place + 1}")
    return planned.pop(0).gas_limit


async def _one(
    account: Account, move: LiquidityMove, step: OrderCall, gas: int, outcomes: Sequence[Outcome], place: int
) -> Outcome | Declined:
    """Execute one step as a transaction."""
    may_move = frozenset(token.address for token in step.moves)
    return await transact(
        account,
        move.context(place),
        step.call,
        gas,
        simulate=lambda tx: simulate_tx(account, tx, None, tokens=move.tokens, may_move=may_move),
        judge=lambda simulated: move.judge(step, simulated, outcomes),
    )


async def _take_back(
    account: Account, move: LiquidityMove, outcomes: Sequence[Outcome], place: int
) -> list[Outcome | Declined]:
    """Set the remaining allowances to zero, as far as judge and node allow."""
    before, found = list(outcomes), list[Outcome | Declined]()
    for token, (spender, name) in product(move.allowed, move.spenders.items()):
        if await fetch_allowance(account.node, token.address, account.owner, spender):
            step = OrderCall(call=allowance_call(token, spender, 0, name), order=move.bare)
            outcome = await _one(account, move, step, TAKE_BACK_GAS, before, place + len(found))
            found.append(outcome)
            if not isinstance(outcome, Declined):
                before.append(outcome)
    return found


def _bare(provides: Provides, plan_id: str) -> LiquidityOrder:
    """An order that allows nothing except revoking allowances."""
    return LiquidityOrder(
        id=plan_id,
        manager=provides.manager,
        tokens=provides.pair,
        fee_pips=0,
        token_id=None,
        expires_at=NEVER,
        router=provides.router,
    )
