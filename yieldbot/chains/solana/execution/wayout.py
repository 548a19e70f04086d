"""Rehearses a market's exit before money goes in: on the fork on which a deposit was rehearsed, everything is withdrawn
some time later by the adapter's own instructions and compared with what went in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.chains.solana.execution.balances import changes
from yieldbot.chains.solana.execution.build import own_accounts, steps, too_large
from yieldbot.errors import MarketError
from yieldbot.execution.deltas import change_of
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.market import MarketState
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.tx import SvmInstruction

if TYPE_CHECKING:
    from yieldbot.chains.solana.execution.account import Account, LegWork
    from yieldbot.chains.solana.execution.build import LookupTable
    from yieldbot.chains.solana.node.fork import Fork
    from yieldbot.execution.wayout import ExitRehearsal


SLACK = 1000
"""One part in this of a withdrawal may be missing, since its price is from some slots before."""


async def rehearse_exit(
    account: Account, fork: Fork, work: LegWork, held_raw: int, tables: Sequence[LookupTable] = ()
) -> NoWayOut | None:
    """Why what the leg just deposited cannot be withdrawn again on the fork; None if it can. Afterwards the fork and
    its clock are restored. held_raw: what the position was worth before the leg, in base units of the asset."""
    out = work.out
    if out is None or work.observe is None:
        return None
    fork.keep()
    try:
        return await _tried(account, fork, work, out, held_raw, tables)
    finally:
        fork.put_back()


async def _tried(
    account: Account,
    fork: Fork,
    work: LegWork,
    out: ExitRehearsal[SvmInstruction],
    held_raw: int,
    tables: Sequence[LookupTable],
) -> NoWayOut | None:
    put, less, back_raw = work.leg.amount, None, 0
    for seconds in out.waits:
        fork.wait(seconds)
        state = await _now(fork, work)
        if isinstance(state, MarketError):
            return out.unread(put, state)
        part, least_raw = out.requested(put, held_raw, state.cash)
        if part is None and state.withdrawable < state.held:
            part = state.withdrawable  # some shares stay, so their account must not be closed
        back = await _taken(account, fork, work, out.withdraw(state, part), part, tables)
        if isinstance(back, Declined):
            return out.stuck(put, back.reason, lasting=not state.exit.priced)  # the price oracle may be updated later
        back_raw += back
        if (less := out.less(put, back_raw, least_raw)) is None:
            return None
        # A market that itself reports how little it pays out now (outflow limit reached) is not remembered as a trap.
        pays = min(least_raw, state.withdrawable.raw)
        less = replace(less, lasting=back + pays // SLACK + out.state.rounding_raw < pays)
    return less


async def _now(fork: Fork, work: LegWork) -> MarketState | MarketError:
    assert work.observe is not None
    (state,) = await fork.run([work.observe(BlockRef(work.market.chain, fork.slot, "", 0))])
    return state


async def _taken(
    account: Account,
    fork: Fork,
    work: LegWork,
    calls: tuple[SvmInstruction, ...],
    part: Amount | None,
    tables: Sequence[LookupTable],
) -> int | Declined:
    """Run the adapter's instructions on the fork as a withdrawal; returns the base units of the asset that they bring.
    part: the amount withdrawn; None: everything."""
    from yieldbot.chains.solana.execution.rehearse import ran_step
    from yieldbot.chains.solana.execution.simulate import watched_of

    if not calls:
        return Declined("WOULD_REVERT", "there is no instruction that takes it out")
    leg = replace(work.leg, kind=LegKind.WITHDRAW, amount=part or work.leg.amount, all=part is None)
    back = replace(work, leg=leg, calls=calls)
    owner, watched, brought = account.owner, watched_of(back), 0
    present = fork.images(own_accounts(back, owner).values())
    for step in steps(back, owner, present, tables):
        if (never := too_large(step, owner, tables)) is not None:
            return never
        ran = await ran_step(account, fork, step, watched, tables)
        if isinstance(ran, Declined):
            return ran
        done = changes(ran.before, ran.after, owner, watched, account.native, ran.fee_lamports)
        brought += change_of(done, back.asset)
    return brought
