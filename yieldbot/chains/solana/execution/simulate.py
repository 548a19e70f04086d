"""Rehearsals on a fork in LiteSVM: a whole plan, and each transaction just before it is signed; then the nodes' own
simulations of the same bytes, which must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yieldbot.chains.solana.execution.account import Account, LegWork
from yieldbot.chains.solana.execution.balances import changes, of_ours, trespass
from yieldbot.chains.solana.execution.build import (
    MOST_UNITS,
    NO_BLOCKHASH,
    Bid,
    Step,
    Table,
    bid_for,
    budget,
    compiled,
    own_accounts,
    steps,
    too_large,
    without,
    written_out,
)
from yieldbot.chains.solana.execution.wayout import way_out
from yieldbot.chains.solana.node.client import Node, Simulated
from yieldbot.chains.solana.node.fork import Fork, Ran, table_addresses
from yieldbot.errors import MarketError
from yieldbot.execution.deltas import leg_fault, total, within, worth_fault
from yieldbot.execution.results import of_leg
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.solana_tx import SvmSimulated, SvmUnsigned
from yieldbot.model.tx import Delta

LACKS = (
    "its program does not know this instruction: it is older than yieldbot is made for (stake pools before 1.0 lack "
    "those that name a least amount), or another"
)
UNKNOWN = ("invalid instruction data", "Failed to serialize or deserialize account data", "Error Number: 101.")
"""How programs answer an instruction that they do not have: their own, borsh's and Anchor's way."""
OPENED_LAMPORTS = 2 * 2_039_280
"""Rent of the token accounts that a leg may open, which leaves the wallet's own lamports."""


@dataclass(frozen=True, slots=True)
class RehearsedTx:
    """One transaction of a leg on the fork, and what will be asked for it."""

    step: Step
    gas_used: int
    bid: Bid

    @property
    def description(self) -> str:
        return self.step.description

    @property
    def gas_limit(self) -> int:
        """Compute units asked for."""
        return self.bid.units

    @property
    def to(self) -> Address:
        """The program that the step is made for."""
        return self.step.about


@dataclass(frozen=True, slots=True)
class RehearsedLeg:
    """A leg's transactions in order, and what they did together to every balance of ours."""

    index: int
    txs: tuple[RehearsedTx, ...]
    deltas: tuple[Delta, ...]

    @property
    def gas_used(self) -> int:
        """Compute units."""
        return sum(tx.gas_used for tx in self.txs)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A plan as it went on a fork of about the slot ``block``."""

    block: BlockRef
    legs: tuple[RehearsedLeg, ...]

    @property
    def gas_used(self) -> int:
        """Compute units of the whole plan."""
        return sum(leg.gas_used for leg in self.legs)

    @property
    def fee_lamports(self) -> int:
        """The most that the whole plan pays in fees."""
        return sum(tx.bid.fee_lamports for leg in self.legs for tx in leg.txs)

    @property
    def fee_terms(self) -> dict[str, str]:
        """Lamports in all."""
        return {"fee_lamports": str(self.fee_lamports)}

    @property
    def fees_beside(self) -> tuple[str, ...]:
        return ()

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Balance changes of the whole plan."""
        return total(leg.deltas for leg in self.legs)

    @property
    def lines(self) -> tuple[str, ...]:
        """Every instruction that has words, in order."""
        return tuple(
            instruction.description
            for leg in self.legs
            for tx in leg.txs
            for instruction in tx.step.instructions
            if instruction.description
        )


