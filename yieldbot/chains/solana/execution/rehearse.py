"""Rehearses a whole plan, exits included, on a fork in LiteSVM."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.chains.solana.execution.account import Account, LegWork
from yieldbot.chains.solana.execution.balances import changes, trespass
from yieldbot.chains.solana.execution.build import (
    MOST_UNITS,
    NO_BLOCKHASH,
    Bid,
    LookupTable,
    TxStep,
    bid_for,
    budget,
    compiled,
    own_accounts,
    steps,
    too_large,
    without,
    written_out,
)
from yieldbot.chains.solana.execution.rehearsal import Rehearsal, RehearsedLeg, RehearsedTx
from yieldbot.chains.solana.execution.simulate import LACKS, tables_of, watched_of, would_fail
from yieldbot.chains.solana.execution.wayout import rehearse_exit
from yieldbot.chains.solana.node.fork import Fork, Ran
from yieldbot.errors import MarketError
from yieldbot.execution.deltas import leg_fault, total, worth_fault
from yieldbot.execution.results import of_leg
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.tx import Delta


async def rehearse(account: Account, works: Sequence[LegWork], block: BlockRef) -> Rehearsal | Declined:
    """Run all legs in order on one fork, from our account and with its real balances. ``block``: its approximate slot.

    Declined if an instruction would fail, touches an account of ours that the leg does not name, leaves a delegate,
    does not do what the leg says, or costs more than the ceilings; NoWayOut if a deposit cannot be withdrawn again.
    Raises TransientError if the node fails.
    """
    node = account.nodes.first
    fork = Fork(node)
    tables = await tables_of(account, node)
    legs: list[RehearsedLeg] = []
    for work in works:
        leg = await _leg(account, fork, work, tables)
        if isinstance(leg, NoWayOut):
            return leg  # it is about a market, whichever leg showed it
        if isinstance(leg, Declined):
            return of_leg(work, leg)
        legs.append(leg)
    return Rehearsal(block, tuple(legs))


async def _leg(account: Account, fork: Fork, work: LegWork, tables: Sequence[LookupTable]) -> RehearsedLeg | Declined:
    owner, watched = account.owner, watched_of(work)
    tables = without(tables, written_out(work, owner))
    mine = tuple(own_accounts(work, owner).values())
    await fork.clone((owner, *mine))
    worth_raw = await _worth(fork, work)
    done: list[RehearsedTx] = []
    parts: list[tuple[Delta, ...]] = []
    for step in steps(work, owner, fork.images(mine), tables):
        if (never := too_large(step, owner, tables)) is not None:
            return never  # before the transaction that prepares it is signed
        ran = await ran_step(account, fork, step, watched, tables)
        if isinstance(ran, Declined):
            # A market whose program lacks the instruction is refused alone; the plan's other legs need not wait.
            return work.out.unusable(LACKS) if work.out is not None and LACKS in ran.reason and _into(work) else ran
        writable = [m.address for i in step.instructions for m in i.accounts if m.writable]
        recent = await account.nodes.unit_prices(list(dict.fromkeys(writable)))
        bid = bid_for(ran.units, recent, account.bounds.max_unit_price_micro_lamports)
        if bid.fee_lamports > account.bounds.max_fee_lamports:
            message = f"costs up to {bid.fee_lamports} lamports, allowed are {account.bounds.max_fee_lamports}"
            return Declined("FEE_ABOVE_CEILING", f"{step.description}: {message}")
        done.append(RehearsedTx(step, ran.units, bid))
        parts.append(changes(ran.before, ran.after, owner, watched, account.native, ran.fee_lamports))
    deltas = total(parts)
    if (fault := leg_fault(work, deltas, account.tolerance_bps)) is not None:
        return fault
    if worth_raw is not None:
        gained = (await _worth(fork, work) or 0) - worth_raw
        if (loss := worth_fault(work, gained, account.tolerance_bps, work.entry_cost_bps)) is not None:
            return loss
    if _into(work) and (trap := await rehearse_exit(account, fork, work, worth_raw or 0, tables)) is not None:
        return trap
    return RehearsedLeg(work.index, tuple(done), deltas)


def _into(work: LegWork) -> bool:
    return work.leg.kind is LegKind.DEPOSIT


async def ran_step(
    account: Account, fork: Fork, step: TxStep, watched: Sequence[Token], tables: Sequence[LookupTable]
) -> Ran | Declined:
    """Run one step on the fork. Declined if it fails there, or touches an account of ours that it may not."""
    instructions = (*budget(Bid(MOST_UNITS, 0)), *step.instructions)
    ran = await fork.send(compiled(instructions, account.owner, NO_BLOCKHASH, tables))
    return would_fail(account, step.description, ran) or trespass(ran.before, ran.after, account.owner, watched) or ran


async def _worth(fork: Fork, work: LegWork) -> int | None:
    """The value of our position on the fork by the adapter's reads, in base units of the asset; 0 if the market cannot
    be read; None if the leg is not judged by it."""
    if work.observe is None or work.leg.kind is not LegKind.DEPOSIT:
        return None
    (state,) = await fork.run([work.observe(BlockRef(work.market.chain, fork.slot, "", 0))])
    return 0 if isinstance(state, MarketError) else state.held.raw
