"""One leg of an approved plan, transaction by transaction: simulate, judge, sign, record, submit, confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yieldbot.errors import PendingError, TransientError
from yieldbot.execution.account import Account, LegWork
from yieldbot.execution.approve import Approval, Rules, judge
from yieldbot.execution.build import TxContext, allowance_call, price, spender_names, unsigned
from yieldbot.execution.confirm import confirm
from yieldbot.execution.deltas import allowance
from yieldbot.execution.simulate import priority_fee, rehearse, simulate_tx
from yieldbot.execution.submit import record, submit
from yieldbot.journal.events import PlanMarked, PlanStatus
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, EvmCall, Outcome, Reverted

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
        _barred(account) or account.limits((work.leg,)) or await rehearse(account, (work,), await account.node.block())
    )
    if isinstance(rehearsed, Declined):
        stopped = LegResult((), rehearsed)
        _mark(account, approval, work, stopped)
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
    if not result.done:
        result = replace(result, outcomes=(*outcomes, *await _take_back(account, approval, work)))
    _mark(account, approval, work, result)
    return result


def _barred(account: Account) -> Declined | None:
    """Stopped accounts sign nothing; an open transaction must be settled first."""
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot is halted ({reason}): `yieldbot resume` lifts it")
    key = (account.settings.chain, account.owner)
    if (reason := account.journal.stopped_accounts().get(key)) is not None:
        return Declined("ACCOUNT_STOPPED", f"account {account.owner} is stopped: {reason}")
    open_ones = account.journal.open_transactions(*key)
    if open_ones:
        raise PendingError(f"{open_ones[0].signed.hash} ({open_ones[0].signed.words}) is still open; run again")
    if account.signer.address.lower() != account.owner.lower():
        return Declined("WRONG_KEY", f"the key is for {account.signer.address}, the account is {account.owner}")
    return None


async def _execute(
    account: Account,
    approval: Approval,
    work: LegWork,
    call: EvmCall,
    gas: int,
    settles: Sequence[tuple[Token, Address]],
) -> Outcome | Declined:
    """One call: priced, simulated at the newest block, judged, signed, journalled, sent, confirmed.

    ``gas``: its limit, as the rehearsal found it; ``settles``: allowances that must be zero after it.
    """
    _, base_fee_wei = await account.node.block_and_base_fee()
    fees = price(base_fee_wei, await priority_fee(account), account.max_fee_wei)
    if isinstance(fees, Declined):
        return fees
    nonce = await _nonce(account)
    if isinstance(nonce, Declined):
        return nonce
    if account.max_cost_wei is not None and gas * (base_fee_wei + fees.priority_fee_wei) > account.max_cost_wei:
        most = Amount(account.native, account.max_cost_wei)
        return Declined("COST_ABOVE_GAIN", f"{call.words}: its gas costs more than the gain allows, {most}")
    context = TxContext(account.settings.chain, account.owner, approval.plan.id, work.index, work.leg.market_id)
    tx = unsigned(call, context, nonce, gas, fees)
    simulated = await simulate_tx(account, tx, work, settles)
    if isinstance(simulated, Declined):
        return simulated
    await account.node.verify_chain()  # the last look before a key is used
    approved = judge(Rules.of(account), approval, work, simulated, account.now())
    if isinstance(approved, Declined):
        return approved
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot was halted on the way ({reason}): `yieldbot resume` lifts it")
    recorded = record(account, account.signer.sign(approved))
    await submit(account, recorded)
    outcomes = await confirm(account, (recorded,))
    mined = (outcome for outcome in outcomes if isinstance(outcome, Confirmed | Reverted))
    return next(mined, outcomes[0])  # of several attempts the one that was mined tells


async def _nonce(account: Account) -> int | Declined:
    """The next nonce, from the chain and the journal together. TransientError when the node is behind the journal."""
    mined, pending = await account.node.nonce(account.owner), await account.node.nonce(account.owner, "pending")
    used = [tx.signed.nonce for tx in account.journal.transactions(account.settings.chain, account.owner)]
    if used and mined <= max(used):
        raise TransientError(
            f"{account.node.host} knows {mined} transactions of {account.owner}, the journal has settled "
            f"{max(used) + 1}: the node is behind, or serves another chain"
        )
    if pending > mined:
        return Declined("NONCE_BUSY", f"another transaction of {account.owner} waits in the node's pool")
    return mined


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
    return outcomes


def _mark(account: Account, approval: Approval, work: LegWork, result: LegResult) -> None:
    if account.journal.plan(approval.plan.id) is None:
        return
    if not result.done:
        reason = result.declined.reason if result.declined else "a transaction did not succeed"
        account.journal.append(
            PlanMarked(approval.plan.id, PlanStatus.FAILED, "execution", f"leg {work.index + 1}: {reason}")
        )
    elif work.index == len(approval.plan.legs) - 1:
        account.journal.append(PlanMarked(approval.plan.id, PlanStatus.EXECUTED, "execution"))