async def tables_of(account: Account, node: Node) -> tuple[Table, ...]:
    """The configured lookup tables as the chain holds them; one that is missing is left away."""
    found = await node.accounts(account.bounds.lookup_tables) if account.bounds.lookup_tables else {}
    return tuple(
        Table(address, tuple(table_addresses(image.data, range((len(image.data) - 56) // 32))))
        for address, image in found.items()
        if image is not None
    )


async def rehearse(account: Account, works: Sequence[LegWork], block: BlockRef) -> Rehearsal | Declined:
    """Run all legs in order on one fork, as our account, with its real funds.

    Declined (never an exception) when an instruction would fail, touches what the leg does not name, leaves a delegate,
    does not do what the leg says, or costs more than the ceilings.
    """
    node = account.nodes.first
    fork = Fork(node)
    tables = await tables_of(account, node)
    legs: list[RehearsedLeg] = []
    for work in works:
        leg = await _leg(account, fork, work, tables)
        if isinstance(leg, NoWayOut):
            return leg  # of a market, whatever leg showed it
        if isinstance(leg, Declined):
            return of_leg(work, leg)
        legs.append(leg)
    return Rehearsal(block, tuple(legs))


async def _leg(account: Account, fork: Fork, work: LegWork, tables: Sequence[Table]) -> RehearsedLeg | Declined:
    owner, watched = account.owner, watched_of(work)
    tables = without(tables, written_out(work, owner))
    mine = tuple(own_accounts(work, owner).values())
    await fork.clone((owner, *mine))
    worth_raw = await _worth(fork, work)
    done: list[RehearsedTx] = []
    parts: list[tuple[Delta, ...]] = []
    for step in steps(work, owner, fork.images(mine), tables):
        if (never := too_large(step, owner, tables)) is not None:
            return never  # before what prepares it is signed
        ran = await ran_step(account, fork, step, watched, tables)
        if isinstance(ran, Declined):
            # Such a market has neither a way in nor out, which must not keep the rest of the money where it is.
            return work.out.unusable(LACKS) if work.out is not None and LACKS in ran.reason and _into(work) else ran
        writable = [m.address for i in step.instructions for m in i.accounts if m.writable]
        recent = await account.nodes.unit_prices(list(dict.fromkeys(writable)))
        bid = bid_for(ran.units, recent, account.bounds.max_unit_price_micro_lamports)
        if bid.fee_lamports > account.bounds.max_fee_lamports:
            said = f"costs up to {bid.fee_lamports} lamports, allowed are {account.bounds.max_fee_lamports}"
            return Declined("FEE_ABOVE_CEILING", f"{step.description}: {said}")
        done.append(RehearsedTx(step, ran.units, bid))
        parts.append(changes(ran.before, ran.after, owner, watched, account.native, ran.fee_lamports))
    deltas = total(parts)
    if (fault := leg_fault(work, deltas, account.tolerance_bps)) is not None:
        return fault
    if worth_raw is not None:
        gained = (await _worth(fork, work) or 0) - worth_raw
        if (loss := worth_fault(work, gained, account.tolerance_bps, work.entry_cost_bps)) is not None:
            return loss
    if _into(work) and (trap := await way_out(account, fork, work, worth_raw or 0, tables)) is not None:
        return trap
    return RehearsedLeg(work.index, tuple(done), deltas)


def _into(work: LegWork) -> bool:
    return work.leg.kind is LegKind.DEPOSIT


async def ran_step(
    account: Account, fork: Fork, step: Step, watched: Sequence[Token], tables: Sequence[Table]
) -> Ran | Declined:
    """One step on the fork; Declined when it fails there, or touches what of ours it may not."""
    instructions = (*budget(Bid(MOST_UNITS, 0)), *step.instructions)
    ran = await fork.send(compiled(instructions, account.owner, NO_BLOCKHASH, tables))
    return would_fail(account, step.description, ran) or trespass(ran.before, ran.after, account.owner, watched) or ran


async def simulate_tx(account: Account, tx: SvmUnsigned, work: LegWork, slot: BlockRef) -> SvmSimulated | Declined:
    """Run exactly these bytes of a leg on a new fork, then have the nodes simulate them too."""
    watched, owner = watched_of(work), account.owner
    return await simulate_bytes(
        account,
        tx,
        slot,
        clone=tuple(own_accounts(work, owner).values()),
        fault=lambda ran: trespass(ran.before, ran.after, owner, watched),
        deltas=lambda ran: with_least(
            changes(ran.before, ran.after, owner, watched, account.native, ran.fee_lamports), work.leg.gets
        ),
        least=work.leg.gets,
    )


async def simulate_bytes(
    account: Account,
    tx: SvmUnsigned,
    slot: BlockRef,
    *,
    fault: Callable[[Ran], Declined | None],
    deltas: Callable[[Ran], tuple[Delta, ...]],
    clone: Sequence[Address] = (),
    exactly: Sequence[Address] = (),
    least: Amount | None = None,
) -> SvmSimulated | Declined:
    """Run exactly these bytes on a new fork, then have the nodes simulate them too.

    clone: accounts that are looked at besides those of the message. fault: what else is wrong with what it did.
    exactly: accounts that the nodes must leave byte for byte as the fork does. least: what a swap must bring there,
    whose price moves from slot to slot.
    """
    from solders.message import from_bytes_versioned

    fork = Fork(account.nodes.first)
    await fork.clone((account.owner, *clone))
    message: Any = from_bytes_versioned(tx.message)
    ran = await fork.send(message)
    if (refused := would_fail(account, tx.description, ran) or fault(ran)) is not None:
        return refused
    if (differs := await _cross_checked(account, tx, ran, exactly, least)) is not None:
        return differs
    return SvmSimulated(tx, slot, ran.units, deltas(ran))


async def _cross_checked(
    account: Account, tx: SvmUnsigned, ran: Ran, exactly: Sequence[Address], least: Amount | None
) -> Declined | None:
    """Whether a quorum of nodes, simulating the same bytes, leaves our accounts as the fork did."""
    from solders.message import from_bytes_versioned
    from solders.signature import Signature
    from solders.transaction import VersionedTransaction

    raw = bytes(VersionedTransaction.populate(from_bytes_versioned(tx.message), [Signature.default()]))
    # Accounts that the transaction closes come back as null from some nodes and as empty from others: both mean gone.
    ours = [
        address
        for address, old in ran.before.items()
        if address in (account.owner, *exactly) or of_ours({address: old}, {address: ran.after[address]}, account.owner)
    ]
    agree, others = 0, []
    for node, simulated in await account.nodes.each(lambda node: node.simulate(raw, ours)):
        why = _difference(account, ran, ours, simulated, exactly, least)
        if why is None:
            agree += 1
        else:
            others.append(f"{node.host}: {why}")
    if agree >= account.nodes.quorum:
        return None
    return Declined(
        "SIMULATION_DIFFERS", f"{tx.description}: the fork and the nodes do not agree ({'; '.join(others)})"
    )


def _difference(
    account: Account,
    ran: Ran,
    ours: Sequence[Address],
    simulated: Simulated,
    exactly: Sequence[Address],
    least: Amount | None,
) -> str | None:
    if simulated.error is not None:
        return f"it would fail there: {simulated.error}"
    theirs = dict(zip(ours, simulated.accounts, strict=True))
    before = {address: ran.before[address] for address in ours}
    here = of_ours(before, {address: ran.after[address] for address in ours}, account.owner)
    there = of_ours(before, theirs, account.owner)
    for mint, (old, new) in here.items():
        _, also = there.get(mint, (0, 0))
        if least is not None and mint == least.token.address and new - old >= least.raw and also - old >= least.raw:
            continue
        if not within(also, new, new - old, account.tolerance_bps):
            return f"our balance of {mint} would be {also} there, {new} on the fork"
    for address in exactly:
        if ran.after[address] != theirs[address]:
            return f"{address} would be another there than on the fork"
    mine, other = ran.after.get(account.owner), theirs.get(account.owner)
    was = before.get(account.owner)
    if least is not None and least.token.address == WRAPPED_SOL and mine is not None and other is not None and was:
        # What a swap brings of SOL is unwrapped into the wallet: the nodes must see its least too, less fees and rent.
        floor = was.lamports + least.raw - account.bounds.max_fee_lamports - OPENED_LAMPORTS
        if mine.lamports >= floor:
            said_less = f"our SOL would be {other.lamports} lamports there, {floor} at least"
            return None if other.lamports >= floor else said_less
    if mine is not None and (other is None or abs(other.lamports - mine.lamports) > account.bounds.max_fee_lamports):
        return f"our SOL would be {other.lamports if other else 0} lamports there, {mine.lamports} on the fork"
    return None


def watched_of(work: LegWork) -> tuple[Any, ...]:
    """Tokens whose balances the leg moves: the asset, the shares, what a swap brings."""
    return tuple(work.programs)


def with_least(deltas: Sequence[Delta], least: Amount | None) -> tuple[Delta, ...]:
    """The changes, that of what a swap brings with the least that is right too. Pure."""
    if least is None:
        return tuple(deltas)
    return tuple(
        replace(delta, least=least.raw) if delta.token == least.token and delta.raw >= least.raw else delta
        for delta in deltas
    )


def would_fail(account: Account, description: str, ran: Ran) -> Declined | None:
    """Why a transaction fails on the fork, in words; None when it does not."""
    if ran.error is None:
        return None
    return Declined("WOULD_REVERT", f"{description}: {reason(account, ran)}")


def reason(account: Account, ran: Ran) -> str:
    """An error in the program's own words where an adapter knows them, else the last log line that tells anything."""
    if (custom := ran.custom_error) is not None:
        failed = next((line for line in reversed(ran.logs) if " failed: " in line), "")
        program = Address(failed.split()[1]) if failed.startswith("Program ") else Address("")
        if (known := account.explain(program, custom[1])) is not None:
            return known
    lines = [line for line in ran.logs if "Error" in line or "failed" in line or "insufficient" in line]
    if any(answer in line for line in lines for answer in UNKNOWN):
        return LACKS
    return lines[-1] if lines else str(ran.error)


async def _worth(fork: Fork, work: LegWork) -> int | None:
    """What our position is worth on the fork, as the adapter reads it; None where nobody asks."""
    if work.observe is None or work.leg.kind is not LegKind.DEPOSIT:
        return None
    (state,) = await fork.run([work.observe(BlockRef(work.market.chain, fork.slot, "", 0))])
    return 0 if isinstance(state, MarketError) else state.held.raw
